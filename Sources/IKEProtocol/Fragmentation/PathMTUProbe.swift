internal import IKEMessages
package import IPsecPrimitives

/// What became of a probe of a path's MTU (RFC 8899 §4.1).
package struct PathMTUProbe: Hashable, Sendable {
    package var remote: IPAddress
    /// Octets of the IP datagram that was tried.
    package var octets: Int
    /// Whether the peer answered that datagram; false where it answered only the same in fragments.
    package var hasArrived: Bool
}

/// A sign of life, made long by a Vendor ID (RFC 7296 §3.12: any message may have one, and an unknown one
/// is ignored), in one datagram that nobody on the way may cut. Where that brings no answer, the same
/// message goes in fragments as any other (RFC 7383 §2.5.2), so that a lost probe does not look like a
/// lost peer: where the peer takes INFORMATIONAL in fragments, which not every implementation does.
extension IKEEngine {
    private static let filler = Array("Cygnet probes the path MTU".utf8)

    /// Sends a probe to the peer of a Child SA, as soon as the window has room, unless another is on
    /// its way.
    func probePathMTU(ofChild spi: SPI, octets: Int, at now: Instant) {
        guard let sa = sas.owner(ofChild: spi), !sa.isProbing, sa.mayProbe(octets) else {
            return
        }
        enqueue(.probePathMTU(octets: octets), of: sa, at: now)
    }

    func startPathMTUProbe(_ octets: Int, of sa: IKESA, at now: Instant) {
        guard sa.mayProbe(octets), let keys = sa.keys else { return }
        let header = requestHeader(.informational, of: sa)
        let overhead = sa.path.datagramOverhead(natTraversalPort: settings.natTraversalPort)
        var filler = IKEEngine.filler
        // Twice: what surrounds the filler depends on the cipher, which may pad to blocks.
        for isFirst in [true, false] {
            let content = ProtectedContent([.vendorID(VendorIDPayload(identifier: filler))])
            let sealed = keys.seal(header, content, messageOctets: .max, random: &random)
            guard let datagram = sealed?.first else { return }
            let size = datagram.count + overhead
            let missing = (octets - size) / keys.blockLength * keys.blockLength
            if isFirst, missing > 0 {
                filler += Array(repeating: 0, count: missing)
                continue
            }
            var message = SentMessage(
                datagrams: [datagram],
                source: .init(header: header, content: content, keys: keys, threshold: size)
            )
            message.isUncut = true
            return request(.probePathMTU(octets: size), message, of: sa, at: now)
        }
    }

    func pathMTUProbeAnswered(
        _ octets: Int,
        _ outstanding: RequestWindow.Outstanding,
        of sa: IKESA
    ) {
        effects.append(
            .pathMTUProbed(
                PathMTUProbe(
                    remote: sa.path.remote.address,
                    octets: octets,
                    hasArrived: outstanding.message.isUncut
                )
            )
        )
    }
}

extension IKESA {
    fileprivate var isProbing: Bool {
        let isWanted =
            established?.tasks.contains { if case .probePathMTU = $0 { true } else { false } }
        return isWanted == true
            || requests.contains { if case .probePathMTU = $0 { true } else { false } }
    }

    /// Whether a probe that is lost can be followed by the same in fragments.
    fileprivate func mayProbe(_ octets: Int) -> Bool {
        established != nil && path.transport == .udp && agreed.contains(.fragmentation)
            && connection.fragmentSize != nil
            && FragmentThreshold.next(below: octets, path.remote.address.version) != nil
    }
}
