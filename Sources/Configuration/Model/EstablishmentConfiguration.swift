/// How an IKE SA is set up with a peer, beyond its algorithms.
package struct EstablishmentConfiguration: Equatable, Sendable {
    /// The largest IP datagram that a part of an IKE message is sent in, to begin with
    /// (RFC 7383 §2.5.1); nil neither sends nor takes fragments.
    package var fragmentSize: Located<Int?>
    /// Whether both ends sign the whole of IKE_SA_INIT where the peer can do it too
    /// (draft-ietf-ipsecme-ikev2-downgrade-prevention-08).
    package var preventsDowngrade: Located<Bool>
    package var childless: Located<Childless>
    package var ppk: PPKConfiguration?
    /// Whether an IKE SA that was lost may be resumed with a ticket (RFC 5723), asked for where this
    /// end begins and given where the peer does.
    package var isResumable: Located<Bool>
    /// How long a ticket of ours serves at most.
    package var ticketLifetime: Located<Duration>

    /// Whether IKE_AUTH goes without a Child SA (RFC 6023).
    package enum Childless: String, CaseIterable, Sendable {
        case never
        /// Where the peer wants it.
        case allow
        /// Where the peer can.
        case prefer
        /// Always.
        case force
    }

    package init(location: SourceLocation) {
        fragmentSize = Located(1280, at: location)
        preventsDowngrade = Located(true, at: location)
        childless = Located(.allow, at: location)
        isResumable = Located(false, at: location)
        ticketLifetime = Located(.seconds(3600), at: location)
    }
}

/// A postquantum preshared key (RFC 8784), mixed into the keys of the first IKE SA.
package struct PPKConfiguration: Equatable, Sendable {
    /// By which both ends name it.
    package var identifier: String
    /// Path of the file with the secret, as that of the shared secret.
    package var secretFile: Located<String>
    /// Whether the IKE SA may not come up without it.
    package var isRequired: Bool
    package var location: SourceLocation

    package init(
        identifier: String,
        secretFile: Located<String>,
        isRequired: Bool,
        location: SourceLocation
    ) {
        self.identifier = identifier
        self.secretFile = secretFile
        self.isRequired = isRequired
        self.location = location
    }
}
