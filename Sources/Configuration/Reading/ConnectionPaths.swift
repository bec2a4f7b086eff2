internal import IPsecPrimitives

/// How the way to the peer may change.
extension ConnectionSection {
    static let pathKeys = [
        "mobike", "additional-addresses", "follow-redirects", "redirect-to", "redirect-when",
        "transport", "tcp-port", "udp-retry",
    ]

    func readPaths(_ reader: MappingReader, into connection: inout ConnectionConfiguration) {
        let mobility = reader.value(
            "mobike",
            default: connection.paths.mobility.value,
            WordText.oneOf(PathConfiguration.Mobility.self)
        )
        connection.paths.mobility = mobility
        readRedirects(reader, into: &connection)
        readTransport(reader, into: &connection)
        guard let node = reader.node("additional-addresses") else { return }
        let location = reader.location(of: "additional-addresses")
        if case .scalar("none") = node.content {
            connection.paths.additionalAddresses = Located([], at: location)
        } else {
            let addresses = reader.list("additional-addresses", atMost: 16, WordText.address)
            connection.paths.additionalAddresses = Located(addresses?.map(\.value), at: location)
        }
        if mobility.value == .off {
            problems.warning(
                at: location,
                "additional-addresses has no effect with mobike: false",
                hint: "remove one of the two"
            )
        }
    }

    private func readTransport(
        _ reader: MappingReader,
        into connection: inout ConnectionConfiguration
    ) {
        let transport = reader.value(
            "transport",
            default: connection.paths.transport.value,
            WordText.oneOf(PathConfiguration.Transport.self)
        )
        connection.paths.transport = transport
        connection.paths.tcpPort = reader.value(
            "tcp-port",
            default: connection.paths.tcpPort.value,
            NumberText.integer(1...65_535)
        )
        connection.paths.udpRetry = reader.value(
            "udp-retry",
            default: connection.paths.udpRetry.value,
            NumberText.duration(.seconds(10)...(.seconds(86_400)))
        )
        for (key, needed) in [("tcp-port", "transport: auto"), ("udp-retry", "transport: auto")]
        where reader.node(key) != nil
            && (transport.value == .udp || (key == "udp-retry" && transport.value == .tcp))
        {
            problems.warning(
                at: reader.location(of: key),
                "\(key) has no effect with transport: \(transport.value.rawValue)",
                hint: "write `\(needed)`, or remove \(key)"
            )
        }
    }

    private func readRedirects(
        _ reader: MappingReader,
        into connection: inout ConnectionConfiguration
    ) {
        connection.paths.followsRedirects = reader.value(
            "follow-redirects",
            default: connection.paths.followsRedirects.value,
            WordText.boolean
        )
        connection.paths.redirectTarget = reader.value(
            "redirect-to",
            default: nil,
            ConnectionSection.redirectTarget
        )
        connection.paths.redirectMoment = reader.value(
            "redirect-when",
            default: connection.paths.redirectMoment.value,
            WordText.oneOf(PathConfiguration.RedirectMoment.self)
        )
        if reader.node("redirect-when") != nil, reader.node("redirect-to") == nil {
            problems.warning(
                at: reader.location(of: "redirect-when"),
                "redirect-when has no effect without redirect-to",
                hint: "write `redirect-to:` with the other gateway's address, or remove it"
            )
        }
    }

    private static func redirectTarget(
        _ text: String
    ) throws(Complaint) -> PathConfiguration.RedirectTarget? {
        if text == "none" { return nil }
        if let address = IPAddress(text), !address.isUnspecified { return .address(address) }
        let isName =
            text.utf8.count <= 253 && text.contains(".")
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                    || (0x61...0x7A).contains(byte) || byte == 0x2D || byte == 0x2E
            }
        guard isName, IPAddress(text) == nil else {
            throw Complaint(
                "the gateway to redirect to is neither an address nor a name",
                hint: "write `redirect-to: 192.0.2.9` or `redirect-to: vpn2.example.org`"
            )
        }
        return .name(text)
    }
}
