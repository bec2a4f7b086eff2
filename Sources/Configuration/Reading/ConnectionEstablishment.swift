/// How an IKE SA is set up.
extension ConnectionSection {
    static let establishmentKeys = ["fragment-size"]

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
        connection.establishment = establishment
    }
}
