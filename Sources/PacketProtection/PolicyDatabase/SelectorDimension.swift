/// The parts of a packet that policies are told apart by, in the order in which they are looked at.
enum SelectorDimension: UInt8, CaseIterable {
    case remote
    case local
    case ipProtocol
    case remotePort
    case localPort

    /// Bits of the numbers that stand there.
    @inline(__always)
    func width(isV4: Bool) -> Int {
        switch self {
        case .remote, .local: isV4 ? 32 : 128
        case .ipProtocol: 8
        case .remotePort, .localPort: 16
        }
    }

    /// Where a selector stands. What the ports do not decide (OPAQUE, and ICMP of one way,
    /// RFC 4301 §4.4.1.3) stands where every packet is looked for.
    func prefix(of selector: FlatSelector) -> CoveringPrefix {
        let width = width(isV4: selector.isV4)
        switch self {
        case .remote:
            return CoveringPrefix(selector.remoteFirst, selector.remoteLast, width: width)
        case .local: return CoveringPrefix(selector.localFirst, selector.localLast, width: width)
        case .ipProtocol:
            let number = UInt128(selector.ipProtocol)
            return CoveringPrefix(number, number == 0 ? 255 : number, width: width)
        case .remotePort:
            return SelectorDimension.prefix(selector.remotePortLower, selector.remotePortUpper)
        case .localPort:
            return SelectorDimension.prefix(selector.localPortLower, selector.localPortUpper)
        }
    }

    /// As `prefix(of:)`, with ranges of addresses in two pieces where that helps.
    func pieces(of selector: FlatSelector) -> [CoveringPrefix] {
        let width = width(isV4: selector.isV4)
        switch self {
        case .remote:
            return CoveringPrefix.pieces(selector.remoteFirst, selector.remoteLast, width: width)
        case .local:
            return CoveringPrefix.pieces(selector.localFirst, selector.localLast, width: width)
        case .ipProtocol, .remotePort, .localPort: return [prefix(of: selector)]
        }
    }

    private static func prefix(_ lower: UInt16, _ upper: UInt16) -> CoveringPrefix {
        lower <= upper
            ? CoveringPrefix(UInt128(lower), UInt128(upper), width: 16)
            : CoveringPrefix(0, UInt128(UInt16.max), width: 16)
    }

    /// The packet's number there; of a port that cannot be seen any will do, since no selector
    /// that asks for one matches.
    @inline(__always)
    func value(of query: PolicyQuery) -> UInt128 {
        switch self {
        case .remote: query.remote
        case .local: query.local
        case .ipProtocol: UInt128(query.ipProtocol)
        case .remotePort: UInt128(query.remotePort)
        case .localPort: UInt128(query.localPort)
        }
    }
}
