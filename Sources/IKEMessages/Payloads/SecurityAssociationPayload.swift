package import IPsecPrimitives

/// What an end offers or has chosen (RFC 7296 §3.3).
package struct SecurityAssociationPayload: PayloadBody {
    package var proposals: [ProposalSubstructure]

    package init(proposals: [ProposalSubstructure]) {
        self.proposals = proposals
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        proposals = []
        while !reader.isAtEnd {
            try reader.expect(
                proposals.count + 1,
                within: reader.limits.proposals,
                of: "proposals"
            )
            proposals.append(try ProposalSubstructure(reading: &reader))
        }
    }

    package func write(into writer: inout ByteWriter) {
        for (index, proposal) in proposals.enumerated() {
            proposal.write(into: &writer, isLast: index == proposals.count - 1)
        }
    }
}
