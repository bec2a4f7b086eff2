internal import ConnectionControl
internal import DataPlane
internal import IPsecPrimitives
internal import LinuxIO
internal import Logging

// What becomes of the host's addresses and routes.
extension GatewayDaemon {
    /// A change comes in many messages: an address, its routes, those of others.
    private static let pause = Duration.milliseconds(200)

    func registerNetworkWatch() throws(SystemCallFailure) {
        try loop.add(networkWatch.number) { [unowned self] _ in
            // One that is set stays: a routing daemon may have news all the time.
            guard networkWatch.drain(), !networkPause.isArmed else { return }
            networkPause.arm(at: BootClock.now() + GatewayDaemon.pause)
        }
        try loop.add(networkPause.number) { [unowned self] _ in
            networkPause.acknowledge()
            names.followServers()
            followNetwork()
            // Routes of ours go with addresses and links, and by somebody's hand.
            doubtGuard(.routing)
            handle(.localAddressesChanged(localAddresses))
            lookForCircles()
        }
    }

    func keepHouse() {
        housekeeping.arm(at: BootClock.now() + GatewayDaemon.housekeepingInterval)
        keepGuard()
        claim?.answerQuestions()
        names.followServers()
        // Should a message of the kernel have been lost.
        if followNetwork() { handle(.localAddressesChanged(localAddresses)) }
        lookForCircles()
    }

    /// Local addresses that came or went change which one our own sockets should send from.
    ///
    /// - Returns: whether they are others than before.
    @discardableResult
    private func followNetwork() -> Bool {
        do throws(SystemCallFailure) {
            let addresses = try network.localAddresses()
            guard Set(addresses) != Set(localAddresses) else { return false }
            localAddresses = addresses
            plans = KernelPlans(configuration, localAddresses: addresses)
            dataPlane.post(.setErrorSource(addresses, for: configuration))
            logger.info("local addresses changed; routes to \(device.name) follow")
            // A guard that was lifted by hand took the routes with it.
            restoreRoutes()
            return true
        } catch {
            logger.warning("cannot follow the change of local addresses: \(error)")
            return false
        }
    }
}
