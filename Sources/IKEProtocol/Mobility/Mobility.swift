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
    /// The path of an update whose return routability is not shown yet (RFC 4555 §3.7).
    var isPathUnproven = false

    /// Whether a request has gone along several paths, so that the answer shows which one works.
    var isProbing = false

    /// Whether a request has gone along several paths since the last update of ours began: the answer
    /// to that one shows nothing of where the peer is (RFC 4555 §3.7).
    var hasProbed = false

    static let addressLimit = 16

    init(isInitiator: Bool, path: IKEPath, peerAddresses: [IPAddress], announced: [IPAddress]) {
        self.isInitiator = isInitiator
        packetPath = path
        self.peerAddresses = peerAddresses
        self.announced = announced
    }

    /// The same for the IKE SA that replaces this one. The hashes have other SPIs in them.
    func successor() -> Mobility {
        let other = Mobility(
            isInitiator: isInitiator,
            path: packetPath,
            peerAddresses: peerAddresses,
            announced: announced
        )
        other.refused = refused
        other.isPathUnproven = isPathUnproven
        return other
    }
}

/// An UPDATE_SA_ADDRESSES of ours on its way.
struct AddressUpdate {
    let path: IKEPath
    let cookie: [UInt8]
    let announced: [IPAddress]?
}

/// A COOKIE2 of ours on its way (RFC 4555 §3.7).
struct RoutabilityCheck {
    let path: IKEPath
    let cookie: [UInt8]
}
