internal import IKEMessages
internal import IPsecPrimitives

/// A message as it left, which is sent again as it is until something smaller is tried.
struct SentMessage {
    /// The whole message, or its fragments (RFC 7383 §2.5).
    let datagrams: [[UInt8]]
    /// What is sealed in them, where smaller fragments may be tried; kept no longer than the
    /// message.
    let source: Source?
    /// Whether nobody on the way may fragment it.
    var isUncut = false

    struct Source {
        let header: MessageHeader
        let content: ProtectedContent
        let keys: SAKeys
        /// The largest IP datagram that was tried.
        let threshold: Int
    }

    init(_ datagram: [UInt8]) {
        datagrams = [datagram]
        source = nil
    }

    init(datagrams: [[UInt8]], source: Source?) {
        self.datagrams = datagrams
        self.source = source
    }
}

extension IKEEngine {
    func send(_ message: SentMessage, along path: IKEPath) {
        for datagram in message.datagrams { send(datagram, along: path, isUncut: message.isUncut) }
    }

    /// Seals a message whole, or in fragments where it is too large and the peer takes them.
    ///
    /// - Parameters:
    ///   - threshold: the largest IP datagram; nil: that of the SA.
    ///   - transport: by which it leaves; nil: that of the SA.
    func seal(
        _ header: MessageHeader,
        _ content: ProtectedContent,
        with keys: SAKeys,
        of sa: IKESA,
        threshold: Int? = nil,
        transport: IKETransport? = nil
    ) -> SentMessage? {
        let isAuthRequest = header.exchangeType == .ikeAuth && !header.isResponse
        let solution = isAuthRequest ? sa.authSolution : nil
        guard sa.agreed.contains(.fragmentation), let limit = threshold ?? sa.fragmentThreshold
        else {
            let datagrams = keys.seal(
                header,
                content,
                solution: solution,
                messageOctets: .max,
                random: &random
            )
            return datagrams.map { SentMessage(datagrams: $0, source: nil) }
        }
        // RFC 9329 §7.5: "an implementation SHOULD NOT send fragments when going over a TCP
        // connection"; should the SA go on by UDP, it may still be cut.
        if (transport ?? sa.path.transport) == .tcp {
            return keys.seal(header, content, messageOctets: .max, random: &random).map {
                SentMessage(
                    datagrams: $0,
                    source: .init(header: header, content: content, keys: keys, threshold: .max)
                )
            }
        }
        let overhead = sa.path.datagramOverhead(natTraversalPort: settings.natTraversalPort)
        let datagrams = keys.seal(
            header,
            content,
            solution: solution,
            messageOctets: limit - overhead,
            random: &random
        )
        guard let datagrams else { return nil }
        let largest = (datagrams.map(\.count).max() ?? 0) + overhead
        let mayShrink =
            FragmentThreshold.next(below: limit, sa.path.remote.address.version)
            .map { largest > $0 } ?? false
        return SentMessage(
            datagrams: datagrams,
            source: mayShrink
                ? SentMessage.Source(header: header, content: content, keys: keys, threshold: limit)
                : nil
        )
    }

    /// The same message in smaller fragments, for a path that seems not to let the others pass;
    /// nil when it has been tried (RFC 7383 §2.5.2).
    func cutSmaller(_ message: SentMessage, of sa: IKESA) -> SentMessage? {
        guard let source = message.source,
            let next = FragmentThreshold.next(
                below: source.threshold,
                sa.path.remote.address.version
            ),
            let smaller = seal(
                source.header,
                source.content,
                with: source.keys,
                of: sa,
                threshold: next,
                transport: .udp
            ),
            // "the sender MUST ensure that the value in the Total Fragments field is really
            // increased".
            smaller.datagrams.count > message.datagrams.count
        else { return nil }
        // "In subsequent exchanges, the node should start with the current value".
        sa.lowerFragmentThreshold(to: next)
        return smaller
    }
}

/// The sizes of IP datagrams that are tried, from above (RFC 7383 §2.5.1, §2.5.2).
enum FragmentThreshold {
    static let initial = 1280

    /// What an IPv6 link carries at least, and what is "small enough to avoid IP fragmentation in
    /// most situations" with IPv4; nil when there is nothing smaller to try.
    static func next(below threshold: Int, _ version: IPVersion) -> Int? {
        let steps = version == .v4 ? [1280, 576] : [1280]
        return steps.first { $0 < threshold }
    }
}

extension IKESA {
    /// The largest IP datagram to send a fragment in; nil where we do not cut.
    var fragmentThreshold: Int? {
        connection.fragmentSize.map { min($0, Int(loweredFragmentThreshold)) }
    }

    func lowerFragmentThreshold(to threshold: Int) {
        loweredFragmentThreshold = min(
            loweredFragmentThreshold,
            UInt16(clamping: threshold)
        )
    }
}

extension IKEPath {
    /// Octets of IP and UDP header and, at the NAT traversal port, of the non-ESP marker.
    func datagramOverhead(natTraversalPort: UInt16) -> Int {
        let marker = local.port == natTraversalPort || remote.port == natTraversalPort ? 4 : 0
        return (remote.address.version == .v4 ? 20 : 40) + 8 + marker
    }
}
