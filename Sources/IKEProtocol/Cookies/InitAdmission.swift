internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// What a first request has to bring with it before anything is kept for it.
enum InitDemand: Equatable {
    case nothing
    /// RFC 7296 §2.6: the sender receives at its address.
    case cookie
    /// RFC 8019 §4.4: besides, it has worked for it.
    case puzzle(difficulty: UInt8)
}

/// What a first request has brought.
enum InitAdmission {
    /// It may go on; with the cookie whose puzzle it solved, which serves once.
    case admitted(solved: [UInt8]?)
    case refused
}

/// Who may begin, by how much others keep waiting (RFC 7296 §2.6, RFC 8019 §6, §7.1).
///
/// Nothing here builds a message before the cookie is seen to be ours: a forged request costs a
/// look along its payloads and one code.
extension IKEEngine {
    private func demand(from address: IPAddress) -> InitDemand {
        let total = sas.halfOpenCount
        let host = sas.halfOpen.ofHost(address)
        if let difficulty = settings.puzzleDifficulty {
            if total >= settings.halfOpenLimit / 2 { return .puzzle(difficulty: difficulty) }
            if host >= settings.puzzleThresholdPerAddress {
                return .puzzle(difficulty: difficulty)
            }
        }
        if total >= settings.cookieThreshold { return .cookie }
        return host >= settings.cookieThresholdPerAddress ? .cookie : .nothing
    }

    /// Admits a first request, or answers it with what it lacks, or drops it.
    func admit(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        at now: Instant
    ) -> InitAdmission {
        // RFC 9329 §6.1: "Multiple IKE SAs MUST NOT share a single TCP connection".
        guard datagram.transport == .udp || sas.onStream(IKEPath(datagram)).isEmpty else {
            counters.drop(.unexpectedExchange)
            return .refused
        }
        let address = datagram.remote.address
        var demand = demand(from: address)
        if sas.halfOpenCount < settings.cookieThreshold { isCookieDemandReported = false }
        // RFC 8019 §4.5: "it SHOULD prefer previously authenticated peers who present a Session
        // Resumption ticket", and "SHOULD require" a COOKIE of them.
        if header.exchangeType == .ikeSessionResume, demand != .nothing { demand = .cookie }
        // RFC 9329 §6.3: a stream has shown that its address is real.
        if demand == .cookie, datagram.transport == .tcp { demand = .nothing }
        var solved: [UInt8]?
        if demand != .nothing {
            reportCookieDemand()
            switch judge(datagram, header, demand, at: now) {
            case .admitted(let cookie): solved = cookie
            case .refused: return .refused
            }
        }
        guard sas.halfOpenCount < settings.halfOpenLimit,
            sas.halfOpen.ofHost(address) < settings.halfOpenLimitPerAddress,
            sas.halfOpen.ofSite(address) < settings.halfOpenLimitPerNetwork
        else {
            counters.drop(.halfOpenLimit)
            return .refused
        }
        return .admitted(solved: solved)
    }

    private func judge(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ demand: InitDemand,
        at now: Instant
    ) -> InitAdmission {
        guard let outline = InitRequestOutline(of: datagram.bytes) else {
            counters.drop(.malformed)
            return .refused
        }
        let asker = asker(outline, datagram, header)
        guard let range = outline.cookie,
            let origin = cookies.origin(of: datagram.bytes[range], from: asker, at: now)
        else {
            counters.drop(.cookieRequired)
            give(nil, to: asker, datagram, header, at: now)
            return .refused
        }
        counters.cookiesReturned += 1
        guard case .puzzle(let difficulty) = demand else { return .admitted(solved: nil) }
        return judge(
            Array(datagram.bytes[range]),
            origin,
            asker,
            datagram,
            header,
            difficulty,
            at: now
        )
    }

    private func asker(
        _ outline: InitRequestOutline,
        _ datagram: IKEDatagram,
        _ header: MessageHeader
    ) -> CookieJar.Asker {
        CookieJar.Asker(
            nonce: datagram.bytes[outline.nonce],
            address: datagram.remote.address,
            initiatorSPI: header.initiatorSPI
        )
    }

