package import IPsecPrimitives

/// What the gateway as a whole is told (`gateway:`).
package struct GatewaySettings: Equatable, Sendable {
    package enum DefaultPolicy: String, CaseIterable, Sendable {
        case bypass
        case discard
    }

    package enum LogLevel: String, CaseIterable, Sendable {
        case trace, debug, info, notice, warning, error
    }

    package enum PacketCipherChoice: String, CaseIterable, Sendable {
        case automatic = "auto"
        case multiBuffer = "multi-buffer"
        case openSSL = "openssl"
    }

    /// Whether what routers say of a path's MTU counts (RFC 4301 §6.1.1).
    package enum PathMTULearning: String, CaseIterable, Sendable {
        case learn
        case ignore
    }

    /// The name of the TUN device.
    package var interfaceName = "cygnet0"
    /// Path of the Unix socket that answers `cygnet status` and its like.
    package var controlSocket = "/run/cygnet/control.sock"
    /// What happens to packets that no policy covers.
    package var defaultPolicy = DefaultPolicy.bypass
    package var logLevel = LogLevel.info
    package var packetCipher = PacketCipherChoice.automatic
    /// Threads that carry packets, `workerLimit` at most; nil: as many as there are processors.
    package var workers: Int? = 1
    /// Numbers of the processors that the workers are kept on, one for each; empty: the system chooses.
    package var workerProcessors: [Int] = []

    /// Threads that help the workers with the ciphers of tunnels that say `spread`, `cipherThreadLimit`
    /// at most.
    package var cipherThreads = 0

    package static let workerLimit = 64
    package static let cipherThreadLimit = 63

    /// Local addresses to answer on; empty means every address.
    package var listenAddresses: [IPAddress] = []
    /// RFC 7296 §2: 500.
    package var ikePort: UInt16 = 500
    /// RFC 3948: 4500.
    package var natPort: UInt16 = 4500
    /// TCP ports to answer on where a connection may go by TCP (RFC 9329 §2: 4500).
    package var tcpPorts: [UInt16] = [4500]

    /// Half-open IKE SAs above which a cookie is demanded (RFC 7296 §2.6).
    package var cookieThreshold = 32
    /// Half-open IKE SAs above which requests to begin are dropped.
    package var halfOpenLimit = 1024
    package var defence = DefenceSettings()
    /// Whether peers are given tokens by which they recognise a restart (RFC 6290).
    package var crashDetection = true
    /// Whether traces may have the keys of SAs.
    package var traceKeys = false
    /// Packets held for one tunnel while it is set up.
    package var heldPackets = 64

    /// Default replay window, in packets.
    package var replayWindow = 1024
    /// Largest packet that the path between gateways carries, in bytes.
    package var linkMTU = 1500
    package var pathMTU = PathMTULearning.learn
    /// The least path MTU that is believed, in bytes; over IPv6 1280 at least.
    package var pathMTUFloor = 576
    /// How long a path MTU that was learnt counts (RFC 4301 §8.2.2).
    package var pathMTUMemory = Duration.seconds(600)
    /// How often paths are probed for what they carry (RFC 8899); nil: never.
    package var pathMTUProbe: Duration?
    /// MTU of the TUN device in bytes; nil means what is left of `linkMTU`.
    package var mtu: Int?

    /// What all tunnels together may send, and the classes of those that say nothing of theirs.
    package var traffic: TrafficConfiguration?

    package var routingTable: UInt32 = 4367
    /// Mark on the gateway's own packets, and which of its bits count.
    package var firewallMark: UInt32 = 0xC167_0000
    package var firewallMask: UInt32 = 0xFFFF_0000
    /// Priority of the first routing rule; the others follow it.
    package var rulePriority: UInt32 = 1000

    /// Where the `gateway` entry stands, or the start of the file.
    package var location: SourceLocation

    package init(location: SourceLocation) {
        self.location = location
    }
}
