internal import IPsecPrimitives

/// The interface of a tunnel that routing chooses.
extension TunnelSection {
    static let interfaceKeys = ["interface", "addresses", "routes", "route-metric"]

    func readInterface(_ reader: MappingReader, into tunnel: inout TunnelConfiguration) {
        guard reader.node("interface") != nil else {
            for key in TunnelSection.interfaceKeys where reader.node(key) != nil {
                problems.error(
                    at: reader.location(of: key),
                    "\"\(key)\" of tunnel \"\(path)\" needs an interface, and it has none",
                    hint: "add `interface: \(TunnelSection.suggestedName(path))`, or remove \(key)"
                )
            }
            return
        }
        // A name that is wrong is reported; the tunnel is route-based all the same.
        tunnel.interface = InterfaceConfiguration(
            name: reader.value("interface", default: "", WordText.deviceName),
            addresses: reader.list("addresses", atMost: 16, InterfaceText.address) ?? [],
            routes: reader.list("routes", atMost: 1000, InterfaceText.network) ?? [],
            routeMetric: reader.value(
                "route-metric",
                default: 100,
                NumberText.integer(1...4_000_000_000)
            )
        )
    }

    /// What a tunnel with an interface carries where it does not say: whatever is routed there.
    static func everything(at location: SourceLocation) -> [Located<TrafficSelector>] {
        [.v4, .v6].map { Located(.everything($0), at: location) }
    }

    private static func suggestedName(_ path: TunnelPath) -> String {
        String(path.connection.prefix(15))
    }
}
