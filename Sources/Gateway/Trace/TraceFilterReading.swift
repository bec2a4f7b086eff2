internal import ConnectionControl
internal import IPsecPrimitives
internal import Management
internal import PacketProtection

extension TraceFilter {
    /// What a client asks for, in the packet path's terms.
    ///
    /// - Parameter policies: names the policies of `connection` or `connection/tunnel`; nil when
    ///   there is no such tunnel.
    /// - Throws: what makes no sense, and what would.
    init(
        _ request: TraceRequest,
        policies: (String) -> Set<PolicyIdentifier>?
    ) throws(FailureStatus) {
        self.init()
        try TraceFilter.check(request)
        for text in request.addresses { addresses.append(try TraceFilter.prefix(text)) }
        ipProtocol = request.protocol
        port = request.port
        if let name = request.tunnel {
            guard let found = policies(name) else {
                throw TraceFilter.refusal(
                    "there is no connection or tunnel \(TraceFilter.quoted(name))",
                    "write connection or connection/tunnel, as cygnet status shows them"
                )
            }
            self.policies = found
        }
        if let text = request.spi {
            let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
            guard digits.count <= 8, let number = UInt32(digits, radix: 16), number > 0 else {
                throw TraceFilter.refusal(
                    "\(TraceFilter.quoted(text)) is no SPI",
                    "write up to eight hexadecimal digits, as cygnet status shows them"
                )
            }
            spi = SPI(rawValue: number)
        }
        direction = request.direction.map { $0 == .outbound ? .outbound : .inbound }
        dropsOnly = request.dropsOnly
        if !request.reasons.isEmpty {
            reasons = []
            for word in request.reasons { reasons?.insert(try TraceFilter.reason(word)) }
        }
        sample = request.sample
        perSecond = request.perSecond
        captureOctets = request.captureOctets ?? 0
    }

    /// A client may be any program: what it says is held against bounds.
    private static func check(_ request: TraceRequest) throws(FailureStatus) {
        func within(
            _ value: Int,
            _ range: ClosedRange<Int>,
            _ what: String
        ) throws(FailureStatus) {
            guard range.contains(value) else {
                throw refusal(
                    "\(what) is \(value)",
                    "choose \(range.lowerBound) to \(range.upperBound)"
                )
            }
        }
        try within(request.sample, TraceRequest.sampleRange, "one packet in so many")
        try within(request.perSecond, TraceRequest.perSecondRange, "packets a second")
        if let octets = request.captureOctets {
            try within(octets, TraceRequest.captureRange, "octets of each packet")
        }
        try within(
            max(request.addresses.count, request.reasons.count),
            0...TraceRequest.listLimit,
            "the number of addresses, or of reasons,"
        )
    }

    private static func prefix(_ text: String) throws(FailureStatus) -> Prefix {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let width = parts.count == 2 ? Int(parts[1]) : Int.max
        guard let address = IPAddress(parts[0]), let width, width >= 0,
            parts.count == 1 || width <= address.version.addressBits
        else {
            throw refusal(
                "\(quoted(text)) is no address and no prefix",
                "write it as 10.1.0.5, 10.1.0.0/16 or 2001:db8::/32"
            )
        }
        return Prefix(address, length: width)
    }

    private static func reason(_ word: String) throws(FailureStatus) -> DropReason {
        guard let found = DropReason.allCases.first(where: { "\($0)" == word }) else {
            throw refusal(
                "\(quoted(word)) is no reason for which the packet path drops a packet",
                "cygnet explain drop lists them"
            )
        }
        return found
    }

    private static func refusal(_ summary: String, _ remedy: String) -> FailureStatus {
        FailureStatus(kind: "bad-trace", summary: summary, remedy: remedy)
    }

    /// A client's word in a message: of bounded length.
    private static func quoted(_ text: String) -> String { "\"\(text.prefix(64))\"" }
}
