/// What has come of a trace since the report before.
package struct TraceReport: Codable, Equatable, Sendable {
    package var entries: [TraceEntry]
    /// Packets since the beginning that are not shown, because there were more a second than asked
    /// for, and because the client was too slow.
    package var beyondRate: Int
    package var lost: Int
    /// Lines of Wireshark's `esp_sa` table, where keys were asked for.
    package var keys: [String]

    package init(entries: [TraceEntry], beyondRate: Int = 0, lost: Int = 0, keys: [String] = []) {
        self.entries = entries
        self.beyondRate = beyondRate
        self.lost = lost
        self.keys = keys
    }
}

/// One packet and what was decided about it. Members without a value are left out.
package struct TraceEntry: Codable, Equatable, Sendable {
    package enum Outcome: String, Codable, CaseIterable, Sendable {
        /// Left in ESP or AH.
        case sealed
        /// Came in ESP or AH, and went to the device.
        case opened
        /// Waits for an SA.
        case held
        /// A fragment that waits for the others of its packet.
        case gathered
        /// Waits for its place in a train (RFC 9347).
        case queued
        /// IKE, handed to control.
        case control
        case dropped
        /// No decision, but what a packet left in, or came in: for captures.
        case datagram
    }

    /// The inner packet.
    package struct Packet: Codable, Equatable, Sendable {
        package var source: String
        package var destination: String
        package var `protocol`: String
        package var sourcePort: UInt16?
        package var destinationPort: UInt16?
        package var icmpType: UInt8?
        package var icmpCode: UInt8?
        package var isFragment: Bool?
        package var dscp: UInt8
        /// Of a superpacket, which is cut into several, all of it.
        package var octets: Int

        package init(
            source: String,
            destination: String,
            protocol: String,
            sourcePort: UInt16? = nil,
            destinationPort: UInt16? = nil,
            icmpType: UInt8? = nil,
            icmpCode: UInt8? = nil,
            isFragment: Bool? = nil,
            dscp: UInt8 = 0,
            octets: Int
        ) {
            self.source = source
            self.destination = destination
            self.protocol = `protocol`
            self.sourcePort = sourcePort
            self.destinationPort = destinationPort
            self.icmpType = icmpType
            self.icmpCode = icmpCode
            self.isFragment = isFragment
            self.dscp = dscp
            self.octets = octets
        }
    }

    package struct Policy: Codable, Equatable, Sendable {
        /// `protect`, `bypass` or `discard`.
        package var action: String
        /// `connection/tunnel`, of `protect`.
        package var tunnel: String?
        /// As `cygnet check` counts; absent for `default-policy` and for route-based tunnels.
        package var order: Int?
        /// `file:line`.
        package var place: String?

        package init(action: String, tunnel: String?, order: Int?, place: String?) {
            self.action = action
            self.tunnel = tunnel
            self.order = order
            self.place = place
        }
    }

    /// The SA, and the packet that it made or took.
    package struct Protection: Codable, Equatable, Sendable {
        /// `esp` or `ah`.
        package var `protocol`: String
        /// `tunnel` or `transport`; absent where there is no such SA.
        package var mode: String?
        /// `0x` and eight hexadecimal digits.
        package var spi: String?
        /// Of the last datagram.
        package var sequence: UInt64?
        package var datagrams: Int
        /// Octets of those together, from ESP or AH on.
        package var octets: Int
        /// The largest inner packet that the SA carries, outbound.
        package var limit: Int?

        package init(
            protocol: String,
            mode: String? = nil,
            spi: String? = nil,
            sequence: UInt64? = nil,
            datagrams: Int = 0,
            octets: Int = 0,
            limit: Int? = nil
        ) {
            self.protocol = `protocol`
            self.mode = mode
            self.spi = spi
            self.sequence = sequence
            self.datagrams = datagrams
            self.octets = octets
            self.limit = limit
        }
    }

    /// The outer addresses.
    package struct Path: Codable, Equatable, Sendable {
        package var local: String
        package var remote: String
        package var localPort: UInt16?
        package var remotePort: UInt16?
        /// `ip`, `udp` or `tcp`.
        package var carrier: String

        package init(
            local: String,
            remote: String,
            localPort: UInt16?,
            remotePort: UInt16?,
            carrier: String
        ) {
            self.local = local
            self.remote = remote
            self.localPort = localPort
            self.remotePort = remotePort
            self.carrier = carrier
        }
    }

    /// Seconds since 1970, UTC.
    package var time: Double
    package var direction: TraceRequest.Direction
    package var worker: Int
    /// The interface that it was read from or written to; absent where it never came so far.
    package var device: String?
    package var packet: Packet?
    package var policy: Policy?
    package var protection: Protection?
    package var path: Path?
    package var outcome: Outcome
    /// Where it was dropped, a word of `cygnet explain drop`.
    package var reason: String?
    /// How long it waited for its SA.
    package var heldSeconds: Double?
    /// Base64 of the inner packet, or of a datagram from ESP or AH on, or from its IP header on where
    /// `hasOuterHeader` is true.
    package var octets: String?
    package var hasOuterHeader: Bool?

    package init(
        time: Double,
        direction: TraceRequest.Direction,
        worker: Int = 0,
        device: String? = nil,
        packet: Packet? = nil,
        policy: Policy? = nil,
        protection: Protection? = nil,
        path: Path? = nil,
        outcome: Outcome,
        reason: String? = nil,
        heldSeconds: Double? = nil,
        octets: String? = nil,
        hasOuterHeader: Bool? = nil
    ) {
        self.time = time
        self.direction = direction
        self.worker = worker
        self.device = device
        self.packet = packet
        self.policy = policy
        self.protection = protection
        self.path = path
        self.outcome = outcome
        self.reason = reason
        self.heldSeconds = heldSeconds
        self.octets = octets
        self.hasOuterHeader = hasOuterHeader
    }
}
