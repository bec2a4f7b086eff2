/// How an IKE SA behaves towards its peer.
extension ConnectionSection {
    static let conductKeys = ["window"]

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
    }
}
