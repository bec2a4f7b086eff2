internal import IKEMessages
internal import IPsecPrimitives

// What attackers do.
extension World {
    func attack(_ index: Int) {
        guard phase == .turmoil, let overheard = attackers.pick() else { return }
        switch attackers.dice.below(10) {
        case 0, 1: inject("replay", overheard.datagram)
        case 2: inject("replay from elsewhere", elsewhere(overheard.datagram))
        case 3: inject("reflection", reflected(overheard.datagram))
        case 4: inject("damage", damaged(overheard.datagram))
        case 5, 6: forge(overheard.datagram)
        case 7: flood(overheard.datagram)
        default: approach(attackers.dice.below(gateways.count))
        }
    }

    /// Brings a datagram to whoever has its destination, by the way of any gateway.
    func inject(_ name: String, _ datagram: WireDatagram) {
        coverage.count("attack", name)
        guard let target = internet.owner(of: datagram.destination.address) else { return }
        var datagram = datagram
        datagram.number = nextDatagramNumber()
        trace.note(at: now) { "attack on g\(target): \(name)" }
        let delay = attackers.dice.span(milliseconds: 1...200)
        schedule(.arrival(datagram), at: now + delay)
    }

    private func elsewhere(_ datagram: WireDatagram) -> WireDatagram {
        var result = datagram
        result.source = stray(datagram.source)
        return result
    }

    /// Another endpoint of the same IP version, which nobody has.
    func stray(_ endpoint: Endpoint) -> Endpoint {
        let number = attackers.dice.within(1...250)
        let text =
            endpoint.address.version == .v4 ? "198.51.100.\(number)" : "2001:db8:bad::\(number)"
        return Endpoint(address: IPAddress(text)!, port: endpoint.port)
    }

    private func reflected(_ datagram: WireDatagram) -> WireDatagram {
        var result = datagram
        result.source = datagram.destination
        result.destination = datagram.source
        return result
    }

    private func damaged(_ datagram: WireDatagram) -> WireDatagram {
        var result = datagram
        result.bytes = attackers.damaged(datagram.bytes)
        checks.redirects.damaged(datagram, to: result)
        return result
    }

    /// An unprotected message within a conversation that was overheard.
    private func forge(_ datagram: WireDatagram) {
        guard let message = datagram.ikeMessage,
            var header = try? WireHeader(reading: message).header
        else { return }
        let errors: [NotifyType] = [
            .noProposalChosen, .authenticationFailed, .invalidIKESPI, .invalidSyntax,
            .temporaryFailure, .cookie, .invalidKEPayload, .invalidMajorVersion, .tsUnacceptable,
        ]
        header.isResponse =
            attackers.dice.chance(perMille: 600) ? !header.isResponse : header.isResponse
        header.isFromOriginalInitiator =
            header.isResponse == ((try? WireHeader(reading: message))?.header.isResponse ?? false)
            ? header.isFromOriginalInitiator : !header.isFromOriginalInitiator
        if attackers.dice.chance(perMille: 300) {
            header.exchangeType = attackers.dice.pick([
                .ikeSAInit, .ikeAuth, .createChildSA, .informational,
            ])
        }
        if attackers.dice.chance(perMille: 300) {
            header.messageID &+= UInt32(attackers.dice.below(3))
        }
        var payloads: [Payload] = [.notify(NotifyPayload(attackers.dice.pick(errors)))]
        if attackers.dice.chance(perMille: 200) { payloads = [.delete(.ikeSA)] }
        let forged = IKEMessage.serialise(header, payloads: payloads)
        var result = attackers.dice.chance(perMille: 500) ? reflected(datagram) : datagram
        let hasMarker = datagram.bytes.count != message.count
        result.bytes = hasMarker ? IKEPorts.marker + forged : forged
        inject("forgery", result)
    }

    /// First requests of many who are not there.
    private func flood(_ datagram: WireDatagram) {
        guard let message = datagram.ikeMessage,
            let header = try? WireHeader(reading: message).header,
            header.exchangeType == .ikeSAInit, !header.isResponse
        else { return }
        for _ in 0..<attackers.dice.within(10...80) {
            var copy = datagram
            copy.source = stray(datagram.source)
            let start = datagram.bytes.count - message.count
            for place in 0..<8 {
                copy.bytes[start + place] = UInt8(truncatingIfNeeded: attackers.dice.next())
            }
            inject("flood", copy)
        }
    }
}
