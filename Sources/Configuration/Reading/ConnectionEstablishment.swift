/// How an IKE SA is set up.
extension ConnectionSection {
    static let establishmentKeys = ["fragment-size", "downgrade-prevention", "childless"]

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
        connection.establishment = establishment
    }
}
