internal import IPsecPrimitives

/// Something that this end will begin as soon as the window has room and nothing under way
/// conflicts with it.
enum IKETask: Hashable {
    case createChild(IKEEvent.Initiation)
    case rekeyChild(inboundSPI: SPI)
    case rekeyIKESA
    case deleteChild(inboundSPI: SPI)
    case deleteIKESA(IKEReport.ClosureReason)
    case checkLiveness
    /// MOBIKE (RFC 4555 §3.5, §3.6, §3.7).
    case updateAddresses
    case announceAddresses
    case checkRoutability
    /// REDIRECT within a session (RFC 5685 §5).
    case redirect(RedirectTarget)
    /// QCD_TOKEN after a rekey (RFC 6290 §4.3).
    case tellCrashToken
    /// TICKET_REQUEST in an exchange of its own (RFC 5723 §4.1).
    case requestTicket
    /// INVALID_SPI for a packet that came by an SPI that this end does not have (RFC 7296 §1.5).
    case complainOfSPI(SPI)
    /// A probe of the path's MTU (RFC 8899 §4.1).
    case probePathMTU(octets: Int)
}

extension IKETask {
    /// What the peer was asked for.
    func refusedWords(in state: Established) -> String {
        switch self {
        case .rekeyIKESA: "the rekeying of the IKE SA"
        case .createChild(let initiation):
            "a Child SA" + (initiation.child.map { " for \($0)" } ?? "")
        case .rekeyChild(let spi):
            "the rekeying of a Child SA"
                + (state.children[spi].map { " of \($0.policy.name)" } ?? "")
        default: "a request"
        }
    }
}

/// A request on its way, with what its answer needs.
enum IKEExchange {
    case ikeSAInit
    case ikeSessionResume
    case ikeIntermediate
    case ikeAuth
    case createChild(ChildExchange)
    case rekeyIKESA(IKERekeyExchange)
    case deleteChild(inboundSPI: SPI)
    case deleteIKESA
    case checkLiveness
    case updateAddresses(AddressUpdate)
    case announceAddresses([IPAddress])
    case checkRoutability(RoutabilityCheck)
    case redirect
    case tellCrashToken
    case requestTicket
    case complainOfSPI
    case probePathMTU(octets: Int)
    /// AUTHENTICATION_FAILED for a responder that we do not believe (RFC 7296 §2.21.2).
    case tellAuthenticationFailure

    /// The name that reports use.
    var name: String {
        switch self {
        case .ikeSAInit: "IKE_SA_INIT"
        case .ikeSessionResume: "IKE_SESSION_RESUME"
        case .ikeIntermediate: "IKE_INTERMEDIATE"
        case .ikeAuth: "IKE_AUTH"
        case .createChild, .rekeyIKESA: isFollowUp ? "IKE_FOLLOWUP_KE" : "CREATE_CHILD_SA"
        case .deleteChild, .deleteIKESA, .checkLiveness, .tellAuthenticationFailure,
            .updateAddresses, .announceAddresses, .checkRoutability, .redirect, .tellCrashToken,
            .requestTicket, .complainOfSPI, .probePathMTU:
            "INFORMATIONAL"
        }
    }
}

/// What an SA waits for.
enum SATimer: Hashable {
    /// Of the request with this message ID.
    case retransmission(UInt32)
    /// The end of the memory of answers.
    case answerMemory
    /// The next slice of the work on a puzzle.
    case puzzle
    /// The end of the patience with additional key exchanges that do not come.
    case followUps
    /// The end of the patience with messages of which fragments are missing.
    case reassembly
    case halfOpenExpiry
    case rekey
    case expiry
    case liveness
    case keepalive
    /// A TCP connection does not open, or may be tried once more.
    case stream
    /// An IKE SA that goes by TCP tries UDP.
    case udpTrial
    /// The peer has been told of an SPI that this end does not have; the next time may be later.
    case spiComplaint
    /// A child has been replaced because the peer does not have it.
    case heededComplaint
    /// The peer has been asked whether it lives because of what anyone may have said. Apart, so that
    /// a forger keeps no true complaint from being heard.
    case heededHint
    /// The end of the memory of a closed SA.
    case oblivion
    /// Another IKE SA with the same peer has come, and this one is to go.
    case overtaken
    /// Another IKE SA with the same peer may have children that do the same.
    case twins
    case reauthentication
    case childRekey(SPI)
    case childExpiry(SPI)
    /// The end of the wait for a sign that the peer has a child.
    case childUse(SPI)
    /// The end of a replaced child's inbound half.
    case childRemoval(SPI)
    /// The peer's request to replace the IKE SA was refused because this end was changing a child, and
    /// is to find none being changed when it comes again.
    case deference
    /// A task that the peer was not ready for. Apart, so that all the others stay small.
    indirect case retry(IKETask)

    /// Whether it outlives the end of an SA, as long as the last exchanges of the SA do.
    var isOfMessages: Bool {
        switch self {
        case .retransmission, .answerMemory, .reassembly, .stream: true
        default: false
        }
    }
}
