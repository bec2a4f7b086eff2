/// The fragments of one message, until all of them are there (RFC 7383 §2.6).
///
/// Pure: time limits and the authenticity of what is added are its owner's business.
package struct FragmentReassembly: Sendable {
    /// What a fragment is worth before it is opened.
    package enum Verdict: Hashable, Sendable {
        /// Open it, and add what it holds.
        case wanted
        /// It is there already, or belongs to a set that a finer one has replaced.
        case repeated
        /// Larger numbers than we take.
        case excessive
    }

    package let limits: MessageLimits
    /// Of content held.
    package private(set) var octets = 0
    package private(set) var total: UInt16 = 0
    private var chunks: [(number: UInt16, octets: [UInt8])] = []
    /// Of the first fragment: what stands before the content, as in a message that is whole.
    private var head: [UInt8] = []
    private var firstPayload = PayloadType.none

    package init(limits: MessageLimits = .standard) {
        self.limits = limits
    }

    package func judge(_ fragment: EncryptedFragmentPayload) -> Verdict {
        guard fragment.total <= limits.fragments else { return .excessive }
        // RFC 7383 §2.6: "equal to or greater than the Total Fragments field in the fragments that
        // have already been stored".
        guard fragment.total >= total else { return .repeated }
        let isKnown =
            fragment.total == total && chunks.contains { $0.number == fragment.number }
        return isKnown ? .repeated : .wanted
    }

    /// Adds what an authentic fragment held; the whole message when it was the last.
    ///
    /// - Throws: when the message grows beyond the limit; then nothing is held any more.
    package mutating func add(
        _ fragment: EncryptedFragmentPayload,
        holding chunk: [UInt8]
    ) throws(MalformedMessage) -> OpenedMessage? {
        guard judge(fragment) == .wanted else { return nil }
        if fragment.total > total {
            // "the receiver MUST discard all received fragments and start the reassembly process
            // over with just the received IKE Fragment message".
            empty()
            total = fragment.total
        }
        guard octets + chunk.count <= limits.messageOctets else {
            empty()
            throw MalformedMessage(
                .limitExceeded("octets", limit: limits.messageOctets),
                in: .encryptedFragment,
                at: 0
            )
        }
        octets += chunk.count
        chunks.append((fragment.number, chunk))
        if fragment.number == 1 {
            head = fragment.headOfWhole
            firstPayload = fragment.firstPayload
        }
        guard chunks.count == Int(total) else { return nil }
        chunks.sort { $0.number < $1.number }
        var content: [UInt8] = []
        content.reserveCapacity(octets)
        for chunk in chunks { content += chunk.octets }
        return OpenedMessage(
            head: head,
            content: ProtectedContent(firstPayload: firstPayload, octets: content)
        )
    }

    private mutating func empty() {
        chunks = []
        head = []
        octets = 0
        total = 0
    }
}

extension EncryptedFragmentPayload {
    /// What would stand before the content if the message had not been cut. Lengths are still
    /// those of the fragment.
    fileprivate var headOfWhole: [UInt8] {
        var head = Array(associatedData.dropLast(4))
        head[typeOffset] = PayloadType.encrypted.rawValue
        return head
    }
}
