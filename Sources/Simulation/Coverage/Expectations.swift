/// What a search ought to reach; what it never did is listed.
package enum Expectations {
    package static func missing(in coverage: Coverage) -> [String] {
        all.filter { coverage.counts[$0] == nil }
    }

    static var all: [String] {
        exchanges + reports + notifies
            + CollisionWatch.names.map { "collision \($0)" }
            + VarietyGenerator.Form.allCases.map { "selectors \($0.rawValue)" }
            + ["network loses a fragment", "wear by packets"]
            + ["tells an address", "tells an old address", "has no answer"].map { "dns \($0)" }
            + FaultKind.Roaming.allCases.map { "fault roaming: \($0.rawValue)" }
            + Carriage.allCases.map { "carriage \($0.rawValue)" }
            + ["carriage agreed across a NAT", "classes by an SA of its own"]
            + Redirecting.Course.allCases.map { "fault redirect: \($0.rawValue)" }
            + redirects + roaming + faults.map { "fault \($0)" } + attacks.map { "attack \($0)" }
            + Mismatch.allCases.filter { $0 != .none }.map { "mismatch \($0.rawValue)" }
    }

    private static let exchanges = [
        "IKE_SA_INIT", "IKE_AUTH", "CREATE_CHILD_SA", "INFORMATIONAL", "IKE_INTERMEDIATE",
        "IKE_FOLLOWUP_KE", "IKE_SESSION_RESUME",
    ].flatMap { ["exchange \($0) request", "exchange \($0) response"] }

    private static let reports = [
        "ikeSAEstablished", "ikeSARekeyed", "ikeSAClosed", "childSAEstablished", "childSARekeyed",
        "childSAClosed", "initiationFailed", "refused", "retransmitting", "peerUnresponsive",
        "cookieDemandedByPeer", "cookieDemanded", "otherMethodDemanded",
        "networkAddressTranslation", "encapsulationDiffers", "peerMoved", "errorFromPeer",
        "notResumed",
    ].map { "report \($0)" }

    private static let notifies =
        [
            "COOKIE", "INVALID_KE_PAYLOAD", "NO_PROPOSAL_CHOSEN", "AUTHENTICATION_FAILED",
            "TS_UNACCEPTABLE", "TEMPORARY_FAILURE", "CHILD_SA_NOT_FOUND", "INVALID_SYNTAX",
            "NO_ADDITIONAL_SAS", "INVALID_IKE_SPI", "NAT_DETECTION_SOURCE_IP",
            "IKEV2_FRAGMENTATION_SUPPORTED", "TICKET_LT_OPAQUE", "TICKET_NACK",
        ].map { "notify \($0) in a response" }
        + ["REKEY_SA", "INITIAL_CONTACT", "SET_WINDOW_SIZE", "COOKIE"].map {
            "notify \($0) in a request"
        }

    private static let redirects =
        ["IKE_SA_INIT", "IKE_AUTH", "INFORMATIONAL"].map { "redirect in \($0)" }
        + ["report redirected", "report redirecting", "notify REDIRECTED_FROM in a request"]

    private static let roaming =
        ["with MOBIKE", "without MOBIKE"].map { "roaming \($0)" }
        + ["with the network", "behind a NAT", "that begins alone"].map { "second way \($0)" }
        + ["movedTo", "probingPaths", "addressesRefused"].map { "report \($0)" }
        + [
            "UPDATE_SA_ADDRESSES", "COOKIE2", "ADDITIONAL_IP4_ADDRESS", "NO_ADDITIONAL_ADDRESSES",
        ].map { "notify \($0) in a request" } + ["notify UNACCEPTABLE_ADDRESSES in a response"]

    private static let faults = [
        "partition", "crash", "restart", "rebind", "move", "burst", "take-down", "bring-up",
        "wear-out", "reload", "crash with state", "change of a secret", "drop fragments",
    ]

    private static let attacks = [
        "replay", "replay from elsewhere", "reflection", "damage", "forgery", "flood", "stranger",
        "intrusion", "redirect", "redirect with the nonce",
    ]
}
