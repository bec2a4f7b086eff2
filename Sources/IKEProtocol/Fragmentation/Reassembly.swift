internal import IKEMessages
internal import IPsecPrimitives

/// The fragments of one message of one SA, as far as they have come.
///
/// A class, so that what it holds is given back to the engine's budget when it goes, however it
/// goes.
final class Reassembly {
    let messageID: UInt32
    let isResponse: Bool
    let startedAt: Instant
    private var fragments: FragmentReassembly
    private let budget: ReassemblyBudget
    /// The datagram of fragment 1, by which a repetition of the request is known.
    private(set) var first: [UInt8] = []
    /// Octets of the largest message among the fragments.
    private(set) var largest = 0

    init(_ header: MessageHeader, limits: MessageLimits, budget: ReassemblyBudget, at now: Instant)
    {
        messageID = header.messageID
        isResponse = header.isResponse
        startedAt = now
        fragments = FragmentReassembly(limits: limits)
        self.budget = budget
    }

    deinit { budget.used -= fragments.octets }

    func judge(_ fragment: EncryptedFragmentPayload) -> FragmentReassembly.Verdict {
        fragments.judge(fragment)
    }

    func add(
        _ fragment: EncryptedFragmentPayload,
        holding chunk: [UInt8],
        of datagram: [UInt8]
    ) throws(MalformedMessage) -> OpenedMessage? {
        let before = fragments.octets
        let isNewSet = fragment.total != fragments.total
        defer { budget.used += fragments.octets - before }
        let message = try fragments.add(fragment, holding: chunk)
        if isNewSet { largest = 0 }
        largest = max(largest, datagram.count)
        if fragment.number == 1 { first = datagram }
        return message
    }
}

/// Octets that all unfinished messages together hold.
final class ReassemblyBudget {
    fileprivate(set) var used = 0
}
