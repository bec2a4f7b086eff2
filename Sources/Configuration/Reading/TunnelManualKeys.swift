internal import IPsecPrimitives

/// SPIs, algorithms and keys of a tunnel whose keys are manual (RFC 4301 §4.5.1).
extension TunnelSection {
    static let manualKeys = ["in", "out"]
    private static let halfKeys = ["spi", "encryption-key-file", "integrity-key-file"]
    /// What is agreed on with a peer, or is done when time passes, and why manual keys do without.
    private static let negotiatedKeys: [(key: String, reason: String)] = [
        ("start", "the SAs are there as long as the gateway runs"),
        ("on-loss", "the SAs are there as long as the gateway runs"),
        ("lifetime", "nothing would make new keys"),
        (
            "replay-window",
            "a peer that restarts begins again with the first sequence number (RFC 4303 §3.3.3)"
        ),
        ("tfc-padding", "it is negotiated; padding is taken anyway"),
        ("sa-per", "such SAs are negotiated"),
        ("ip-tfs", "both ends have to agree on it (RFC 9347 §5.1)"),
        ("resources", "such SAs are negotiated"),
        ("sa-per-dscp", "such SAs are negotiated"),
    ]

    /// What `in` and `out` say; nothing of any of it where keys are negotiated.
    func readManualKeys(_ reader: MappingReader, into tunnel: inout TunnelConfiguration) {
        guard isManual else {
            for key in TunnelSection.manualKeys {
                guard let node = reader.node(key) else { continue }
                problems.error(
                    at: node.location,
                    "\"\(key)\" in tunnel \"\(path)\" has SPIs and keys, which IKE chooses",
                    hint: "remove it, or write `keys: manual` in the connection"
                )
            }
            return
        }
        for (key, reason) in TunnelSection.negotiatedKeys {
            guard let node = reader.node(key) else { continue }
            problems.error(
                at: node.location,
                "\"\(key)\" means nothing where keys are manual: \(reason)",
                hint: "remove it"
            )
        }
        let proposal = manualProposal(reader, tunnel)
        let inbound = readHalf("in", reader, proposal?.value)
        let outbound = readHalf("out", reader, proposal?.value)
        guard let proposal, let inbound, let outbound else { return }
        if proposal.value.securityProtocol == .ah {
            tunnel.carriage.ahProposals = [proposal]
        } else {
            tunnel.espProposals = [proposal]
        }
        tunnel.manualKeys = ManualKeyConfiguration(inbound: inbound, outbound: outbound)
        warnOfSharedKeys(inbound, outbound)
    }

    /// The only proposal, with 32-bit numbers; nil, and reported, where the algorithms are none that
    /// keys may stay with.
    private func manualProposal(
        _ reader: MappingReader,
        _ tunnel: TunnelConfiguration
    ) -> Located<Proposal>? {
        let example = "write `esp-proposals: aes256-sha256`, or what the peer has"
        let proposals = tunnel.espProposals + tunnel.carriage.ahProposals
        guard let proposal = proposals.first, proposals.count == 1 else {
            let isWritten = ["esp-proposals", "ah-proposals"].contains { reader.node($0) != nil }
            if proposals.isEmpty, isWritten { return nil }
            problems.error(
                at: proposals.last?.location ?? reader.location,
                "tunnel \"\(path)\" has \(proposals.isEmpty ? "no" : "several") proposals, and manual "
                    + "keys are for one set of algorithms",
                hint: example
            )
            return nil
        }
        let transforms = proposal.value.transforms
        if let refusal = manualRefusal(proposal.value) {
            problems.error(at: proposal.location, refusal, hint: example)
            return nil
        }
        let kept = transforms.filter { $0.type == .encryption || $0.type == .integrity }
        return Located(
            Proposal(
                securityProtocol: proposal.value.securityProtocol,
                transforms: kept + [.sequenceNumbers(.short)]
            ),
            at: proposal.location
        )
    }

