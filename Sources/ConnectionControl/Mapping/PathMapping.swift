internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives

extension MobilityPolicy {
    /// Between two addresses that the configuration names, nothing can move.
    init(_ connection: ConnectionConfiguration) {
        let isOpen =
            connection.localAddress.value == nil || connection.onlyRemoteAddress == nil
        let isOffered =
            switch connection.paths.mobility.value {
            case .automatic: isOpen
            case .on: true
            case .off: false
            }
        self.init(
            isOffered: isOffered,
            acceptsAnyAddress: connection.paths.mobility.value == .on,
            additionalAddresses: connection.paths.additionalAddresses.value
        )
    }
}

extension RedirectPolicy {
    init(_ paths: PathConfiguration) {
        self.init(
            follows: paths.followsRedirects.value,
            target: paths.redirectTarget.value.map { target in
                switch target {
                case .address(let address): .address(address)
                case .name(let name): .name(name)
                }
            },
            moment: paths.redirectMoment.value == .first ? .first : .proven
        )
    }
}

extension TransportPolicy {
    init(_ paths: PathConfiguration) {
        let choice: Choice =
            switch paths.transport.value {
            case .automatic: .automatic
            case .udp: .udp
            case .tcp: .tcp
            }
        self.init(choice, port: paths.tcpPort.value, udpRetryInterval: paths.udpRetry.value)
    }
}
