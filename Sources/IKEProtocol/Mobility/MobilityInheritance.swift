internal import IPsecPrimitives

/// What a new IKE SA takes over of the ways to the peer.
extension IKEEngine {
    func inheritMobility(_ new: IKESA, _ state: Established, from old: IKESA) {
        new.path = old.path
        new.nat = old.nat
        new.isLeaving = old.isLeaving
        state.tasks.removeAll { $0 == .tellCrashToken }
        if new.isOriginalInitiator, crashSecret != nil { state.tasks.append(.tellCrashToken) }
        guard let mobility = old.mobility?.successor() else { return }
        new.mobility = mobility
        // What the old SA was about to settle.
        if mobility.isPathUnproven { state.tasks.append(.checkRoutability) }
        if mobility.isInitiator, mobility.packetPath != new.path,
            !state.tasks.contains(.updateAddresses)
        {
            state.tasks.append(.updateAddresses)
        }
    }
}
