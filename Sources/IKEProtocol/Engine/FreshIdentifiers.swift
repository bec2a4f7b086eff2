internal import IKEMessages
internal import IPsecPrimitives

extension IKEEngine {
    /// RFC 7296 §2.10: "at least half the key size of the negotiated PRF", 16 at least; 32 octets
    /// do for every function.
    private static let nonceOctets = 32

    func freshNonce() -> [UInt8] { random.bytes(IKEEngine.nonceOctets) }

    func freshIKESPI() -> IKESPI {
        while true {
            let spi = IKESPI(rawValue: random.next64())
            if spi != .zero, sas[spi] == nil { return spi }
        }
    }

    /// An inbound SPI, reserved for `sa` until it is released.
    ///
    /// - Parameter slot: the place of the child among those of the same traffic.
    func reserveSPI(for sa: IKESA, child: ChildPolicy, slot: Int?) -> SPI {
        while true {
            var spi = SPI(rawValue: random.next32())
            if let spiSteering {
                spi = spiSteering.steered(
                    spi,
                    connection: sa.connection.name,
                    child: child.name,
                    slot: slot ?? 0
                )
            }
            if !spi.isReserved, sas.isFree(spi), !takenSPIs.contains(spi) {
                sas.assignChild(spi, to: sa)
                return spi
            }
        }
    }
}

extension IKESPI {
    var bytes: [UInt8] {
        var writer = ByteWriter(reserving: 8)
        writer.write(rawValue)
        return writer.bytes
    }
}

extension SPI {
    var bytes: [UInt8] {
        var writer = ByteWriter(reserving: 4)
        writer.write(rawValue)
        return writer.bytes
    }
}
