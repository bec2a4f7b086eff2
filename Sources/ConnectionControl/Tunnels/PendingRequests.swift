internal import Configuration
internal import IKEProtocol

/// Who waits for which tunnels to come up or to end.
struct PendingRequests {
    enum Wish { case up, down }

    private struct Pending {
        let token: RequestToken
        let wish: Wish
        var missing: Set<TunnelPath>
        let count: Int
    }

    private var pending: [Pending] = []

    mutating func add(_ token: RequestToken, _ wish: Wish, of paths: [TunnelPath]) {
        pending.append(
            Pending(token: token, wish: wish, missing: Set(paths), count: paths.count)
        )
    }

    /// Forgets a client that has gone.
    mutating func remove(_ token: RequestToken) {
        pending.removeAll { $0.token == token }
    }

    /// Requests to which news of a connection, or of one of its tunnels, is of interest.
    func waiting(for connection: String?, _ tunnel: String?) -> [RequestToken] {
        guard let connection else { return [] }
        return pending.filter { request in
            request.missing.contains {
                $0.connection == connection && (tunnel == nil || $0.tunnel == tunnel)
            }
        }.map(\.token)
    }

    mutating func established(_ path: TunnelPath) -> [(RequestToken, RequestOutcome)] {
        settle(path, .up) { $0.count == 1 ? "\(path) is up" : "\($0.count) tunnels are up" }
    }

    mutating func closed(_ path: TunnelPath) -> [(RequestToken, RequestOutcome)] {
        settle(path, .down) { $0.count == 1 ? "\(path) is down" : "\($0.count) tunnels are down" }
    }

    /// The first tunnel that fails ends the request.
    mutating func failed(
        _ path: TunnelPath,
        _ failure: NegotiationFailure
    ) -> [(RequestToken, RequestOutcome)] {
        end(.up, of: path, failure)
    }

    /// So does the first that does not go down.
    mutating func outlived(
        _ path: TunnelPath,
        _ failure: NegotiationFailure
    ) -> [(RequestToken, RequestOutcome)] {
        end(.down, of: path, failure)
    }

    private mutating func end(
        _ wish: Wish,
        of path: TunnelPath,
        _ failure: NegotiationFailure
    ) -> [(RequestToken, RequestOutcome)] {
        let ended = pending.filter { $0.wish == wish && $0.missing.contains(path) }
        pending.removeAll { $0.wish == wish && $0.missing.contains(path) }
        return ended.map { ($0.token, .failed(failure)) }
    }

    private mutating func settle(
        _ path: TunnelPath,
        _ wish: Wish,
        _ text: (Pending) -> String
    ) -> [(RequestToken, RequestOutcome)] {
        var ended: [(RequestToken, RequestOutcome)] = []
        for index in pending.indices where pending[index].wish == wish {
            if pending[index].missing.remove(path) != nil, pending[index].missing.isEmpty {
                ended.append((pending[index].token, .done(text(pending[index]))))
            }
        }
        pending.removeAll { $0.missing.isEmpty }
        return ended
    }
}
