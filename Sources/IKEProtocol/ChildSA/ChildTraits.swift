internal import IKEMessages
package import IPsecPrimitives

/// How an SA carries packets (RFC 4301 §4.1).
package enum ChildMode: Hashable, Sendable {
    case tunnel
    /// Between the two gateways themselves.
    case transport
}

/// The addresses of a transport-mode SA as the peer knows them, where a NAT changes them: the
/// original ones, for the checksums of TCP and UDP (RFC 7296 §2.23.1, RFC 3948 §3.1.2).
package struct OriginalAddresses: Hashable, Sendable {
    /// Ours.
    package var local: IPAddress
    /// The peer's.
    package var remote: IPAddress

    package init(local: IPAddress, remote: IPAddress) {
        self.local = local
        self.remote = remote
    }
}

/// The compression that an SA may use (RFC 7296 §2.22, RFC 3173).
package struct CompressionAssociation: Hashable, Sendable {
    /// Number of the algorithm (IANA "IKEv2 IPComp Transform IDs").
    package var transform: UInt8
    /// Packets to us carry this CPI, which we chose.
    package var inboundCPI: UInt16
    /// Packets from us carry this one.
    package var outboundCPI: UInt16

    package init(transform: UInt8, inboundCPI: UInt16, outboundCPI: UInt16) {
        self.transform = transform
        self.inboundCPI = inboundCPI
        self.outboundCPI = outboundCPI
    }
}

/// What the notifies beside an SA payload make of a Child SA (RFC 7296 §1.3.1).
struct ChildTraits: Hashable {
    var mode = ChildMode.tunnel
    /// Set in transport mode behind a NAT.
    var original: OriginalAddresses?
    var compression: CompressionAssociation?
    /// The peer takes packets with padding for traffic flow confidentiality.
    var peerAcceptsPadding = true
    /// Both ends send later fragments by this SA, whose ports cannot be seen (RFC 4301 §7).
    var carriesLaterFragments = false
    /// Set where both ends keep several SAs of the same selectors (RFC 9611).
    var resource: ChildResource?
    /// Which packets this end sends by it, by their DSCP, where there are several of the same
    /// selectors (RFC 4301 §4.1); empty: those that have none of their own.
    var codePoints = CodePointSet()
    /// What the peer would send by it, where the peer has asked for it beside another of the same
    /// selectors. So that it counts as one more, whatever this end makes of that.
    var peerCodePoints: CodePointSet?
    /// Set where packets go in AGGFRAG payloads (RFC 9347).
    var aggregation: Aggregation?
    /// This end would pad packets, and the peer does not take it.
    var isPaddingRefused = false

    /// For people; what is ordinary is left out.
    var words: [String] {
        var words: [String] = []
        if mode == .transport { words.append("transport mode") }
        if let compression {
            let transform = CompressionTransform(rawValue: compression.transform)
            words.append("IPComp \(transform)")
        }
        if carriesLaterFragments { words.append("later fragments too") }
        if aggregation != nil { words.append("IP-TFS") }
        if isPaddingRefused { words.append("padding refused by the peer") }
        if let resource { words.append("resource \(resource.slot)") }
        if !codePoints.isEmpty { words.append("DSCP \(codePoints)") }
        return words
    }
}

/// The place of a Child SA among those of the same selectors (RFC 9611).
package struct ChildResource: Hashable, Sendable {
    /// Ours: 0 is the fallback, which any packet may take.
    package var slot: Int
    /// What the peer says of its own resource, which means nothing to us.
    package var peerData: [UInt8]

    package var isFallback: Bool { slot == 0 }
}

// MARK: - What we ask for

/// The notifies of an offer, and what must be remembered for its answer.
struct TraitsOffer {
    /// A CPI for each algorithm that we offer.
    var compression: [(transform: UInt8, cpi: UInt16)] = []
    var resourceSlot: Int?
    /// Of the packets that this end will send by it; named to the peer where nothing is replaced.
    var codePoints = CodePointSet()
    var namesCodePoints = false
}

extension IKEEngine {
    /// RFC 3173 §2: what is negotiated lies in this range.
    private static let cpis: ClosedRange<UInt16> = 256...61_439

