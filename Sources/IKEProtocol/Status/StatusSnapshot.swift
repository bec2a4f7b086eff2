internal import IKECredentials
package import IPsecPrimitives

extension IKEEngine {
    /// A picture of all SAs, the oldest first.
    package func status(at now: Instant) -> EngineStatus {
        EngineStatus(
            ikeSAs: sas.all().compactMap { $0.status(at: now) },
            halfOpenSAs: sas.halfOpenCount,
            counters: counters
        )
    }

    /// How many IKE SAs `status` would show, and how many of all are half-open.
    package var saCounts: (shown: Int, halfOpen: Int) {
        (sas.countOfLiving, sas.halfOpenCount)
    }

    /// The SPIs of the IKE SA that a Child SA belongs to; nil when there is no such Child SA.
    package func ikeSA(ofChild inboundSPI: SPI) -> (initiator: IKESPI, responder: IKESPI)? {
        guard let sa = sas.owner(ofChild: inboundSPI), let state = sa.established,
            state.children.values.contains(where: { $0.inboundSPI == inboundSPI })
        else { return nil }
        return (sa.initiatorSPI, sa.responderSPI)
    }
}

extension IKESA {
    /// Nil for an SA that is over.
    fileprivate func status(at now: Instant) -> IKESAStatus? {
        let stage: IKESAStatus.Stage
        switch state {
        case .initiating, .exchangingKeys, .authenticating, .halfOpen:
            stage = .connecting
        case .established(let state):
            stage = state.isReplaced ? .closing : isRekeying ? .rekeying : .established
        case .closing: stage = .closing
        case .closed: return nil
        }
        let established = established
        let children = (established?.children.values).map(Array.init) ?? []
        return IKESAStatus(
            connection: connection.name,
            stage: stage,
            isInitiator: isOriginalInitiator,
            initiatorSPI: initiatorSPI,
            responderSPI: responderSPI,
            local: path.local,
            remote: path.remote,
            transport: path.transport,
            localIdentity: connection.localIdentity.description,
            remoteIdentity: established?.remoteIdentity.description,
            suite: keys?.suite.description,
            usesPPK: usesPPK,
            fragmentSize: agreed.contains(.fragmentation) ? fragmentThreshold : nil,
            extensions: extensionWords,
            window: requests.size,
            isLocalBehindNAT: nat.isLocalTranslated,
            isRemoteBehindNAT: nat.isRemoteTranslated,
            age: now - (established?.establishedAt ?? createdAt),
            isResumed: established?.isResumed ?? false,
            rekeyIn: established?.rekeyAt.map { $0 - now },
            children: children.sorted {
                ($0.createdAt, $0.inboundSPI) < ($1.createdAt, $1.inboundSPI)
            }
            .map { $0.status(at: now) }
        )
    }
}

extension IKESA {
    /// The words of the status schema for what the two ends have agreed on.
    fileprivate var extensionWords: [String] {
        var words: [String] = []
        if agreed.contains(.fragmentation) { words.append("fragmentation") }
        if agreed.contains(.intermediate) { words.append("intermediate") }
        if agreed.contains(.fullTranscript) { words.append("downgrade-prevention") }
        if agreed.contains(.childless) { words.append("childless") }
        if agreed.contains(.ppk) { words.append("ppk") }
        if mobility != nil { words.append("mobike") }
        if supportsRedirect { words.append("redirect") }
        if peerCrashToken != nil { words.append("crash-detection") }
        return words
    }
}

extension ChildSA {
    fileprivate func status(at now: Instant) -> ChildSAStatus {
        ChildSAStatus(
            child: policy.name,
            inboundSPI: inboundSPI,
            outboundSPI: outboundSPI,
            suite: suite.description,
            localSelectors: selectors.local,
            remoteSelectors: selectors.remote,
            isEncapsulated: isEncapsulated,
            traits: (suite.securityProtocol == .ah ? ["AH"] : []) + traits.words,
            age: now - createdAt,
            rekeyIn: rekeyAt.map { $0 - now },
            isReplaced: stage != .current
        )
    }
}
