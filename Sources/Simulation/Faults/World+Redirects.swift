internal import ConnectionControl
internal import IKEMessages
internal import IPsecPrimitives

// Gateways that send their peers elsewhere, and attackers who would like to (RFC 5685).
extension World {
    func redirect(_ plan: Redirecting, isOver: Bool) {
        guard let place = current.peerings.firstIndex(where: { $0.number == plan.peering }) else {
            return
        }
        current.peerings[place].redirecting = isOver ? nil : plan
        for step in plan.steps { reread(step.gateway) }
    }

    /// What is said in the place of a gateway, unprotected, before its answer comes.
    func forgeRedirect(_ datagram: WireDatagram) {
        guard attackers.isActive, phase == .turmoil,
            let message = datagram.ikeMessage,
            let request = try? IKEMessage(reading: message), !request.header.isResponse,
            attackers.redirectDice.chance(perMille: 30)
        else { return }
        let number = attackers.redirectDice.within(1...250)
        let isV4 = datagram.destination.address.version == .v4
        let stray = IPAddress(isV4 ? "198.51.100.\(number)" : "2001:db8:bad::\(number)")!
        var nonce: [UInt8] = []
        for case .nonce(let payload) in request.payloads { nonce = Array(payload.nonce) }
        // Whoever hears the nonce is believed (RFC 5685 §3): what can be done then is bounded.
        let isHeard = !nonce.isEmpty && attackers.redirectDice.chance(perMille: 300)
        if isHeard {
            checks.redirects.allow("\(stray)")
        } else if !nonce.isEmpty {
            nonce[attackers.redirectDice.below(nonce.count)] ^= 1
        }
        var header = request.header
        header.isResponse = true
        header.isFromOriginalInitiator.toggle()
        let data = [isV4 ? 1 : 2, UInt8(stray.bytes.count)] + stray.bytes + nonce
        let forged = IKEMessage.serialise(
            header,
            payloads: [.notify(NotifyPayload(.redirect, data: data))]
        )
        let hasMarker = datagram.bytes.count != message.count
        let answer = WireDatagram(
            carrier: .udp,
            source: datagram.destination,
            destination: datagram.source,
            bytes: hasMarker ? IKEPorts.marker + forged : forged
        )
        coverage.count("attack", isHeard ? "redirect with the nonce" : "redirect")
        guard internet.owner(of: answer.destination.address) != nil else { return }
        trace.note(at: now) { "attack: a redirect to \(stray)" }
        schedule(.arrival(answer), at: now + attackers.redirectDice.span(milliseconds: 0...10))
    }
}
