internal import PacketProtection

/// A reason for which packets are dropped, in words: what `cygnet explain drop` prints.
package struct DropExplanation: Codable, Equatable, Sendable {
    /// Where the packet was on its way.
    package enum Place: String, Codable, CaseIterable, Sendable {
        /// From the inside, on its way into a tunnel.
        case outbound
        /// From a peer, on its way out of a tunnel.
        case inbound
        case either
        /// At a socket or a device of this gateway.
        case device
        /// An IKE message.
        case ike
    }

    /// The word that `cygnet status` counts by.
    package let reason: String
    package let place: Place
    /// What happened.
    package let cause: String
    /// What would mend it, or why nothing need be done.
    package let remedy: String

    /// Every reason that there is, in the order of a packet's way.
    package static let all: [DropExplanation] =
        DropReason.allCases.map(DropExplanation.init) + devices + messages

    /// Nil when there is no such reason. Capitals do not count.
    package static func of(_ reason: String) -> DropExplanation? {
        all.first { $0.reason.lowercased() == reason.lowercased() }
    }

    init(_ reason: String, _ place: Place, _ cause: String, _ remedy: String) {
        self.reason = reason
        self.place = place
        self.cause = cause
        self.remedy = remedy
    }

    /// For people.
    package var text: String {
        "\(reason) (\(DropExplanation.words(place)))\n  \(cause)\n  remedy: \(remedy)\n"
    }

    /// One line a reason.
    package static var listText: String {
        let width = all.map(\.reason.count).max() ?? 0
        return all.map { explanation in
            let padding = String(repeating: " ", count: width - explanation.reason.count)
            return "\(explanation.reason)\(padding)  \(explanation.cause)\n"
        }.joined()
    }

    private static func words(_ place: Place) -> String {
        switch place {
        case .outbound: "on the way into a tunnel"
        case .inbound: "on the way out of a tunnel"
        case .either: "either way"
        case .device: "at a socket or a device"
        case .ike: "an IKE message"
        }
    }
}
