internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives

// Another gateway, where the peer sends us (RFC 5685).
extension ConnectionController {
    /// A gateway that waits to be tried until the local address towards it is known.
    struct PendingRedirection {
        let redirection: Redirection
        let remote: IPAddress
    }

    func follow(
        _ redirection: Redirection,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let connection = configuration.connection(named: redirection.connection),
            !isShuttingDown
        else { return }
        switch redirection.target {
        case .address(let remote):
            go(redirection, to: remote, connection, at: now, into: &effects)
        case .name(let host):
            namedRedirections[host, default: []].append(redirection)
            if names.ask(host) { effects.append(.resolve(name: host)) }
        }
    }

    /// Whether a connection goes on elsewhere as soon as the way there is known.
    func isRedirected(_ name: String) -> Bool {
        redirections.contains { $0.redirection.connection == name }
            || namedRedirections.values.contains { $0.contains { $0.connection == name } }
    }

    /// What the name of a gateway means that peers were sent to.
    func redirectionResolved(
        _ host: String,
        _ addresses: [IPAddress],
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let waiting = namedRedirections.removeValue(forKey: host) else { return }
        if connectionsOfName[host] == nil { names.forget(host) }
        for redirection in waiting {
            guard let connection = configuration.connection(named: redirection.connection) else {
                continue
            }
            let version = connection.localAddress.value?.version
            guard let remote = addresses.first(where: { version == nil || $0.version == version })
            else {
                redirectionFailed(
                    redirection,
                    NegotiationFailure(
                        subject: .connection,
                        explanation: "the peer sends \(redirection.connection) to \(host), a name "
                            + "without a usable address",
                        source: connection.location.description,
                        remedy: "see what the DNS says of \(host), or write "
                            + "`follow-redirects: false`"
                    ),
                    at: now,
                    into: &effects
                )
                continue
            }
            go(redirection, to: remote, connection, at: now, into: &effects)
        }
    }

    private func go(
        _ redirection: Redirection,
        to remote: IPAddress,
        _ connection: ConnectionConfiguration,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        if let local = connection.localAddress.value {
            return begin(redirection, at: remote, from: local, at: now, into: &effects)
        }
        redirections.append(PendingRedirection(redirection: redirection, remote: remote))
        effects.append(.findRoute(remote: remote))
    }

    /// The local address towards a gateway that peers were sent to.
    func redirectionRouteFound(
        to remote: IPAddress,
        _ local: IPAddress?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let waiting = redirections.filter { $0.remote == remote }
        redirections.removeAll { $0.remote == remote }
        for pending in waiting {
            guard let local else {
                redirectionFailed(
                    pending.redirection,
                    NegotiationFailure(
                        subject: .connection,
                        explanation: "the peer sends \(pending.redirection.connection) to "
                            + "\(remote), where no route leads",
                        remedy: "add a route to it, or write `follow-redirects: false`"
                    ),
                    at: now,
                    into: &effects
                )
                continue
            }
            begin(pending.redirection, at: remote, from: local, at: now, into: &effects)
        }
    }

    private func begin(
        _ redirection: Redirection,
        at remote: IPAddress,
        from local: IPAddress,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard !isShuttingDown else { return }
        for child in redirection.children where !isHeldDown(child, of: redirection) {
            var wish = IKEEvent.Initiation(
                connection: redirection.connection,
                child: child,
                localAddress: local,
                remoteAddress: remote
            )
            wish.redirectedFrom = redirection.from
            absorb(engine.handle(.initiate(wish), at: now), at: now, into: &effects)
        }
    }

    /// Whether a tunnel was ended by hand while the way to another gateway was looked for.
    private func isHeldDown(_ child: String?, of redirection: Redirection) -> Bool {
        guard let child else { return false }
        let path = TunnelPath(connection: redirection.connection, tunnel: child)
        return tunnels[path]?.isHeldDown ?? false
    }

    private func redirectionFailed(
        _ redirection: Redirection,
        _ failure: NegotiationFailure,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        for child in redirection.children {
            let report = IKEReport(
                connection: redirection.connection,
                child: child,
                event: .initiationFailed(failure)
            )
            handle(report, at: now, into: &effects)
        }
    }
}
