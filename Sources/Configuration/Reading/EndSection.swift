internal import IPsecPrimitives

/// Reads `local:` and `remote:` of a connection: an address, an identity or both.
struct EndSection {
    static let keys = ["address", "id"]

    let address: Located<IPAddress?>
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
        let address = end.value("address", default: nil, WordText.addressOrAny)
        if end.node("id") != nil {
            self.init(
                address: address,
                identity: end.required("id", hint: "") { (text) throws(Complaint) in
                    try IdentityText.parse(text, mayBeAny: isRemote)
                }
            )
        } else if let value = address.value {
            self.init(address: address, identity: Located(.address(value), at: address.location))
        } else {
            if end.node("address") == nil || !isRemote {
                problems.error(
                    at: node.location,
                    "\(subject) says neither address nor id",
                    hint: EndSection.hint(key, isRemote)
                )
            } else {
                problems.error(
                    at: node.location,
                    "\(subject) has any address and no id",
                    hint: "add the id that the peer must prove, or id: any for whoever has the "
                        + "secret"
                )
            }
            self.init(address: address, identity: nil)
        }
    }

    private init(address: Located<IPAddress?>, identity: Located<IdentityConfiguration>?) {
        self.address = address
        self.identity = identity
    }

    private static func hint(_ key: String, _ isRemote: Bool) -> String {
        isRemote
            ? "write `\(key): {address: 192.0.2.2, id: b.example}`"
            : "write `\(key): {address: 192.0.2.1, id: a.example}`, or the id alone"
    }
}
