/// How an IKE SA is set up.
extension ConnectionSection {
    static let establishmentKeys = [
        "fragment-size", "downgrade-prevention", "childless", "ppk", "resumption",
        "ticket-lifetime",
    ]
    static let ppkKeys = ["id", "secret-file", "required"]

    func readEstablishment(
        _ reader: MappingReader,
        into connection: inout ConnectionConfiguration
    ) {
        var establishment = connection.establishment
        establishment.fragmentSize = reader.value(
            "fragment-size",
            default: establishment.fragmentSize.value,
            NumberText.integer(400...9000, orWord: "off")
        )
        establishment.preventsDowngrade = reader.value(
            "downgrade-prevention",
            default: establishment.preventsDowngrade.value,
            WordText.boolean
        )
        establishment.childless = reader.value(
            "childless",
            default: establishment.childless.value,
            WordText.oneOf(EstablishmentConfiguration.Childless.self)
        )
        establishment.ppk = readPPK(reader)
        establishment.isResumable = reader.value(
            "resumption",
            default: establishment.isResumable.value,
            WordText.boolean
        )
        establishment.ticketLifetime = reader.value(
            "ticket-lifetime",
            default: establishment.ticketLifetime.value,
            NumberText.duration(.seconds(60)...(.seconds(86_400)))
        )
        if !establishment.isResumable.value, reader.node("ticket-lifetime") != nil {
            problems.warning(
                at: establishment.ticketLifetime.location,
                "ticket-lifetime means nothing: connection \"\(name)\" gives no tickets",
                hint: "write `resumption: true` to give some, or remove ticket-lifetime"
            )
        }
        connection.establishment = establishment
    }

    /// Nil where there is none, or something is missing; the latter is reported.
    private func readPPK(_ reader: MappingReader) -> PPKConfiguration? {
        guard let node = reader.node("ppk"),
            let reader = MappingReader(
                node,
                subject: "ppk of connection \"\(name)\"",
                keys: ConnectionSection.ppkKeys,
                problems: problems
            )
        else { return nil }
        let identifier = reader.required(
            "id",
            hint: "write `id: \(name)`, the same at both ends",
            ConnectionSection.ppkIdentifier
        )
        let secret = reader.required(
            "secret-file",
            hint: "write `secret-file: \(name).ppk`, a file that only its owner may read",
            WordText.path
        )
        let isRequired = reader.value("required", default: true, WordText.boolean).value
        guard let identifier, let secret else { return nil }
        let path = secret.value.hasPrefix("/") ? secret.value : directory + secret.value
        return PPKConfiguration(
            identifier: identifier.value,
            secretFile: Located(path, at: secret.location),
            isRequired: isRequired,
            location: node.location
        )
    }

    private static func ppkIdentifier(_ text: String) throws(Complaint) -> String {
        guard (1...128).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw Complaint(
                "\"\(shown(text))\" cannot name a postquantum preshared key",
                hint: "write 1 to 128 letters, digits or signs, without spaces"
            )
        }
        return text
    }
}
