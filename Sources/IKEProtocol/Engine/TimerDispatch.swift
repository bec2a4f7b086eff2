internal import IPsecPrimitives

extension IKEEngine {
    func arm(_ timer: SATimer, of sa: IKESA, at deadline: Instant) {
        sa.timers[timer] = deadline
        timers.insert(TimerHeap.Entry(deadline: deadline, sa: sa.localSPI, timer: timer))
    }

    func disarm(_ timer: SATimer, of sa: IKESA) {
        sa.timers[timer] = nil
    }

    func fireTimers(at now: Instant) {
        while let entry = timers.first, entry.deadline <= now {
            timers.removeFirst()
            guard let sa = sas[entry.sa], sa.timers[entry.timer] == entry.deadline else { continue }
            sa.timers[entry.timer] = nil
            fire(entry.timer, of: sa, at: now)
        }
    }

    private func fire(_ timer: SATimer, of sa: IKESA, at now: Instant) {
        switch timer {
        case .retransmission(let messageID): retransmit(messageID, of: sa, at: now)
        case .answerMemory: forgetAnswers(of: sa, at: now)
        case .puzzle: workOnPuzzle(of: sa, at: now)
        case .followUps: expireFollowUps(of: sa, at: now)
        case .reassembly: expireReassemblies(of: sa, at: now)
        case .halfOpenExpiry: expireHalfOpen(sa)
        case .oblivion: discard(sa)
        case .rekey: enqueue(.rekeyIKESA, of: sa, at: now)
        case .expiry: expire(sa, at: now)
        case .overtaken: closeOvertaken(sa, at: now)
        case .twins: settleTwins(of: sa, at: now)
        case .reauthentication: reauthenticate(sa, at: now)
        case .liveness: checkLiveness(of: sa, at: now)
        case .stream: streamTimeout(of: sa, at: now)
        case .udpTrial: tryUDP(sa, at: now)
        // While they run, and only then, they mean something.
        case .spiComplaint, .heededComplaint, .heededHint: break
        case .keepalive: sendKeepalive(for: sa, at: now)
        case .childRekey(let spi): enqueue(.rekeyChild(inboundSPI: spi), of: sa, at: now)
        case .childExpiry(let spi): expireChild(spi, of: sa, at: now)
        case .childRemoval(let spi): removeChild(spi, of: sa)
        case .childUse(let spi): childIsSurelyThere(spi, of: sa)
        case .deference: startTasks(of: sa, at: now)
        case .retry(let task): enqueue(task, of: sa, at: now)
        }
    }

    private func expire(_ sa: IKESA, at now: Instant) {
        switch sa.established?.standing {
        // The peer's to delete, and if the peer has not, it knows nothing of it any more.
        case .candidate?, .redundant?: remember(sa, at: now)
        case .current?, .replaced?, nil: close(sa, because: .expired, at: now)
        }
    }

    private func expireHalfOpen(_ sa: IKESA) {
        guard case .halfOpen = sa.state else { return }
        discard(sa)
    }

    private func sendKeepalive(for sa: IKESA, at now: Instant) {
        guard let state = sa.established, !state.isReplaced, sa.nat.isLocalTranslated,
            // RFC 9329 §6.6: none over TCP.
            sa.path.transport == .udp, let interval = sa.connection.keepaliveInterval
        else { return }
        effects.append(.sendKeepalive(local: sa.path.local, remote: sa.path.remote))
        arm(.keepalive, of: sa, at: now + interval)
    }
}