    /// Whether a first request has no cookie, or one of ours.
    func hasNoFalseCookie(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        at now: Instant
    ) -> Bool {
        guard let outline = InitRequestOutline(of: datagram.bytes) else { return false }
        guard let range = outline.cookie else { return true }
        return cookies.origin(
            of: datagram.bytes[range],
            from: asker(outline, datagram, header),
            at: now
        ) != nil
    }

    /// A request with a cookie of ours, where a puzzle is wanted besides (RFC 8019 §7.1.4).
    private func judge(
        _ cookie: [UInt8],
        _ origin: CookieJar.Origin,
        _ asker: CookieJar.Asker,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ difficulty: UInt8,
        at now: Instant
    ) -> InitAdmission {
        guard let message = try? IKEMessage(reading: datagram.bytes),
            let content = MessageContent(message.payloads)
        else {
            counters.drop(.malformed)
            return .refused
        }
        guard let given = origin.puzzle else {
            // Only a cookie was asked for then; meanwhile there is more need.
            guard let function = commonFunction(content) else {
                counters.drop(.puzzleRequired)
                return .refused
            }
            counters.drop(.puzzleRequired)
            give(
                Puzzle(function: function, difficulty: difficulty),
                to: asker,
                datagram,
                header,
                at: now
            )
            return .refused
        }
        if let solution = content.puzzleSolution, given.isSolved(by: solution, over: cookie) {
            // A solution serves one request: else one puzzle would pay for a thousand.
            guard !sas.isSpent(cookie) else {
                counters.drop(.puzzleRequired)
                return .refused
            }
            counters.puzzlesSolved += 1
            return .admitted(solved: cookie)
        }
        // RFC 8019 §7.1: some of those who cannot solve puzzles are served by lot, the fewer the
        // more half-open SAs there are.
        let free = max(0, settings.halfOpenLimit - sas.halfOpenCount)
        let chance = UInt64(free) * 1000 / UInt64(max(1, settings.halfOpenLimit)) / 4
        if UInt64(random.next32() % 1000) < chance { return .admitted(solved: nil) }
        counters.drop(.puzzleRequired)
        return .refused
    }

    /// RFC 8019 §7.1.1.2: a function that the initiator offers and we have.
    func commonFunction(_ content: MessageContent) -> PseudorandomFunction? {
        let offered = (content.securityAssociation?.proposals ?? []).flatMap {
            $0.proposal.transforms.filter { $0.type == .pseudorandomFunction }
        }
        return offered.lazy.map { PseudorandomFunction(rawValue: $0.identifier) }
            .first { PRF($0) != nil }
    }

    private func give(
        _ puzzle: Puzzle?,
        to asker: CookieJar.Asker,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        at now: Instant
    ) {
        let cookie = cookies.cookie(for: asker, with: puzzle, at: now, random: &random)
        var payloads: [Payload] = [.notify(NotifyPayload(.cookie, data: cookie))]
        if let puzzle {
            counters.puzzlesGiven += 1
            payloads.append(.notify(puzzle.notify))
        } else {
            counters.cookiesGiven += 1
        }
        sendClear(datagram, header, payloads)
    }

    private func reportCookieDemand() {
        guard !isCookieDemandReported else { return }
        isCookieDemandReported = true
        effects.append(
            .report(IKEReport(event: .cookieDemanded(halfOpenSAs: sas.halfOpenCount)))
        )
    }

    /// How long a half-open SA is kept: the shorter the more there are (RFC 8019 §4.1: "Two seconds
    /// is probably as low a value as can realistically be used").
    var halfOpenPatience: Duration {
        let total = sas.halfOpenCount
        if total >= settings.halfOpenLimit / 2 { return min(settings.halfOpenTimeout, .seconds(4)) }
        if total >= settings.cookieThreshold, settings.cookieThreshold > 0 {
            return min(settings.halfOpenTimeout, .seconds(12))
        }
        return settings.halfOpenTimeout
    }
}