    /// Why keys cannot stay with a proposal; nil where they can.
    private func manualRefusal(_ proposal: Proposal) -> String? {
        func names(_ type: TransformType) -> [String] {
            proposal.transforms(of: type).map(ProposalKeyword.name(of:))
        }
        if let word = names(.keyExchange).first {
            return "\"\(word)\" exchanges keys, which are manual in tunnel \"\(path)\""
        }
        for type in [TransformType.encryption, .integrity] where names(type).count > 1 {
            return "\"\(names(type).joined(separator: "-"))\" leaves a choice, and nobody makes it "
                + "where keys are manual"
        }
        if !proposal.transforms.contains(.sequenceNumbers(.short)) {
            // RFC 4303 §2.2.1: the receiver infers the high half from its replay window.
            return "\"esn\" needs a replay window, which manual keys do without (RFC 4303 §3.4.3)"
        }
        let counting =
            proposal.encryption.filter {
                let algorithm = EncryptionAlgorithm(rawValue: $0.identifier)
                return algorithm.isAuthenticated || algorithm == .aesCTR
            }
            + proposal.transforms(of: .integrity).filter {
                [IntegrityAlgorithm.aes128GMAC, .aes192GMAC, .aes256GMAC]
                    .contains(IntegrityAlgorithm(rawValue: $0.identifier))
            }
        guard let transform = counting.first else { return nil }
        return
            "\"\(ProposalKeyword.name(of: transform))\" must never use a number twice with one key, "
            + "and after a restart manual keys would: what was encrypted could be read, and packets "
            + "forged (RFC 8221 §3, RFC 4106 §2, RFC 3686 §7)"
    }

    /// - Parameter proposal: nil where it is wrong; then what there is to say of keys is left open.
    private func readHalf(
        _ key: String,
        _ reader: MappingReader,
        _ proposal: Proposal?
    ) -> ManualKeyConfiguration.Half? {
        let encrypts =
            proposal?.encryption.contains {
                EncryptionAlgorithm(rawValue: $0.identifier).encrypts
            } ?? true
        guard let node = reader.node(key) else {
            let files = (encrypts ? "encryption-key-file: …, " : "") + "integrity-key-file: …"
            reader.reportMissing(key, hint: "write `\(key): {spi: 0x1000, \(files)}`")
            return nil
        }
        guard
            let half = MappingReader(
                node,
                subject: "\(key) of tunnel \"\(path)\"",
                keys: TunnelSection.halfKeys,
                problems: problems
            )
        else { return nil }
        let spi = half.required(
            "spi",
            hint: "write the SPI that the packets carry, as in `spi: 0x1000`",
            TunnelSection.spi
        )
        guard proposal != nil else { return nil }
        var encryption: Located<String>?
        if encrypts {
            encryption = keyFile("encryption-key-file", half)
        } else if let node = half.node("encryption-key-file") {
            problems.error(
                at: node.location,
                "\"encryption-key-file\" in \(half.subject), whose algorithms do not encrypt",
                hint: "remove it"
            )
        }
        let integrity = keyFile("integrity-key-file", half)
        guard let spi, let integrity, !encrypts || encryption != nil else { return nil }
        return ManualKeyConfiguration.Half(
            spi: spi,
            encryptionKeyFile: encryption,
            integrityKeyFile: integrity
        )
    }

    private func keyFile(_ key: String, _ half: MappingReader) -> Located<String>? {
        half.required(
            key,
            hint: "write the file with the key after `\(key):`, one that only its owner may read",
            WordText.path
        ).map { WordText.path($0, in: directory) }
    }

    /// Each direction ought to have keys of its own: with the same ones, a packet of ours that is sent
    /// back to us is only kept out by its SPI.
    private func warnOfSharedKeys(
        _ inbound: ManualKeyConfiguration.Half,
        _ outbound: ManualKeyConfiguration.Half
    ) {
        let files = Set(inbound.keyFiles.map(\.value))
        guard let shared = outbound.keyFiles.first(where: { files.contains($0.value) }) else {
            return
        }
        problems.warning(
            at: shared.location,
            "both directions of tunnel \"\(path)\" have the key in \(shown(shared.value))",
            hint: "give each direction keys of its own"
        )
    }

    /// RFC 4303 §2.1: "The set of SPI values in the range 1 through 255 are reserved".
    private static func spi(_ text: String) throws(Complaint) -> SPI {
        let value: UInt32
        do throws(Complaint) {
            value = try NumberText.integer(0...UInt32.max)(text)
        } catch {
            throw Complaint(
                error.message,
                hint: "write a number from 256 to 4294967295, or in hexadecimal after 0x"
            )
        }
        let spi = SPI(rawValue: value)
        guard !spi.isReserved else {
            throw Complaint(
                "\(value) is not for use: SPIs to 255 are reserved (RFC 4303 §2.1)",
                hint: "write 256 or more, the same at both ends"
            )
        }
        return spi
    }
}
