internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// The responder has answered IKE_SA_INIT and waits for IKE_AUTH.
struct HalfOpen {
    var keys: SAKeys
    /// Those of the last IKE_INTERMEDIATE request, which may come again.
    var formerKeys: SAKeys?
    var transcript: InitTranscript
    /// Versions of the first request that came besides the one that was answered.
    private(set) var otherRequests: [[UInt8]] = []
    /// The additional key exchanges that are still to come (RFC 9370 §2.2.2).
    var remaining: ArraySlice<KeyExchangeMethod> = []
    var authentication = IntermediateAuthentication()
    /// What the ticket holds that the initiator resumes a session with (RFC 5723).
    var resumption: TicketContent?
    /// The gateway that has sent the initiator here (RFC 5685 §3).
    var redirectedFrom: RedirectTarget?
    /// What has to come, solved, with the first IKE_AUTH request (RFC 8019 §7.2).
    var puzzle: Puzzle?
    /// Under which the engine finds the SA when the first request comes again.
    let key: HalfOpenKey

    private static let otherRequestLimit = 3

    /// Takes another version of the first request; those that come last are kept.
    mutating func note(version request: [UInt8]) {
        otherRequests.removeAll { $0 == request }
        if otherRequests.count == HalfOpen.otherRequestLimit { otherRequests.removeFirst() }
        otherRequests.append(request)
    }
}

/// A first request: from whom it came and what it was. A repetition has the same octets but for the
/// cookie and the solution of a puzzle that its sender was asked for meanwhile: it knows one SPI of
/// ours, from whichever answer comes first, so that there must be one SA for all versions.
///
/// Octets and not an `Endpoint`: Swift 6.3 passes a structure of four words that holds a 128-bit
/// integer through a stack slot that is not aligned for it, and the program ends there.
struct HalfOpenKey: Hashable {
    let address: [UInt8]
    let port: UInt16
    let request: [UInt8]
    /// Of the port and the request: the key is looked up three times in a handshake.
    private let digest: Int

    init(remote: Endpoint, request: [UInt8]) {
        address = remote.address.bytes
        port = remote.port
        self.request = InitRequestOutline.sameInEachVersion(of: request) ?? request
        var hasher = Hasher()
        hasher.combine(port)
        // Eight octets at a time; equality compares the address and every octet.
        var word: UInt64 = 0
        for index in self.request.indices {
            word = word << 8 | UInt64(self.request[index])
            if index & 7 == 7 { hasher.combine(word) }
        }
        hasher.combine(word)
        digest = hasher.finalize()
    }

    func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}
