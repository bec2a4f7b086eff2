// What is dropped outside the packet path. Tests hold the words against those that are counted.
extension DropExplanation {
    static let devices = [
        DropExplanation(
            "device-write-failed",
            .device,
            "the kernel did not take a packet that came out of a tunnel",
            "see that the device is up, that no firewall or reverse-path filter (rp_filter) refuses "
                + "the packets, and that there is memory"
        ),
        DropExplanation(
            "datagram-unsent",
            .device,
            "a socket did not take a protected packet: no room for long, no route to the peer, or "
                + "too long for the link",
            "see ip route get for the peer, and link-mtu of gateway:; a link that is full loses "
                + "packets too"
        ),
        DropExplanation(
            "stream-queue-full",
            .device,
            "more packets were to go along a TCP connection than it takes; they are dropped rather than "
                + "kept, or they would come too late",
            "nothing where the link is full, for senders inside slow down; else let UDP through "
                + "between the gateways, which carries more than TCP"
        ),
        DropExplanation(
            "stream-missing",
            .device,
            "the TCP connection that packets were to go along was not there",
            "nothing: the end that began it opens it anew; if that happens often, see the log of both "
                + "ends, and what between them cuts connections that are long or quiet"
        ),
        DropExplanation(
            "receive-truncated",
            .device,
            "a datagram came that is longer than any packet of a peer",
            "nothing: it is a stranger's"
        ),
        DropExplanation(
            "event-lost",
            .device,
            "control was too slow for what the packet path had to tell, such as IKE in a flood",
            "find who floods port 4500; what is lost comes again"
        ),
    ]

    static let messages = [
        message(
            "malformed",
            "no IKE message, or one whose lengths do not fit each other",
            "nothing for single ones: strangers probe port 500; cygnet decode shows what a captured "
                + "one is"
        ),
        message(
            "oversized",
            "longer than any IKE message that is taken",
            "nothing: no peer of good will sends such"
        ),
        message(
            "unknownSPI",
            "of an IKE SA that this gateway has not, or has no more",
            "nothing after a restart of either end: the peer finds out and begins anew"
        ),
        message(
            "unsupportedVersion",
            "of another major version of IKE, such as IKEv1",
            "set the peer to IKEv2"
        ),
        message(
            "unexpectedMessageID",
            "with a message ID outside the window: old, repeated or too far "
                + "ahead",
            "nothing: the answer was sent before, or the request comes again"
        ),
        message(
            "unauthentic",
            "its integrity check failed, or it cannot be decrypted",
            "nothing for single ones, which are forged or changed on the way; if all of a peer are, "
                + "its keys differ: end the connection and begin it anew"
        ),
        message(
            "unexpectedExchange",
            "of a kind that makes no sense in the SA's state",
            "nothing for single ones; else the peer is broken: a log at level debug shows what came"
        ),
        message(
            "unexpectedSource",
            "authentic for an SA, but from a place that it may not come from",
            "set mobike: true at both ends where the peer moves"
        ),
        message(
            "noConnection",
            "a request to begin for which no connection is configured",
            "see that a connection's local and remote address fit the sender's, if it is a peer"
        ),
        message(
            "cookieRequired",
            "a request to begin without the cookie that is demanded while many "
                + "are half-open",
            "nothing: honest peers come again with it"
        ),
        message(
            "puzzleRequired",
            "a request without the solved puzzle that is demanded in a flood",
            "nothing: honest peers that can come again with it"
        ),
        message(
            "halfOpenLimit",
            "a request to begin while as many SAs are half-open as may be",
            "raise half-open-limit of gateway: if so many honest peers begin at once"
        ),
        message(
            "unprotected",
            "not encrypted, where the SA has keys already",
            "nothing: it is forged, or late"
        ),
        message(
            "repeatedResponse",
            "an answer that was had before",
            "nothing: the network made two of one, or a request was sent again"
        ),
        message(
            "repeatedFragment",
            "a fragment that was had before",
            "nothing: the network made two of one, or the message was sent again"
        ),
        message(
            "unexpectedFragment",
            "a fragment of a message that is not waited for",
            "nothing for single ones; else set fragmentation the same at both ends"
        ),
        message(
            "reassemblyLimit",
            "one fragment more than are kept for a message that is not whole",
            "nothing: no peer of good will needs so many"
        ),
    ]

    private static func message(
        _ reason: String,
        _ cause: String,
        _ remedy: String
    ) -> DropExplanation {
        DropExplanation("ike-" + reason, .ike, cause, remedy)
    }
}
