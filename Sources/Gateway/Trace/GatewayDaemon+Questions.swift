internal import Configuration
internal import ConnectionControl
internal import DataPlane
internal import IPsecPrimitives
internal import Management
internal import PacketProtection

/// Questions about packets that the workers are asked.
struct OpenQuestions {
    private var lastToken: UInt64 = 0
    private var clients: [UInt64: (client: RequestToken, query: PacketTuple)] = [:]
    private var answers: [UInt64: [PacketAnswer]] = [:]

    /// More at once are refused: each is a client's.
    static let limit = 64

    var isFull: Bool { clients.count >= OpenQuestions.limit }

    mutating func open(_ client: RequestToken, _ query: PacketTuple) -> UInt64 {
        lastToken += 1
        clients[lastToken] = (client, query)
        return lastToken
    }

    /// Takes what one direction of one worker says.
    ///
    /// - Returns: the client and every answer, once all are there.
    mutating func add(
        _ answer: PacketAnswer,
        _ token: UInt64,
        expected: Int
    ) -> (client: RequestToken, answers: [PacketAnswer])? {
        guard let client = clients[token]?.client else { return nil }
        answers[token, default: []].append(answer)
        guard let all = answers[token], all.count >= expected else { return nil }
        clients[token] = nil
        answers[token] = nil
        return (client, all)
    }

    mutating func forget(_ client: RequestToken) {
        for (token, asked) in clients where asked.client == client {
            clients[token] = nil
            answers[token] = nil
        }
    }
}

// `cygnet explain packet --running`.
extension GatewayDaemon {
    func ask(_ query: PacketQuery, _ token: RequestToken) {
        guard let source = IPAddress(query.source), let destination = IPAddress(query.destination),
            source.version == destination.version, !questions.isFull
        else {
            let failure = FailureStatus(
                kind: "bad-question",
                summary: questions.isFull
                    ? "too many questions are open" : "the two addresses make no packet",
                remedy: questions.isFull
                    ? "ask again" : "give two addresses of one IP version"
            )
            return management.reply(.failed(failure), to: token)
        }
        var tuple = PacketTuple(
            source: source,
            destination: destination,
            ipProtocol: query.protocol,
            sourcePort: query.sourcePort,
            destinationPort: query.destinationPort
        )
        tuple.codePoint = min(query.dscp ?? 0, CodePoint.limit - 1)
        dataPlane.post(.ask(token: questions.open(token, tuple), tuple))
    }

    func take(_ answer: PacketAnswer, _ token: UInt64) {
        let expected = 2 * dataPlane.workerCount
        guard let whole = questions.add(answer, token, expected: expected) else { return }
        management.reply(.explained(standing(whole.answers)), to: whole.client)
    }

    private func standing(_ answers: [PacketAnswer]) -> PacketStanding {
        let outbound = answers.filter(\.isOutbound)
        // Of several workers, the one that has the SA knows best.
        let leaving =
            outbound.first { $0.decision == .protect }
            ?? outbound.first { $0.decision != .anotherWorkers } ?? outbound.first
            ?? PacketAnswer(isOutbound: true)
        let origin = leaving.policy.flatMap { controller.origin(of: $0) }
        let failure = origin?.tunnel.flatMap { controller.lastFailure(of: $0.connection) }
        let arriving = answers.filter { !$0.isOutbound }.flatMap(\.associations)
        return PacketStanding(
            file: configuration.file,
            decision: (leaving.decision ?? .noPolicy).rawValue,
            policy: origin.map(TraceEntry.Policy.init),
            isRemembered: outbound.contains(where: \.isRemembered),
            heldPackets: outbound.reduce(0) { $0 + $1.heldPackets },
            outbound: leaving.associations.first.map(association),
            tunnelState: origin?.tunnel.map(tunnelState),
            lastFailure: leaving.decision == .acquire
                ? failure.map { FailureStatus($0.failure) } : nil,
            inbound: arriving.prefix(PacketAnswer.limit).map(association)
        )
    }

    private func tunnelState(_ path: TunnelPath) -> TunnelStatus.State {
        switch controller.state(of: path) {
        case .down: .down
        case .waitingForTraffic: .waitingForTraffic
        case .connecting: .connecting
        case .up: .established
        }
    }

    private func association(_ association: PacketAnswer.Association) -> PacketStanding.Association
    {
        let snapshots = [controller.outboundCounters, controller.inboundCounters]
        let counted = snapshots.compactMap(\.self).flatMap(\.associations).first {
            $0.identifier == association.identifier
        }
        let hasPorts = association.path.encapsulation != .esp
        var standing = PacketStanding.Association(
            spi: "\(association.spi)",
            tunnel: controller.origin(of: association.policy)?.tunnel.map { "\($0)" },
            path: TraceEntry.Path(
                local: "\(association.path.local.address)",
                remote: "\(association.path.remote.address)",
                localPort: hasPorts ? association.path.local.port : nil,
                remotePort: hasPorts ? association.path.remote.port : nil,
                carrier: TraceTranslation.carrier(association.path.encapsulation)
            ),
            packets: association.packets,
            sequence: association.sequence,
            limit: association.tunnelMTU > 0 ? association.tunnelMTU : nil,
            drops: (counted?.drops ?? []).filter { $0.packets > 0 }.map {
                DropCount(reason: "\($0.reason)", packets: $0.packets)
            }
        )
        if !association.codePoints.isEmpty { standing.dscp = "\(association.codePoints)" }
        return standing
    }
}
