internal import ConnectionControl
internal import IKEProtocol
internal import IPsecPrimitives

// Datagrams from gateway to gateway.
extension World {
    func send(_ datagram: IKEDatagram, of gateway: SimulatedGateway) {
        guard datagram.transport == .udp else {
            fail(checks.ikeSent(datagram.bytes, by: gateway, now, &coverage))
            return sendByStream(
                datagram.bytes,
                isMessage: true,
                StreamEnds(local: datagram.local, remote: datagram.remote),
                of: gateway
            )
        }
        let isTraversal = datagram.local.port == IKEPorts.natTraversal
        let wire = WireDatagram(
            carrier: .udp,
            source: datagram.local,
            destination: datagram.remote,
            bytes: isTraversal ? IKEPorts.marker + datagram.bytes : datagram.bytes
        )
        fail(checks.ikeSent(datagram.bytes, by: gateway, now, &coverage))
        checks.paths.sent(datagram.bytes, to: datagram.remote.address, by: gateway.index)
        launch(wire, of: gateway)
    }

    func sendESP(_ datagram: WireDatagram, of gateway: SimulatedGateway) {
        fail(checks.espSent(datagram, by: gateway.index, now))
        guard datagram.carrier != .tcp else {
            return sendByStream(
                datagram.bytes,
                isMessage: false,
                StreamEnds(local: datagram.source, remote: datagram.destination),
                of: gateway
            )
        }
        launch(datagram, of: gateway)
    }

    func launch(_ datagram: WireDatagram, of gateway: SimulatedGateway) {
        var datagram = datagram
        datagram.number = nextDatagramNumber()
        trace.sent(datagram, by: gateway.index, at: now)
        record(datagram, of: gateway)
        attackers.overhear(datagram, from: gateway.index)
        tellStrangers(datagram)
        forgeRedirect(datagram)
        let passage = internet.carry(datagram, from: gateway.index, at: now)
        for case let copy? in [passage.first, passage.second] {
            checks.redirects.damaged(datagram, to: copy.datagram)
            schedule(.arrival(copy.datagram), at: now + copy.delay)
        }
        if passage.isFragmentLost { coverage.count("network", "loses a fragment") }
        if let octets = passage.tooLongFor {
            let delay = dice.span(milliseconds: 1...50)
            schedule(
                .pathMTU(
                    gateway.index,
                    life: gateway.life,
                    remote: datagram.destination.address,
                    octets: octets
                ),
                at: now + delay
            )
        }
    }

    func arrive(_ datagram: WireDatagram) {
        guard let (index, inside) = internet.deliver(datagram, at: now) else { return }
        let gateway = gateways[index]
        guard let path = gateway.path else { return }
        trace.arrived(inside, at: index, now)
        if inside.carrier == .udp, inside.destination.port == IKEPorts.ike {
            return receive(inside.bytes, inside, at: index)
        }
        guard inside.carrier == .esp || inside.destination.port == IKEPorts.natTraversal else {
            return
        }
        let received = path.receive(inside, at: instant)
        for packet in received.packets { receiveInner(packet, at: index) }
        for message in received.ike { receive(message, inside, at: index) }
        postEvents(of: gateway)
    }

    private func receive(_ message: [UInt8], _ datagram: WireDatagram, at index: Int) {
        checks.ikeReceived(message, from: datagram.source, at: index, now)
        checks.paths.received(message, from: datagram.source.address, at: index, now)
        control(
            .datagram(
                IKEDatagram(
                    bytes: message,
                    local: datagram.destination,
                    remote: datagram.source
                )
            ),
            at: index
        )
        checks.tookIn()
    }
}