    func traitsOffer(
        _ policy: ChildPolicy,
        _ initiation: IKEEvent.Initiation,
        replaces old: ChildSA?,
        of sa: IKESA
    ) -> TraitsOffer {
        var offer = TraitsOffer()
        for transform in policy.compression {
            offer.compression.append((transform, freshCPI(of: sa, except: offer.compression)))
        }
        // RFC 9611: the group is not named again in a rekeying; of one that was alone, it is new.
        if policy.resources > 1, old?.traits.resource == nil {
            offer.resourceSlot = initiation.resource ?? 0
        }
        if let old {
            offer.codePoints = policy.codePoints(insteadOf: old.traits.codePoints)
        } else if let wanted = initiation.codePoints {
            offer.codePoints = wanted
            offer.namesCodePoints = !wanted.isEmpty
        }
        return offer
    }

    private func freshCPI(
        of sa: IKESA,
        except offered: [(transform: UInt8, cpi: UInt16)] = []
    ) -> UInt16 {
        let range = IKEEngine.cpis
        while true {
            let cpi = range.lowerBound + UInt16(random.next32() % UInt32(range.count))
            let isTaken =
                offered.contains { $0.cpi == cpi }
                || sa.established?.children.values.contains {
                    $0.traits.compression?.inboundCPI == cpi
                } ?? false
            if !isTaken { return cpi }
        }
    }

    /// The traits of our answer to an offer of the peer, and the notifies that say so.
    func answerTraits(
        _ content: MessageContent,
        _ policy: ChildPolicy,
        _ mode: ChildMode,
        original: OriginalAddresses?,
        replacing old: ChildSA?,
        of sa: IKESA,
        _ state: Established
    ) throws(ChildRefusal) -> (ChildTraits, [NotifyPayload]) {
        var traits = ChildTraits(mode: mode, original: original)
        var notifies: [NotifyPayload] = []
        if mode == .transport { notifies.append(NotifyPayload(.useTransportMode)) }
        traits.peerAcceptsPadding = content.notify(.espTFCPaddingNotSupported) == nil
        traits.isPaddingRefused = policy.padsOutbound && !traits.peerAcceptsPadding
        if !policy.acceptsPadding { notifies.append(NotifyPayload(.espTFCPaddingNotSupported)) }
        traits.aggregation = try policy.answeredAggregation(content, mode)
        if traits.aggregation != nil { notifies.append(.useAggregation) }
        if policy.carriesLaterFragments, content.notify(.nonFirstFragmentsAlso) != nil {
            traits.carriesLaterFragments = true
            notifies.append(NotifyPayload(.nonFirstFragmentsAlso))
        }
        let offered = content.compressionOffers
        let wanted = policy.compression.compactMap { transform in
            offered.first { $0.transform == transform }
        }
        if let theirs = wanted.first {
            let own = freshCPI(of: sa)
            traits.compression = CompressionAssociation(
                transform: theirs.transform,
                inboundCPI: own,
                outboundCPI: theirs.cpi
            )
            notifies.append(NotifyPayload(compression: theirs.transform, cpi: own))
        }
        if let old {
            traits.resource = old.traits.resource
            traits.codePoints = policy.codePoints(insteadOf: old.traits.codePoints)
            traits.peerCodePoints = old.traits.peerCodePoints
        } else if let named = content.codePoints {
            traits.peerCodePoints = named
            traits.codePoints = policy.codePoints(insteadOf: named)
            if !traits.codePoints.isEmpty { notifies.append(NotifyPayload(traits.codePoints)) }
        }
        if traits.resource == nil, content.codePoints == nil, policy.resources > 1,
            let notify = content.notify(.saResourceInfo),
            // One that was alone stays so where there are enough: to refuse it would end it.
            let slot = old == nil ? try freeSlot(policy, state) : try? freeSlot(policy, state)
        {
            let resource = ChildResource(slot: slot, peerData: notify.data)
            traits.resource = resource
            notifies.append(NotifyPayload(.saResourceInfo, data: resource.ownData))
        }
        return (traits, notifies)
    }

