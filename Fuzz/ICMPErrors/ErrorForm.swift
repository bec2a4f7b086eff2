internal import FuzzPacketPath
internal import IPsecPrimitives
internal import PacketProtection

/// The SA that an input wants errors to pass: TCP, and UDP to the lower ports, between two networks.
struct ErrorForm {
    var isV4: Bool
    /// Whether it remembers first fragments, so that each packet is looked at more closely.
    var isStateful: Bool
    var isTransport: Bool
    var isV6Outside: Bool

    /// In transport mode the ends are those of the SA itself.
    var near: [UInt8] { isV4 ? [10, 1, 0, 1] : [0xfd, 1] + Array(repeating: 0, count: 13) + [1] }
    var far: [UInt8] { isV4 ? [10, 2, 0, 1] : [0xfd, 2] + Array(repeating: 0, count: 13) + [1] }

    private var selectors: [SelectorPair] {
        let near = isV4 ? IPPrefix("10.1.0.0/16")! : IPPrefix("fd01::/16")!
        let far = isV4 ? IPPrefix("10.2.0.0/16")! : IPPrefix("fd02::/16")!
        return [UInt8(6), 17].map { number in
            SelectorPair(
                local: TrafficSelector(prefix: near, ipProtocol: number)!,
                remote: TrafficSelector(
                    prefix: far,
                    ipProtocol: number,
                    ports: number == 17 ? PortRange(0, through: 0x7fff)! : .any
                )!
            )
        }
    }

    var naive: [PlainSelector] { selectors.map { PlainSelector($0) } }

    var association: FuzzSA {
        var result = FuzzSA(selectors)
        result.carriesLaterFragments = isStateful
        if isTransport { result.carriage = .espTransport }
        result.outer = isTransport ? (isV4 ? .v4 : .v6) : isV6Outside ? .v6 : .v4
        return result
    }
}
