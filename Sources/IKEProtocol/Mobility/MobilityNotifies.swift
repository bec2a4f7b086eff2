internal import IKEMessages
internal import IPsecPrimitives

/// The notifications of MOBIKE (RFC 4555 §4).
enum MobilityNotifies {
    /// ADDITIONAL_IP4_ADDRESS and ADDITIONAL_IP6_ADDRESS; where none is left to tell and
    /// `saysNone`, NO_ADDITIONAL_ADDRESSES (RFC 4555 §3.6).
    static func additional(_ addresses: [IPAddress], saysNone: Bool) -> [Payload] {
        if addresses.isEmpty {
            return saysNone ? [.notify(NotifyPayload(.noAdditionalAddresses))] : []
        }
        return addresses.map { address in
            .notify(
                NotifyPayload(
                    address.version == .v4 ? .additionalIP4Address : .additionalIP6Address,
                    data: address.bytes
                )
            )
        }
    }

    /// The addresses that a message names; nil where it says nothing of them.
    static func additionalAddresses(_ content: MessageContent) -> [IPAddress]? {
        var addresses: [IPAddress] = []
        var isSaid = false
        for notify in content.notifies {
            switch notify.type {
            case .noAdditionalAddresses: isSaid = true
            case .additionalIP4Address, .additionalIP6Address:
                isSaid = true
                let octets = notify.type == .additionalIP4Address ? 4 : 16
                guard notify.data.count == octets, let address = IPAddress(bytes: notify.data),
                    !address.isUnspecified, !addresses.contains(address),
                    addresses.count < Mobility.addressLimit
                else { continue }
                addresses.append(address)
            default: continue
            }
        }
        return isSaid ? addresses : nil
    }

    /// NO_NATS_ALLOWED for a message sent along `path` (RFC 4555 §4.2.6).
    static func noNATs(_ path: IKEPath) -> Payload {
        .notify(NotifyPayload(.noNATsAllowed, data: endpoints(path.local, path.remote)))
    }

    /// Whether a NO_NATS_ALLOWED in a message that came along `path` finds its addresses changed.
    static func isSpoilt(_ content: MessageContent, along path: IKEPath) -> Bool {
        // RFC 9329 §7.1: with TCP, "the NO_NATS_ALLOWED notification SHOULD be ignored".
        guard path.transport == .udp, let notify = content.notify(.noNATsAllowed) else {
            return false
        }
        return notify.data != endpoints(path.remote, path.local)
    }

    private static func endpoints(_ source: Endpoint, _ destination: Endpoint) -> [UInt8] {
        var writer = ByteWriter(reserving: 36)
        writer.write(source.address.bytes)
        writer.write(destination.address.bytes)
        writer.write(source.port)
        writer.write(destination.port)
        return writer.bytes
    }

    /// COOKIE2, 8 to 64 octets (RFC 4555 §4.2.5).
    static func cookie(_ data: [UInt8]) -> Payload { .notify(NotifyPayload(.cookie2, data: data)) }
}