    /// RFC 9611: TS_MAX_QUEUE when there are as many of these selectors as this end wants.
    private func freeSlot(
        _ policy: ChildPolicy,
        _ state: Established
    ) throws(ChildRefusal) -> Int {
        let taken = Set(
            state.children.values.filter {
                $0.policy.name == policy.name && $0.stage == .current
            }
            .compactMap(\.traits.resource?.slot)
        )
        guard let slot = (0..<policy.resources).first(where: { !taken.contains($0) }) else {
            throw ChildRefusal(
                .tsMaxQueue,
                NegotiationFailure(
                    subject: .resources,
                    explanation: "Child \(policy.name) has its \(policy.resources) Child SAs, and "
                        + "the peer asks for one more.",
                    source: policy.source,
                    remedy: "None is needed, or raise resources at \(policy.source)."
                )
            )
        }
        return slot
    }
}

extension ChildPolicy {
    func notifies(_ offer: TraitsOffer) -> [NotifyPayload] {
        var notifies = offer.compression.map {
            NotifyPayload(compression: $0.transform, cpi: $0.cpi)
        }
        if self.mode == .transport { notifies.append(NotifyPayload(.useTransportMode)) }
        if !self.acceptsPadding { notifies.append(NotifyPayload(.espTFCPaddingNotSupported)) }
        if self.aggregation != nil { notifies.append(.useAggregation) }
        if self.carriesLaterFragments { notifies.append(NotifyPayload(.nonFirstFragmentsAlso)) }
        if offer.namesCodePoints { notifies.append(NotifyPayload(offer.codePoints)) }
        if let slot = offer.resourceSlot {
            notifies.append(
                NotifyPayload(
                    .saResourceInfo,
                    data: ChildResource(slot: slot, peerData: []).ownData
                )
            )
        }
        return notifies
    }

    /// What the peer's answer makes of our offer; nil when it agrees to what was not offered.
    func traits(
        answered content: MessageContent,
        to offer: TraitsOffer,
        mode: ChildMode,
        replacing old: ChildSA?
    ) throws(NegotiationFailure) -> ChildTraits? {
        var traits = ChildTraits(mode: mode)
        traits.peerAcceptsPadding = content.notify(.espTFCPaddingNotSupported) == nil
        traits.isPaddingRefused = self.padsOutbound && !traits.peerAcceptsPadding
        traits.aggregation = try agreedAggregation(content)
        if content.notify(.nonFirstFragmentsAlso) != nil {
            guard self.carriesLaterFragments else { return nil }
            traits.carriesLaterFragments = true
        }
        let answers = content.compressionOffers
        // RFC 7296 §2.22: "MUST NOT accept more than one", and none that was not proposed.
        guard answers.count <= 1 else { return nil }
        if let answer = answers.first {
            guard let own = offer.compression.first(where: { $0.transform == answer.transform })
            else { return nil }
            traits.compression = CompressionAssociation(
                transform: answer.transform,
                inboundCPI: own.cpi,
                outboundCPI: answer.cpi
            )
        }
        traits.resource = old?.traits.resource
        traits.codePoints = offer.codePoints
        traits.peerCodePoints = old?.traits.peerCodePoints
        if let slot = offer.resourceSlot, let notify = content.notify(.saResourceInfo) {
            traits.resource = ChildResource(slot: slot, peerData: notify.data)
        }
        return traits
    }
}

extension ChildResource {
    /// RFC 9611: nothing for the fallback, else an identifier that is ours to choose.
    fileprivate var ownData: [UInt8] { isFallback ? [] : SPI(rawValue: UInt32(slot)).bytes }
}

// MARK: - IPCOMP_SUPPORTED

extension NotifyPayload {
    fileprivate init(compression transform: UInt8, cpi: UInt16) {
        self.init(.ipcompSupported, data: [UInt8(cpi >> 8), UInt8(cpi & 255), transform])
    }
}

extension MessageContent {
    /// Those that can be read; attributes behind an algorithm are none that we know.
    fileprivate var compressionOffers: [(transform: UInt8, cpi: UInt16)] {
        notifies.compactMap { notify in
            guard notify.type == .ipcompSupported, notify.data.count >= 3 else { return nil }
            return (notify.data[2], UInt16(notify.data[0]) << 8 | UInt16(notify.data[1]))
        }
    }
}
