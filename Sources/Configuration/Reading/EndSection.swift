internal import IPsecPrimitives

/// Reads `local:` and `remote:` of a connection: an address, an identity or both.
struct EndSection {
    static let keys = ["address", "id"]

    let address: Located<IPAddress?>
    /// Of the remote end; empty for any.
    private(set) var peerAddresses: Located<[PeerAddress]>
    /// Whether an IKE SA can be begun to the peer.
    var mayBeCalled: Bool { peerAddresses.value.contains(where: \.canBeCalled) }
    /// Nil when it is neither written nor follows from the address; reported.
    let identity: Located<IdentityConfiguration>?

    init(_ node: YAMLNode?, isRemote: Bool, of reader: MappingReader) {
        let key = isRemote ? "remote" : "local"
        let problems = reader.problems
        let subject = "\(key) of \(reader.subject)"
        guard let node else {
            reader.reportMissing(
                key,
                hint: EndSection.hint(key, isRemote)
            )
            self.init(address: Located(nil, at: reader.location), identity: nil)
            return
        }
        // The short form: an address, which is the identity as well.
        if case .scalar(let text) = node.content, let address = IPAddress(text) {
            do throws(Complaint) {
                let address = try WordText.address(text)
                self.init(
                    address: Located(address, at: node.location),
                    identity: Located(.address(address), at: node.location)
                )
            } catch {
                problems.error(at: node.location, "\"\(key)\": \(error.message)", hint: error.hint)
                self.init(
                    address: Located(address, at: node.location),
                    identity: Located(.address(address), at: node.location)
                )
            }
            return
        }
        guard
            let end = MappingReader(
                node,
                subject: subject,
                keys: EndSection.keys,
                problems: problems
            )
        else {
            self.init(address: Located(nil, at: node.location), identity: nil)
            return
        }
        if isRemote {
            self.init(remote: end, at: node.location)
            return
        }
        let address = end.value("address", default: nil, WordText.addressOrAny)
        if end.node("id") != nil {
            self.init(
                address: address,
                identity: end.required("id", hint: "") { (text) throws(Complaint) in
                    try IdentityText.parse(text, mayBeAny: false)
                }
            )
        } else if let value = address.value {
            self.init(address: address, identity: Located(.address(value), at: address.location))
        } else {
            problems.error(
                at: node.location,
                "\(subject) says neither address nor id",
                hint: EndSection.hint(key, isRemote)
            )
            self.init(address: address, identity: nil)
        }
    }

    /// The peer, which may have several addresses, or names in their place.
    private init(remote end: MappingReader, at location: SourceLocation) {
        let addresses = EndSection.peerAddresses(end)
        let only = addresses.value.count == 1 ? addresses.value.first : nil
        var address: IPAddress?
        if case .address(let value)? = only { address = value }
        let identity: Located<IdentityConfiguration>?
        if end.node("id") != nil {
            identity = end.required("id", hint: "") { (text) throws(Complaint) in
                try IdentityText.parse(text, mayBeAny: true)
            }
        } else if let address {
            identity = Located(.address(address), at: addresses.location)
        } else if case .name(let name)? = only {
            identity = Located(.fullyQualifiedDomainName(name), at: addresses.location)
        } else {
            let what = addresses.value.isEmpty ? "any address" : "several addresses"
            end.problems.error(
                at: location,
                end.node("address") == nil
                    ? "\(end.subject) says neither address nor id"
                    : "\(end.subject) has \(what) and no id",
                hint: end.node("address") == nil
                    ? EndSection.hint("remote", true)
                    : "add the id that the peer must prove, or id: any for whoever has the secret"
            )
            identity = nil
        }
        self.init(address: Located(address, at: addresses.location), identity: identity)
        peerAddresses = addresses
    }

    private init(address: Located<IPAddress?>, identity: Located<IdentityConfiguration>?) {
        self.address = address
        self.identity = identity
        peerAddresses = Located(
            address.value.map { [.address($0)] } ?? [],
            at: address.location
        )
    }

    /// `any`, or one or several of what `PeerAddressText` reads.
    private static func peerAddresses(_ end: MappingReader) -> Located<[PeerAddress]> {
        guard let node = end.node("address") else { return Located([], at: end.location) }
        if isAny(node) { return Located([], at: node.location) }
        let list = end.list(
            "address",
            atMost: ConfigurationLimits.peerAddresses,
            PeerAddressText.parse
        )
        var addresses: [PeerAddress] = []
        for address in list ?? [] {
            if addresses.contains(address.value) {
                end.problems.warning(
                    at: address.location,
                    "\(address.value) stands twice in \(end.subject)",
                    hint: "remove one"
                )
            } else {
                addresses.append(address.value)
            }
        }
        return Located(addresses, at: node.location)
    }

    /// `any`, alone or as the only entry of a list.
    private static func isAny(_ node: YAMLNode) -> Bool {
        switch node.content {
        case .scalar(let text): text == "any" || text == "%any"
        case .sequence(let items) where items.count == 1: isAny(items[0])
        case .sequence, .mapping, .null: false
        }
    }

    private static func hint(_ key: String, _ isRemote: Bool) -> String {
        isRemote
            ? "write `\(key): {address: 192.0.2.2, id: b.example}`"
            : "write `\(key): {address: 192.0.2.1, id: a.example}`, or the id alone"
    }
}
