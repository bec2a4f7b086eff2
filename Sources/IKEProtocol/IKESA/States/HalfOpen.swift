internal import IPsecCrypto
internal import IPsecPrimitives

/// The responder has answered IKE_SA_INIT and waits for IKE_AUTH.
struct HalfOpen {
    var keys: SAKeys
    /// Those of the last IKE_INTERMEDIATE request, which may come again.
    var formerKeys: SAKeys?
    var transcript: InitTranscript
    /// The additional key exchanges that are still to come (RFC 9370 §2.2.2).
    var remaining: ArraySlice<KeyExchangeMethod> = []
    var authentication = IntermediateAuthentication()
    /// What the ticket holds that the initiator resumes a session with (RFC 5723).
    var resumption: TicketContent?
    /// What has to come, solved, with the first IKE_AUTH request (RFC 8019 §7.2).
    var puzzle: Puzzle?
    /// Under which the engine finds the SA when the first request comes again.
    let key: HalfOpenKey
}

/// A first request: from whom it came and what it was, for a repetition has the same octets.
///
/// Octets and not an `Endpoint`: Swift 6.3 passes a structure of four words that holds a 128-bit
/// integer through a stack slot that is not aligned for it, and the program ends there.
struct HalfOpenKey: Hashable {
    let address: [UInt8]
    let port: UInt16
    let request: [UInt8]

    init(remote: Endpoint, request: [UInt8]) {
        address = remote.address.bytes
        port = remote.port
        self.request = request
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(port)
        // Eight octets at a time; equality compares the address and every octet.
        var word: UInt64 = 0
        var count = 0
        for octet in request {
            word = word << 8 | UInt64(octet)
            count += 1
            if count.isMultiple(of: 8) { hasher.combine(word) }
        }
        hasher.combine(word)
    }
}
