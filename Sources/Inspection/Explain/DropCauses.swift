package import PacketProtection

// What each reason of the packet path means. A reason in none of the lists does not compile, and a
// test finds one without words.
extension DropExplanation {
    package init(_ reason: DropReason) {
        let word = "\(reason)"
        self =
            switch reason {
            case .sequenceExhausted, .lifetimeExceeded, .malformedInner, .batchOverflow,
                .fragmentWithoutPorts, .fragmentBeforeFirst, .fragmentOverlap, .workerBusy:
                DropExplanation.either(word, reason)
            case .policyDiscard, .policyBypass, .noPolicy, .holdQueueFull, .holdExpired,
                .holdAbandoned, .tooBig, .sealFailed, .routedIntoItself, .linkHousekeeping,
                .unsupportedHeader:
                DropExplanation.outbound(word, reason)
            case .classQueueFull, .classDelay, .classExpired:
                DropExplanation.shaped(word, reason)
            case .malformedESP, .malformedAH, .keepalive, .unknownSPI, .replayed,
                .authenticationFailed, .badPadding, .dummy, .unexpectedNextHeader,
                .selectorMismatch, .congestionMark:
                DropExplanation.inbound(word, reason)
            case .decompressionFailed: DropExplanation.decompression(word)
            case .trainQueueFull, .trainMissing, .malformedTrain, .trainIncomplete, .trainLate:
                DropExplanation.train(word, reason)
            }
    }

    private static func either(_ word: String, _ reason: DropReason) -> DropExplanation {
        switch reason {
        case .sequenceExhausted:
            DropExplanation(
                word,
                .outbound,
                "the SA has used every sequence number, and none may be used twice",
                "nothing where a rekey follows; else use ESN (…-esn in the proposals), and see in "
                    + "the log why the rekey failed"
            )
        case .lifetimeExceeded:
            DropExplanation(
                word,
                .either,
                "the SA's lifetime in bytes or packets is over, and no successor was there in time",
                "raise lifetime-bytes or lifetime-packets, and see in the log why the rekey came late; "
                    + "manual keys have no successor: write new ones at both ends"
            )
        case .malformedInner:
            DropExplanation(
                word,
                .either,
                "what was to be protected, or came out of an SA, is no whole IP packet",
                "look at the sender: its lengths or extension headers are wrong; a trace with "
                    + "--capture shows the packet"
            )
        case .fragmentWithoutPorts:
            DropExplanation(
                word,
                .either,
                "a fragment behind the first shows no ports, and only an SA for certain ports covers "
                    + "its packet (RFC 4301 §7)",
                "set later-fragments of the tunnel at both ends, or add a tunnel without ports, or "
                    + "for opaque ones"
            )
        case .fragmentBeforeFirst:
            DropExplanation(
                word,
                .either,
                "a fragment whose first one was not seen, or too long ago, so that its ports are "
                    + "not known (RFC 4301 §7.3)",
                "nothing for single ones, which came in another order or whose first was lost; else "
                    + "avoid fragments: lower the mtu, or set mss-clamp"
            )
        case .fragmentOverlap:
            DropExplanation(
                word,
                .either,
                "a fragment that begins within what the first covers, or too near the beginning "
                    + "(RFC 1858 §4, RFC 5722 §3)",
                "nothing: it is made to deceive, or the sender is broken"
            )
        case .workerBusy:
            DropExplanation(
                word,
                .either,
                "it is another worker's, which has too many packets waiting already",
                "give the gateway more processors; where one SA has most of the traffic, several SAs a "
                    + "tunnel spread it over workers (RFC 9611)"
            )
        case .batchOverflow:
            DropExplanation(
                word,
                .either,
                "more packets came at once than a batch of the worker holds",
                "report it: the gateway should have looked at them in parts"
            )
        default: DropExplanation(word, .either, "", "")
        }
    }

