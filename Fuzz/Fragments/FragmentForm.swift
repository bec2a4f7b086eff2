internal import FuzzPacketPath
internal import IPsecPrimitives
internal import PacketProtection

/// The SAs that an input wants its fragments to pass.
struct FragmentForm {
    enum Way: UInt8 {
        /// RFC 4301 §7.1: an SA for every port.
        case everyPort
        /// §7.2: an SA with ports, and one for what shows none.
        case apart
        /// §7.3: an SA with ports that remembers the first fragments.
        case stateful
        /// RFC 4303 §3.3.4: transport mode, for whole packets alone.
        case transport
    }

    var way: Way
    var isV4: Bool
    /// Whether the peer seals what it likes; else the fragments are read from the device.
    var isForged: Bool
    var linkMTU: Int

    var source: [UInt8] {
        isV4 ? [10, 1, 0, 1] : [0xfd, 1] + Array(repeating: 0, count: 13) + [1]
    }
    var destination: [UInt8] {
        isV4 ? [10, 2, 0, 1] : [0xfd, 2] + Array(repeating: 0, count: 13) + [1]
    }

    private var prefixes: (IPPrefix, IPPrefix) {
        isV4
            ? (IPPrefix("10.1.0.0/16")!, IPPrefix("10.2.0.0/16")!)
            : (IPPrefix("fd01::/16")!, IPPrefix("fd02::/16")!)
    }

    private func pair(_ ports: PortRange) -> SelectorPair {
        SelectorPair(
            local: TrafficSelector(prefix: prefixes.0, ipProtocol: 17, ports: ports)!,
            remote: TrafficSelector(
                prefix: prefixes.1,
                ipProtocol: 17,
                ports: ports.isOpaque ? .opaque : .any
            )!
        )
    }

    /// UDP from these ports may pass; from others only where every port may.
    static let allowedPorts = PortRange(1000, through: 2000)!

    /// What a whole packet has to match.
    var agreed: PlainSelector {
        PlainSelector(
            way == .everyPort || way == .transport ? pair(.any) : pair(FragmentForm.allowedPorts)
        )
    }

    var associations: [FuzzSA] {
        switch way {
        case .everyPort: return [association(pair(.any))]
        case .transport:
            var result = association(pair(.any))
            result.carriage = .espTransport
            result.outer = isV4 ? .v4 : .v6
            result.ends =
                isV4
                ? (IPAddress("10.1.0.1")!, IPAddress("10.2.0.1")!)
                : (IPAddress("fd01::1")!, IPAddress("fd02::1")!)
            return [result]
        case .stateful:
            var result = association(pair(FragmentForm.allowedPorts))
            result.carriesLaterFragments = true
            return [result]
        case .apart:
            var later = association(pair(.opaque))
            later.identifier = SAIdentifier(rawValue: 2)
            later.policy = PolicyIdentifier(rawValue: 2)
            later.spi += 1
            return [association(pair(FragmentForm.allowedPorts)), later]
        }
    }

    private func association(_ pair: SelectorPair) -> FuzzSA {
        var result = FuzzSA([pair])
        result.linkMTU = linkMTU
        return result
    }
}
