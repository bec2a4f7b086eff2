package import IPsecPrimitives

/// Where the keys of a connection's SAs come from (RFC 4301 §4.5).
package enum Keying: String, CaseIterable, Sendable {
    /// IKEv2 negotiates them and replaces them.
    case ike
    /// They stand in files of both ends, and stay until somebody writes others.
    case manual
}

/// The two SAs of a tunnel whose keys are manual (RFC 4301 §4.5.1).
package struct ManualKeyConfiguration: Hashable, Sendable {
    /// One direction.
    package struct Half: Hashable, Sendable {
        /// 256 at least.
        package let spi: Located<SPI>
        /// Nil where the proposal has no encryption key.
        package let encryptionKeyFile: Located<String>?
        package let integrityKeyFile: Located<String>

        package init(
            spi: Located<SPI>,
            encryptionKeyFile: Located<String>?,
            integrityKeyFile: Located<String>
        ) {
            self.spi = spi
            self.encryptionKeyFile = encryptionKeyFile
            self.integrityKeyFile = integrityKeyFile
        }

        package var keyFiles: [Located<String>] {
            [encryptionKeyFile, integrityKeyFile].compactMap(\.self)
        }
    }

    /// What the peer sends us.
    package let inbound: Half
    /// What we send.
    package let outbound: Half

    package init(inbound: Half, outbound: Half) {
        self.inbound = inbound
        self.outbound = outbound
    }
}

extension ConnectionConfiguration {
    /// Whether IKE has nothing to do with it.
    package var isManual: Bool { keying.value == .manual }
}

extension GatewayConfiguration {
    /// Those that IKE looks after.
    package var negotiatedConnections: [ConnectionConfiguration] {
        connections.filter { !$0.isManual }
    }

    /// Those whose keys are manual, in the order of the file.
    package var manualTunnels: [TunnelConfiguration] {
        connections.filter(\.isManual).flatMap(\.tunnels)
    }
}