    private static func outbound(_ word: String, _ reason: DropReason) -> DropExplanation {
        let (cause, remedy) =
            switch reason {
            case .policyDiscard:
                (
                    "a discard policy, or default-policy: discard, covers the packet",
                    "put a policy that protects or passes it before the one that is named"
                )
            case .policyBypass:
                (
                    "a bypass policy covers the packet, and yet it was routed to the gateway's device",
                    "look at ip rule and ip route: such packets should take the way that they have "
                        + "without Cygnet"
                )
            case .noPolicy:
                (
                    "no policy covers the packet, or the route-based tunnel of the device does not",
                    "add it to a tunnel's local and remote, or route it elsewhere; "
                        + "cygnet explain packet says which policies come near"
                )
            case .holdQueueFull:
                (
                    "the packet needs an SA that is not there yet, and as many wait for it already "
                        + "as may",
                    "see in cygnet status why the tunnel is not up; held-packets of gateway: says "
                        + "how many may wait"
                )
            case .holdExpired:
                (
                    "the packet waited 30 seconds for its SA, and the tunnel did not come up",
                    "see the tunnel's last failure in cygnet status; the peer may be unreachable"
                )
            case .holdAbandoned:
                (
                    "the packet waited for its SA, and the negotiation failed, or its policy went",
                    "see the tunnel's last failure in cygnet status, and try cygnet up"
                )
            case .tooBig:
                (
                    "the packet is larger than the tunnel carries, and must not be fragmented; its "
                        + "sender was told the size that fits",
                    "nothing where the sender follows (path MTU discovery); else let ICMP through "
                        + "to it, or set mss-clamp or mtu of the tunnel"
                )
            case .sealFailed:
                (
                    "the cipher's library refused the packet",
                    "try gateway: packet-cipher: openssl, and report it"
                )
            case .routedIntoItself:
                (
                    "IKE or ESP for the peer of a route-based tunnel was routed into that tunnel",
                    "route the peer's address by the link, for instance with a host route"
                )
            case .linkHousekeeping:
                (
                    "there is no SA yet, and what the kernel sends by each device of its own accord "
                        + "(IGMP, MLD, router solicitations) brings no tunnel up",
                    "nothing; any other packet brings the tunnel up, and so does cygnet up"
                )
            case .unsupportedHeader:
                (
                    "in transport mode: IP options or extension headers that the way out cannot "
                        + "carry, or fragments that do not make a whole packet",
                    "use tunnel mode for such traffic, or ESP without UDP"
                )
            default: ("", "")
            }
        return DropExplanation(word, .outbound, cause, remedy)
    }

    private static func shaped(_ word: String, _ reason: DropReason) -> DropExplanation {
        let (cause, remedy) =
            switch reason {
            case .classQueueFull:
                (
                    "more came for a traffic class than its rate lets leave, and as much waits "
                        + "already as may",
                    "nothing where senders slow down; else see the classes in cygnet status: raise "
                        + "the rate, the weight or the priority of the one that loses packets"
                )
            case .classDelay:
                (
                    "packets of its traffic class had waited for long, and a drop tells their senders "
                        + "to slow down (RFC 8289)",
                    "nothing: that keeps the delay low; more rate or weight for the class lets more "
                        + "pass"
                )
            case .classExpired:
                (
                    "it waited in its traffic class longer than the class's queue allows, or the class "
                        + "went with a reload",
                    "classes with a lower priority number leave nothing for this one: give them a "
                        + "rate in traffic, or this one their priority and a weight"
                )
            default: ("", "")
            }
        return DropExplanation(word, .outbound, cause, remedy)
    }

    private static func decompression(_ word: String) -> DropExplanation {
        DropExplanation(
            word,
            .inbound,
            "what came compressed (IPComp) names another compression than was agreed on, is no whole "
                + "stream of DEFLATE, or would become more than an IP packet holds",
            "look at the peer: it compresses wrongly, or means to do harm; `compression: off` does "
                + "without"
        )
    }

    private static func inbound(_ word: String, _ reason: DropReason) -> DropExplanation {
        let (cause, remedy) =
            switch reason {
            case .malformedESP:
                (
                    "too short for ESP, or of a length that the SA's cipher cannot make",
                    "something on the way cuts packets, or a stranger sends them; one now and then "
                        + "means nothing"
                )
            case .malformedAH:
                (
                    "no IP packet with a whole AH of its SA",
                    "something on the way changes packets: AH passes no NAT; use ESP there"
                )
            case .keepalive:
                (
                    "a NAT keepalive of the peer (RFC 3948 §2.3): one octet that says nothing",
                    "nothing: that is what they are for"
                )
            case .unknownSPI:
                (
                    "no SA of this gateway has the packet's SPI",
                    "nothing where a tunnel was just rekeyed or ended; else the peer has an SA that "
                        + "this gateway lost: cygnet down and cygnet up, or crash-detection at both "
                        + "ends"
                )
            case .replayed:
                (
                    "its sequence number was received before, or is older than the replay window",
                    "raise replay-window of the tunnel where the path reorders packets; else "
                        + "somebody sends packets again, in vain"
                )
            case .authenticationFailed:
                (
                    "the integrity check failed: the packet was changed on the way or forged, or the "
                        + "two ends have other keys",
                    "if none comes through, the peer is broken or incompatible: try another ESP "
                        + "proposal; if a few do not, look at the path"
                )
            case .badPadding:
                (
                    "authentic, but with padding that RFC 4303 §2.4 does not allow",
                    "the peer is broken: report it there"
                )
            case .dummy:
                (
                    "cover traffic of the peer (RFC 4303 §2.6)",
                    "nothing: that is what it is for"
                )
            case .unexpectedNextHeader:
                (
                    "authentic, but what is inside is neither IPv4 nor IPv6",
                    "the peer sends in another mode than was agreed: look at mode at both ends"
                )
            case .selectorMismatch:
                (
                    "what came out of the SA is not what was agreed for it (RFC 4301 §5.2)",
                    "the peer sends other addresses, protocols or ports by this SA: make local and "
                        + "remote of both ends the same"
                )
            case .congestionMark:
                (
                    "marked as congested outside, while its ends know nothing of ECN "
                        + "(RFC 6040 §4.2)",
                    "nothing: dropping it tells the sender of the congestion"
                )
            default: ("", "")
            }
        return DropExplanation(word, .inbound, cause, remedy)
    }
}
