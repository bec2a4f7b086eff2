internal import IPsecPrimitives

/// Proposals as the configuration writes them: words joined by dashes.
enum ProposalText {
    /// More words than there are algorithms are a mistake.
    private static let wordLimit = 32

    /// An IKE proposal: encryption, a pseudorandom function, a group, and for CBC an integrity
    /// algorithm, which also stands for the function of its name where none is named.
    static func ike(_ text: String) throws(Complaint) -> Proposal {
        let found = try transforms(text)
        try checkForIKE(found)
        try checkEncryption(found, text)
        guard found[.sequenceNumbers] == nil else {
            throw Complaint(
                "an IKE proposal has no esn or noesn",
                hint: "write them in esp-proposals"
            )
        }
        guard found[.keyExchange] != nil else {
            throw Complaint(
                "\"\(shown(text))\" has no key exchange group",
                hint: "add one, as in \(shown(text))-x25519"
            )
        }
        var functions = found[.pseudorandomFunction] ?? []
        if functions.isEmpty { functions = (found[.integrity] ?? []).compactMap(function) }
        guard !functions.isEmpty else {
            throw Complaint(
                "\"\(shown(text))\" has no pseudorandom function",
                hint: "add one, as in \(shown(text))-prfsha256"
            )
        }
        return Proposal(
            securityProtocol: .ike,
            transforms: (found[.encryption] ?? []) + (found[.integrity] ?? []) + functions
                + (found[.keyExchange] ?? []) + (try additional(found, text))
        )
    }

    /// An ESP proposal: encryption, for CBC an integrity algorithm, a group for fresh keys at each
    /// rekey if wanted. Where neither esn nor noesn is named, both are offered, esn first.
    static func esp(_ text: String) throws(Complaint) -> Proposal {
        let found = try transforms(text)
        try checkEncryption(found, text)
        guard found[.pseudorandomFunction] == nil else {
            throw Complaint(
                "an ESP proposal has no pseudorandom function",
                hint: "write prf… in ike-proposals only"
            )
        }
        let numbers =
            found[.sequenceNumbers] ?? [.sequenceNumbers(.extended), .sequenceNumbers(.short)]
        return Proposal(
            securityProtocol: .esp,
            transforms: (found[.encryption] ?? []) + (found[.integrity] ?? [])
                + (found[.keyExchange] ?? []) + (try additional(found, text)) + numbers
        )
    }

    /// An AH proposal: integrity, and what ESP has besides encryption.
    static func ah(_ text: String) throws(Complaint) -> Proposal {
        let found = try transforms(text)
        let encryption = found[.encryption] ?? []
        let gmac = encryption.compactMap(ProposalKeyword.authenticationHeaderTransform)
        guard gmac.count == encryption.count, found[.pseudorandomFunction] == nil else {
            throw Complaint(
                "\"\(shown(text))\" is no proposal for AH, which does nothing but prove integrity",
                hint: "write an integrity word, as in sha256, or use esp-proposals"
            )
        }
        let integrity = (found[.integrity] ?? []) + gmac
        guard !integrity.isEmpty else {
            throw Complaint(
                "\"\(shown(text))\" has no integrity algorithm",
                hint: "begin with one, as in sha256-\(shown(text))"
            )
        }
        let numbers =
            found[.sequenceNumbers] ?? [.sequenceNumbers(.extended), .sequenceNumbers(.short)]
        return Proposal(
            securityProtocol: .ah,
            transforms: integrity + (found[.keyExchange] ?? []) + numbers
        )
    }

    /// The transforms by type, each in the order of the words.
    private static func transforms(
        _ text: String
    ) throws(Complaint) -> [TransformType: [Transform]] {
        let words = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard words.count <= wordLimit else {
            throw Complaint(
                "a proposal of \(words.count) words",
                hint: "write at most \(wordLimit); a second proposal can follow in the list"
            )
        }
        var found: [TransformType: [Transform]] = [:]
        for word in words {
            guard let transform = ProposalKeyword.transform(for: word) else {
                throw unknown(word)
            }
            guard found[transform.type]?.contains(transform) != true else {
                throw Complaint("\"\(word)\" says what an earlier word said", hint: "remove it")
            }
            found[transform.type, default: []].append(transform)
        }
        return found
    }

