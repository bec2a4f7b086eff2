internal import IPsecPrimitives

/// What an IKE SA with MOBIKE remembers of it (RFC 4555). A class, for it changes in small parts,
/// and only SAs that have MOBIKE pay for it.
final class Mobility {
    /// RFC 4555 §2: the end "who originally initiated the first IKE_SA (in a series of possibly
    /// several rekeyed IKE_SAs)": it alone decides where packets go.
    let isInitiator: Bool
    /// Where the peer may be found besides (RFC 4555 §3.4). At most `addressLimit`.
    var peerAddresses: [IPAddress]
    /// Where the packets of Child SAs go; differs from the path of messages while a new one is
    /// being tried.
    var packetPath: IKEPath
    /// What the peer last called our address and port, as its hash: another one means that a NAT's
    /// mapping has changed (RFC 4555 §3.8).
    var mapping: [UInt8]?
    /// Our additional addresses as the peer knows them.
    var announced: [IPAddress]
    /// Paths that the peer refused or that a NAT spoilt, since the last one that worked.
    var refused: [IKEPath] = []
    /// How often in a row the peer saw a NAT where none may be (RFC 4555 §3.9).
    var natDetections = 0
    /// The path that the initiator chose and that this end, the responder, has left because its
    /// address was gone (RFC 4555 §3.5); nil once the initiator has chosen another.
    var deserted: IKEPath?
    /// The path of an update whose return routability is not shown yet (RFC 4555 §3.7).
    var isPathUnproven = false
    /// Whether the packets that are on their way to be moved are in UDP; nil: as messages' path says.
    var keptEncapsulation: Bool?
    /// Whether packets go where the peer's came from through a NAT, and nothing more has shown that
    /// it is there (RFC 4555 §3.8).
    var isFollowed = false

    /// The newest requests of the peer that asked for an update and that told of its addresses, by
    /// their message IDs. In a window, older ones may come later, and other requests between them.
    private var newestUpdate: UInt32?
    private var newestAddresses: UInt32?

    /// Whether a request has gone along several paths, so that the answer shows which one works.
    var isProbing = false

    /// Whether a request has gone along several paths since the last update of ours began: the answer
    /// to that one shows nothing of where the peer is (RFC 4555 §3.7).
    var hasProbed = false

    /// Since the peer's last authentic message, somebody at its place has said in clear that it does not
    /// have the IKE SA (INVALID_IKE_SPI, RFC 7296 §2.21.4).
    var isDisowned = false

    static let addressLimit = 16

    init(isInitiator: Bool, path: IKEPath, peerAddresses: [IPAddress], announced: [IPAddress]) {
        self.isInitiator = isInitiator
        packetPath = path
        self.peerAddresses = peerAddresses
        self.announced = announced
    }

    /// RFC 4555 §3.5: the responder "determines whether it has already received a newer
    /// UPDATE_SA_ADDRESSES request than this one".
    func isNewest(update messageID: UInt32) -> Bool {
        Mobility.isNewest(messageID, &newestUpdate)
    }

    func isNewest(addresses messageID: UInt32) -> Bool {
        Mobility.isNewest(messageID, &newestAddresses)
    }

    /// Whether the peer has told of a path by this IKE SA.
    var hasUpdate: Bool { newestUpdate != nil }

    /// Whether the peer has told of its addresses by this IKE SA.
    var hasAddresses: Bool { newestAddresses != nil }

    private static func isNewest(_ messageID: UInt32, _ newest: inout UInt32?) -> Bool {
        if let newest, messageID < newest { return false }
        newest = messageID
        return true
    }

    /// The same for the IKE SA that replaces this one. The hashes have other SPIs in them, and
    /// message IDs begin anew.
    func successor() -> Mobility {
        let other = Mobility(
            isInitiator: isInitiator,
            path: packetPath,
            peerAddresses: peerAddresses,
            announced: announced
        )
        other.refused = refused
        other.deserted = deserted
        other.isPathUnproven = isPathUnproven
        other.keptEncapsulation = keptEncapsulation
        other.isFollowed = isFollowed
        return other
    }
}

/// An UPDATE_SA_ADDRESSES of ours on its way.
struct AddressUpdate {
    let path: IKEPath
    let cookie: [UInt8]
    let announced: [IPAddress]?
    /// As of `RoutabilityCheck`.
    var wentElsewhere = false
}

/// A COOKIE2 of ours on its way (RFC 4555 §3.7).
struct RoutabilityCheck {
    let path: IKEPath
    let cookie: [UInt8]
    /// Whether the request may have gone along another path besides, and be answered from what it
    /// shows there (RFC 4555 §3.7), even if the path is the first again.
    var wentElsewhere = false
}
