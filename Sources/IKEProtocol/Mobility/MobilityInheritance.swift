internal import IPsecPrimitives

/// What a new IKE SA takes over of the ways to the peer.
extension IKEEngine {
    func inheritMobility(_ new: IKESA, _ state: Established, from old: IKESA, at now: Instant) {
        new.stream = old.stream
        new.isStreamLost = old.isStreamLost
        sas.keepStandby(of: new)
        // A trial of UDP is the old one's alone: what carries the packets must not end with it.
        setPath(old.standbyOfTrial ?? old.path, of: new)
        // However often it is rekeyed, UDP is tried in time.
        if let due = old.timers[.udpTrial], new.path.transport == .tcp {
            arm(.udpTrial, of: new, at: due)
        } else {
            armUDPTrial(of: new, at: now)
        }
        new.nat = old.nat
        new.isLeaving = old.isLeaving
        state.tasks.removeAll { $0 == .tellCrashToken }
        if new.isOriginalInitiator, crashSecret != nil { state.tasks.append(.tellCrashToken) }
        // RFC 5685 §5: the peer may not have heard of it, and the old one ends.
        let isRedirecting = old.requests.contains { if case .redirect = $0 { true } else { false } }
        if isRedirecting, let target = new.connection.redirection.target,
            !state.tasks.contains(.redirect(target))
        {
            state.tasks.append(.redirect(target))
        }
        guard let mobility = old.mobility?.successor() else { return }
        new.mobility = mobility
        // What the old SA was about to settle.
        if mobility.isPathUnproven { state.tasks.append(.checkRoutability) }
        // RFC 4555 §3.5: what the peer said of its NATs on the new path may be in an answer that has not
        // come; the hashes of now have other SPIs in them, and the old SA may end before it is there.
        let isUpdating = old.requests.contains {
            if case .updateAddresses = $0 { true } else { false }
        }
        if mobility.isInitiator, isUpdating || mobility.packetPath != new.path,
            !state.tasks.contains(.updateAddresses)
        {
            state.tasks.append(.updateAddresses)
        }
        let isAnnouncing = old.requests.contains {
            if case .announceAddresses = $0 { true } else { false }
        }
        if isAnnouncing, !state.tasks.contains(.announceAddresses) {
            state.tasks.append(.announceAddresses)
        }
    }
}
