/// How an IKE SA behaves towards its peer.
extension ConnectionSection {
    static let conductKeys = ["window", "duplicates", "reauthenticate-after"]

    func readConduct(
        _ reader: MappingReader,
        into connection: inout ConnectionConfiguration
    ) {
        readEstablishment(reader, into: &connection)
        readInternalAddresses(reader, into: &connection)
        connection.window = reader.value(
            "window",
            default: connection.window.value,
            NumberText.integer(1...64)
        )
        readPaths(reader, into: &connection)
        connection.duplicates = reader.value(
            "duplicates",
            default: connection.duplicates.value,
            WordText.oneOf(ConnectionConfiguration.Duplicates.self)
        )
        connection.reauthenticateAfter = reader.value(
            "reauthenticate-after",
            default: connection.reauthenticateAfter.value,
            NumberText.durationOrOff(.seconds(60)...(.seconds(30 * 86_400)))
        )
    }
}
