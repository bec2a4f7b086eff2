internal import IPsecPrimitives
internal import PacketProtection

/// Tells which workers a command is for. With one worker nothing is remembered.
struct CommandRouting {
    enum Recipients: Equatable {
        case all
        case one(Int)
    }

    private let place: WorkerPlace
    /// Of each SA that is installed.
    private var workers: [SAIdentifier: Int] = [:]

    init(workers count: Int) {
        place = WorkerPlace(index: 0, of: count)
    }

    mutating func recipients(of command: PacketPathCommand) -> Recipients {
        guard place.count > 1 else { return .one(0) }
        switch command {
        case .installOutbound(let parameters):
            // RFC 9611: the first belongs to the policy's home, each other to a worker of its own.
            let home = place.home(of: parameters.policy)
            return install(parameters.identifier, (home + parameters.resource) % place.count)
        case .installInbound(let parameters):
            return install(parameters.identifier, place.owner(of: parameters.spi))
        case .removeSA(let identifier):
            return workers.removeValue(forKey: identifier).map { .one($0) } ?? .all
        case .activateOutbound(let identifier), .updatePath(let identifier, _),
            .setLinkMTU(let identifier, _):
            // One that nobody has is for a worker to refuse.
            return .one(workers[identifier] ?? 0)
        case .dropHeldPackets(let policy), .dropHeldFlow(let policy, _):
            return .one(place.home(of: policy))
        case .replacePolicies, .adoptPolicies, .setErrorSource, .setTraffic, .query, .ask,
            .beginTrace, .endTrace:
            return .all
        }
    }

    /// An identifier that is in use stays where it is, and is refused there.
    private mutating func install(_ identifier: SAIdentifier, _ worker: Int) -> Recipients {
        let known = workers[identifier] ?? worker
        workers[identifier] = known
        return .one(known)
    }
}
