internal import IKEMessages
internal import IPsecPrimitives

/// Of two rekeyings of one Child SA that crossed, the new SA whose exchange has the lowest of the four
/// nonces is the one that goes (RFC 7296 §2.8.1). Two ends of one make that hold to another rule agree
/// with each other, and with nobody else. Reckoned from the messages, where none is lost.
struct CrossingChecks {
    /// So long after the second answer both ends have settled it, and the next rekeying is not due.
    private static let patience: UInt64 = .seconds(25)

    private struct Number: Hashable {
        let pair: SPIPair
        let number: UInt32
        let isFromInitiator: Bool
    }

    /// An end of a Child SA, by its inbound SPI.
    struct End: Hashable {
        let gateway: Int
        let spi: SPI
    }

    private struct Request {
        let old: End
        let new: End
        let nonce: [UInt8]
    }

    private struct Made {
        let old: End
        let initiator: End
        let responder: End
        let lowestNonce: [UInt8]
    }

    /// Two new SAs in the place of one.
    struct Crossing {
        let loser: End
        let winner: End
        fileprivate let winnersPeer: End
        fileprivate let since: UInt64
    }

    /// When nothing gets through to a gateway, or may not: its ways into the network come and go.
    private struct Absence {
        /// After its end messages that were lost may still wait to be sent again, or others for them, as
        /// long as six sendings take.
        static let aftermath: UInt64 = .seconds(70)

        let gateway: Int
        let start: UInt64
        let end: UInt64
    }

    private let isActive: Bool
    private let absences: [Absence]
    private var requests: [Number: Request] = [:]
    private var made: [Made] = []
    private var crossings: [Crossing] = []
    /// What was to be replaced.
    private var replaced: Set<End> = []

    init(_ scenario: Scenario) {
        isActive = scenario.character == .lossFree && !scenario.isCrowd
        absences = scenario.faults.compactMap { fault in
            guard case .roam(let gateway, let roaming) = fault.kind, roaming != .gain else {
                return nil
            }
            return Absence(gateway: gateway, start: fault.time, end: fault.end + Absence.aftermath)
        }
    }

    /// - Parameter ends: tells the peer's inbound SPI of a Child SA.
    mutating func sent(
        _ message: ReadMessage,
        by gateway: Int,
        _ now: UInt64,
        _ ends: (_ end: End) -> SPI?
    ) {
        guard isActive, message.header.exchangeType == .createChildSA,
            let payloads = message.payloads,
            let (spi, nonce) = CrossingChecks.offer(payloads)
        else { return }
        let header = message.header
        let number = Number(
            pair: message.pair,
            number: header.messageID,
            isFromInitiator: header.isFromOriginalInitiator != header.isResponse
        )
        let new = End(gateway: gateway, spi: spi)
        if !header.isResponse {
            for case .notify(let notify) in payloads where notify.type == .rekeySA {
                let old = End(gateway: gateway, spi: CrossingChecks.spi(notify.spi))
                requests[number] = Request(old: old, new: new, nonce: nonce)
                replaced.insert(old)
            }
        } else if let request = requests.removeValue(forKey: number) {
            add(
                Made(
                    old: request.old,
                    initiator: request.new,
                    responder: new,
                    lowestNonce: request.nonce.lexicographicallyPrecedes(nonce)
                        ? request.nonce : nonce
                ),
                now,
                ends
            )
        }
    }

    /// The SPI and the nonce of a message that makes a Child SA and needs no further exchange for it.
    private static func offer(_ payloads: [Payload]) -> (SPI, [UInt8])? {
        var spi: SPI?
        var nonce: [UInt8]?
        for payload in payloads {
            switch payload {
            case .securityAssociation(let offer):
                guard let proposal = offer.proposals.first, proposal.spi.count == 4 else {
                    return nil
                }
                spi = CrossingChecks.spi(proposal.spi)
            case .nonce(let payload): nonce = Array(payload.nonce)
            case .notify(let notify) where notify.type == .additionalKeyExchange: return nil
            default: continue
            }
        }
        guard let spi, let nonce else { return nil }
        return (spi, nonce)
    }

    private static func spi(_ octets: some Collection<UInt8>) -> SPI {
        SPI(rawValue: octets.reduce(0) { $0 << 8 | UInt32($1) })
    }

    private mutating func add(_ new: Made, _ now: UInt64, _ ends: (_ end: End) -> SPI?) {
        let rival = made.first {
            $0.old.gateway == new.responder.gateway && $0.responder.gateway == new.old.gateway
                && $0.old.spi == ends(new.old)
        }
        made.append(new)
        guard let rival else { return }
        let isNewLower = new.lowestNonce.lexicographicallyPrecedes(rival.lowestNonce)
        let (loser, winner) = isNewLower ? (new, rival) : (rival, new)
        crossings.append(
            Crossing(
                loser: loser.initiator,
                winner: winner.initiator,
                winnersPeer: winner.responder,
                since: now
            )
        )
    }

    /// Those that must be settled by now, each of them once.
    mutating func takeSettled(at now: UInt64) -> [Crossing] {
        let settled = crossings.filter { now - $0.since > CrossingChecks.patience }
        guard !settled.isEmpty else { return [] }
        crossings.removeAll { now - $0.since > CrossingChecks.patience }
        return settled.filter {
            !replaced.contains($0.winner) && !replaced.contains($0.winnersPeer)
                && !wasCutOff($0, until: now)
        }
    }

    /// Whether messages of a crossing may have been lost, and with them what settles it.
    private func wasCutOff(_ crossing: Crossing, until now: UInt64) -> Bool {
        absences.contains { absence in
            [crossing.loser.gateway, crossing.winner.gateway].contains(absence.gateway)
                && absence.start <= now && crossing.since <= absence.end
        }
    }
}
