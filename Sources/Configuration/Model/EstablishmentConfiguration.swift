/// How an IKE SA is set up with a peer, beyond its algorithms.
package struct EstablishmentConfiguration: Equatable, Sendable {
    /// The largest IP datagram that a part of an IKE message is sent in, to begin with
    /// (RFC 7383 §2.5.1); nil neither sends nor takes fragments.
    package var fragmentSize: Located<Int?>

    package init(location: SourceLocation) {
        fragmentSize = Located(1280, at: location)
    }
}
