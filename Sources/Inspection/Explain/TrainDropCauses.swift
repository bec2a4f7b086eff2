internal import PacketProtection

// What is dropped of trains (`ip-tfs`).
extension DropExplanation {
    static func train(_ word: String, _ reason: DropReason) -> DropExplanation {
        let isOutbound = reason == .trainQueueFull || reason == .trainMissing
        let (cause, remedy) =
            switch reason {
            case .trainQueueFull:
                (
                    "more packets wait for their place in the train (ip-tfs) than its queue holds",
                    "nothing where senders slow down; else raise rate of the tunnel's ip-tfs at this "
                        + "end, or queue for bursts"
                )
            case .trainMissing:
                (
                    "the train (ip-tfs) that the packet was to go by has no SA any more",
                    "nothing where a tunnel just ended or was rekeyed with other networks"
                )
            case .malformedTrain:
                (
                    "authentic, but no AGGFRAG payload whose blocks fit each other (RFC 9347 §2.5)",
                    "the peer is broken: report it there"
                )
            case .trainIncomplete:
                (
                    "a part of the packet was in a packet of the peer's train that did not come",
                    "the path loses or reorders packets: give the train no more rate than the line "
                        + "has, or raise reorder-window of ip-tfs"
                )
            case .trainLate:
                (
                    "a packet of the peer's train came when it was given up already",
                    "raise reorder-window of the tunnel's ip-tfs: the path reorders packets"
                )
            default: ("", "")
            }
        return DropExplanation(word, isOutbound ? .outbound : .inbound, cause, remedy)
    }
}