    /// Those of the words ke1_… to ke7_…, in the order in which they take place (RFC 9370 §2.2.1).
    private static func additional(
        _ found: [TransformType: [Transform]],
        _ text: String
    ) throws(Complaint) -> [Transform] {
        let transforms = TransformType.additionalKeyExchanges.flatMap { found[$0] ?? [] }
        guard let first = transforms.first else { return [] }
        let word = ProposalKeyword.name(of: first)
        guard let groups = found[.keyExchange] else {
            throw Complaint(
                "\"\(word)\" is an additional key exchange without a first one",
                hint: "write one before it, as in x25519-\(word)"
            )
        }
        let lists = TransformType.additionalKeyExchanges.compactMap { found[$0] }
            .map { $0.map { KeyExchangeMethod(rawValue: $0.identifier) } }
        let isPossible = groups.contains { group in
            AdditionalMethods.distinct(
                lists,
                besides: KeyExchangeMethod(rawValue: group.identifier)
            ) != nil
        }
        guard isPossible else {
            throw Complaint(
                "\"\(shown(text))\" uses one key exchange method twice",
                hint: "give each of the exchanges a method of its own, as in "
                    + "x25519-ke1_mlkem768-ke2_ecp384"
            )
        }
        return transforms
    }

    private static func unknown(_ word: String) -> Complaint {
        if let refused = RefusedAlgorithm.complaint(for: word.lowercased()) { return refused }
        if word.hasPrefix("ke"), let end = word.firstIndex(of: "_") {
            return unknownAdditional(word, method: String(word[word.index(after: end)...]))
        }
        let words = ProposalKeyword.table.map(\.word)
        let hint =
            NearestWord.to(word, among: words).map { "did you mean \"\($0)\"?" }
            ?? "join words by dashes, as in aes256gcm16-prfsha256-x25519; known words are "
            + words.joined(separator: ", ")
        return Complaint("\"\(shown(word))\" is not an algorithm", hint: hint)
    }

    /// RFC 7296 §5: "ENCR_NULL … MUST NOT be used"; RFC 4543 §5 and RFC 8750 §5 define theirs for
    /// ESP only.
    private static func checkForIKE(
        _ found: [TransformType: [Transform]]
    ) throws(Complaint) {
        for transform in found[.encryption] ?? [] {
            let algorithm = EncryptionAlgorithm(rawValue: transform.identifier)
            guard !algorithm.encrypts || algorithm.hasImplicitIV else { continue }
            let word = ProposalKeyword.name(of: transform)
            throw Complaint(
                algorithm.encrypts
                    ? "\"\(word)\" is for ESP only: it sends no IV (RFC 8750)"
                    : "\"\(word)\" does not encrypt, as IKE must (RFC 7296 §5)",
                hint: "use aes256gcm16, aes128gcm16 or chacha20poly1305 here"
            )
        }
    }

    private static func unknownAdditional(_ word: String, method: String) -> Complaint {
        if let refused = RefusedAlgorithm.complaint(for: method.lowercased()) { return refused }
        let methods = ProposalKeyword.table.filter { $0.transform.type == .keyExchange }.map(\.word)
        let near = NearestWord.to(method, among: methods)
        return Complaint(
            "\"\(shown(word))\" is not an additional key exchange",
            hint: "write ke1_ to ke7_ and a method, as in ke1_\(near ?? "mlkem768"), or ke1_none "
                + "beside it where it may be left out"
        )
    }

    /// RFC 5282 §8, RFC 7296 §3.3: an AEAD brings its integrity with it, and stands in a proposal
    /// of its own because of that.
    private static func checkEncryption(
        _ found: [TransformType: [Transform]],
        _ text: String
    ) throws(Complaint) {
        let ciphers = (found[.encryption] ?? []).map {
            EncryptionAlgorithm(rawValue: $0.identifier).isAuthenticated
        }
        let hasIntegrity = found[.integrity] != nil
        guard let isAEAD = ciphers.first else {
            throw Complaint(
                "\"\(shown(text))\" does not encrypt",
                hint: "begin with aes256gcm16, aes128gcm16, chacha20poly1305, aes256 or aes128"
            )
        }
        guard !ciphers.contains(!isAEAD) else {
            throw Complaint(
                "\"\(shown(text))\" mixes ciphers with and without integrity of their own",
                hint: "make two proposals: the gcm, ccm and chacha20poly1305 words, then aes… with "
                    + "sha…"
            )
        }
        if isAEAD, hasIntegrity {
            throw Complaint(
                "\"\(shown(text))\" has an integrity algorithm beside a cipher that brings its own",
                hint: "remove that word, or write prfsha256 if the pseudorandom function of "
                    + "an IKE proposal was meant"
            )
        }
        if !isAEAD, !hasIntegrity {
            throw Complaint(
                "\"\(shown(text))\" has no integrity algorithm",
                hint: "add sha256, or use aes256gcm16, which brings its own"
            )
        }
    }

    private static func function(for integrity: Transform) -> Transform? {
        IntegrityAlgorithm(rawValue: integrity.identifier).impliedFunction
            .map(Transform.pseudorandomFunction)
    }
}
