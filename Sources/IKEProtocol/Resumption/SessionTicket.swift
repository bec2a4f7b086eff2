internal import IKECredentials
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// What an initiator keeps to resume an IKE SA: the responder's ticket, and all that the table of
/// RFC 5723 §5 marks "from the ticket", for the ticket itself says nothing to us.
struct SessionTicket {
    let opaque: [UInt8]
    let expiresAt: Instant
    /// RFC 5723 §4.3.2: the client "always resumes into the same gateway that generated the
    /// ticket".
    let gateway: IPAddress
    let localIdentity: Identity
    let remoteIdentity: Identity
    let suite: IKESuite
    /// SK_d of the old SA; none of its other keys is kept.
    let derivation: SecretBytes
    let authenticatedAt: Instant
    /// Whether AUTH of the old SA covered both messages of IKE_SA_INIT
    /// (draft-ietf-ipsecme-ikev2-downgrade-prevention-08 §7.2).
    let isSignedInFull: Bool
    let usesPPK: Bool

    init(_ grant: TicketGrant, of sa: IKESA, _ state: Established, at now: Instant) {
        opaque = grant.ticket
        expiresAt = now + .seconds(Int64(grant.lifetime))
        gateway = sa.path.remote.address
        localIdentity = state.localIdentity
        remoteIdentity = state.remoteIdentity
        suite = state.keys.suite
        // The ticket outlives the other keys of the SA.
        derivation = state.keys.keys.derivation.apart()
        authenticatedAt = state.authenticatedAt
        isSignedInFull = sa.agreed.contains(.fullTranscript)
        usesPPK = sa.usesPPK
    }

    /// As it is, for the gateway at another address of its own.
    private init(_ ticket: SessionTicket, gateway: IPAddress) {
        opaque = ticket.opaque
        expiresAt = ticket.expiresAt
        self.gateway = gateway
        localIdentity = ticket.localIdentity
        remoteIdentity = ticket.remoteIdentity
        suite = ticket.suite
        derivation = ticket.derivation
        authenticatedAt = ticket.authenticatedAt
        isSignedInFull = ticket.isSignedInFull
        usesPPK = ticket.usesPPK
    }

    /// The peer may have moved since it gave the ticket (RFC 4555).
    func at(_ gateway: IPAddress) -> SessionTicket { SessionTicket(self, gateway: gateway) }
}

/// TICKET_LT_OPAQUE (RFC 5723 §7.1): a ticket and for how many seconds it serves.
struct TicketGrant {
    let lifetime: UInt32
    let ticket: [UInt8]

    /// Larger ones would not fit a first request, which cannot be cut (RFC 7383 §4).
    private static let ticketOctets = 1...7000

    init(lifetime: UInt32, ticket: [UInt8]) {
        self.lifetime = lifetime
        self.ticket = ticket
    }

    /// Nil for what is none, or for one that serves for no time.
    init?(_ notify: NotifyPayload) {
        var reader = ByteReader(notify.data)
        guard notify.type == .ticketLTOpaque, let lifetime = try? reader.readUInt32(), lifetime > 0
        else { return nil }
        let ticket = Array(reader.readRest())
        guard TicketGrant.ticketOctets.contains(ticket.count) else { return nil }
        self.init(lifetime: lifetime, ticket: ticket)
    }

    var notify: NotifyPayload {
        var writer = ByteWriter(reserving: 4 + ticket.count)
        writer.write(lifetime)
        writer.write(ticket)
        return NotifyPayload(.ticketLTOpaque, data: writer.bytes)
    }
}
