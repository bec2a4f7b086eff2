internal import IKEProtocol
internal import IPsecPrimitives

/// Who waits for which SAs to be replaced.
struct PendingRekeys {
    /// What is to be replaced.
    enum Subject: Hashable {
        /// Child SAs by their inbound SPIs.
        case children(Set<SPI>)
        /// IKE SAs by their local SPIs.
        case ikeSAs(Set<IKESPI>)
    }

    private struct Pending {
        let token: RequestToken
        let connection: String
        /// Nil: all of the connection.
        let tunnel: String?
        var subject: Subject
        let count: Int

        var isDone: Bool { subject == .children([]) || subject == .ikeSAs([]) }

        /// Whether news of a tunnel, or of the whole connection, are of interest.
        func concerns(_ other: String?) -> Bool {
            tunnel == nil || other == nil || tunnel == other
        }

        var text: String {
            let name = tunnel.map { "\(connection)/\($0)" } ?? connection
            let isAlone = count == 1
            return switch subject {
            case .children:
                isAlone ? "the keys of \(name) are new" : "\(count) Child SAs of \(name) are new"
            case .ikeSAs:
                isAlone ? "the IKE SA of \(name) is new" : "\(count) IKE SAs of \(name) are new"
            }
        }
    }

    typealias Ended = [(RequestToken, RequestOutcome)]

    private var pending: [Pending] = []

    mutating func add(
        _ token: RequestToken,
        _ subject: Subject,
        of connection: String,
        _ tunnel: String?
    ) {
        let count =
            switch subject {
            case .children(let spis): spis.count
            case .ikeSAs(let spis): spis.count
            }
        pending.append(
            Pending(
                token: token,
                connection: connection,
                tunnel: tunnel,
                subject: subject,
                count: count
            )
        )
    }

    /// Forgets a client that has gone.
    mutating func remove(_ token: RequestToken) { pending.removeAll { $0.token == token } }

    /// Requests to which news of a connection, or of one of its tunnels, is of interest.
    func waiting(for connection: String?, _ tunnel: String?) -> [RequestToken] {
        guard let connection else { return [] }
        return pending.filter { $0.connection == connection && $0.concerns(tunnel) }.map(\.token)
    }

    mutating func childReplaced(_ inboundSPI: SPI) -> Ended {
        for index in pending.indices {
            guard case .children(var missing) = pending[index].subject,
                missing.remove(inboundSPI) != nil
            else { continue }
            pending[index].subject = .children(missing)
        }
        return takeDone()
    }

    /// A Child SA has gone that was still to be replaced.
    mutating func childEnded(_ inboundSPI: SPI, _ failure: NegotiationFailure) -> Ended {
        take(failure) { request in
            if case .children(let missing) = request.subject {
                missing.contains(inboundSPI)
            } else {
                false
            }
        }
    }

    mutating func ikeSAReplaced(_ spi: IKESPI) -> Ended {
        for index in pending.indices {
            guard case .ikeSAs(var missing) = pending[index].subject,
                missing.remove(spi) != nil
            else { continue }
            pending[index].subject = .ikeSAs(missing)
        }
        return takeDone()
    }

    /// Others have come in the place of those that are not there any more.
    mutating func ikeSAsReplaced(of connection: String, but left: [IKESPI]) -> Ended {
        for index in pending.indices where pending[index].connection == connection {
            guard case .ikeSAs(let missing) = pending[index].subject else { continue }
            pending[index].subject = .ikeSAs(missing.intersection(left))
        }
        return takeDone()
    }

    /// IKE SAs have gone; `left` are still there.
    mutating func ikeSAsEnded(
        of connection: String,
        but left: [IKESPI],
        _ failure: NegotiationFailure
    ) -> Ended {
        take(failure) { request in
            guard request.connection == connection, case .ikeSAs(let missing) = request.subject
            else { return false }
            return !missing.isSubset(of: left)
        }
    }

    /// What this end began for a connection, or for one tunnel of it, came to nothing.
    mutating func failed(
        _ connection: String,
        _ tunnel: String?,
        _ failure: NegotiationFailure
    ) -> Ended {
        take(failure) { request in
            guard request.connection == connection else { return false }
            switch request.subject {
            case .children: return tunnel != nil && request.concerns(tunnel)
            case .ikeSAs: return tunnel == nil
            }
        }
    }

    private mutating func takeDone() -> Ended {
        let ended = pending.filter(\.isDone)
        pending.removeAll(where: \.isDone)
        return ended.map { ($0.token, .done($0.text)) }
    }

    private mutating func take(
        _ failure: NegotiationFailure,
        where isConcerned: (Pending) -> Bool
    ) -> Ended {
        let ended = pending.filter(isConcerned)
        pending.removeAll(where: isConcerned)
        return ended.map { ($0.token, .failed(failure)) }
    }
}
