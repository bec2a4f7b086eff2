internal import IPsecPrimitives

/// What a child of another IKE SA has to be, to do the same.
struct ChildKind: Hashable {
    let policy: String
    let codePoints: CodePointSet
    /// Of several of the same selectors (RFC 9611).
    let slot: Int?
    /// Where children of one policy are told apart by them.
    let selectors: TrafficSelectorPair?
}

extension IKESA {
    func kind(of child: ChildSA) -> ChildKind {
        let policy = child.policy
        return ChildKind(
            policy: policy.name,
            codePoints: child.traits.codePoints,
            slot: policy.resources > 1 ? child.traits.resource?.slot : nil,
            selectors: particularSelectors(of: child)
        )
    }

    /// Nil where whatever comes of the policy does as well.
    private func particularSelectors(of child: ChildSA) -> TrafficSelectorPair? {
        // Those of transport mode are the ends' own, and those of an address of the inside go by what
        // the next IKE SA is given.
        guard child.traits.mode == .tunnel, connection.request == nil,
            connection.assignment == nil
        else { return nil }
        let isWhole =
            child.policy.populated.isEmpty && !child.selectors.isBetweenTwoAddresses
            && child.selectors.covers(child.policy.selectors)
        return isWhole ? nil : child.selectors
    }

    /// The children that have to come along when another IKE SA takes the place of this one, one of a
    /// kind; the one that any packet may take goes first.
    func childrenToMove(_ state: Established) -> [ChildSA] {
        var kinds: Set<ChildKind> = []
        let children = state.orderedChildren.filter {
            $0.stage == .current && !isDeleting($0.inboundSPI)
                && kinds.insert(kind(of: $0)).inserted
        }
        return children.filter(\.isForAnyPacket) + children.filter { !$0.isForAnyPacket }
    }

    /// How to ask for a child like one of this IKE SA in another.
    func initiation(like child: ChildSA) -> IKEEvent.Initiation {
        let kind = kind(of: child)
        var initiation = IKEEvent.Initiation(
            connection: connection.name,
            child: kind.policy,
            resource: kind.slot
        )
        if !child.policy.codePointSets.isEmpty { initiation.codePoints = kind.codePoints }
        initiation.selectors = kind.selectors
        return initiation
    }
}

extension IKEEvent.Initiation {
    func kind(in connection: IKEConnection) -> ChildKind? {
        (child ?? connection.children.first?.name).map {
            ChildKind(
                policy: $0,
                codePoints: codePoints ?? CodePointSet(),
                slot: resource,
                selectors: selectors
            )
        }
    }

    /// Whether a child that this one brings does for another as well, as far as one can tell before.
    func does(for other: IKEEvent.Initiation, _ connection: IKEConnection) -> Bool {
        guard child == other.child, resource == other.resource || other.resource == nil,
            codePoints == other.codePoints || other.codePoints == nil,
            selectors == other.selectors || other.selectors == nil
        else { return false }
        let policy = connection.children.first { $0.name == child ?? $0.name }
        // Of such a policy, each child is for packets like the one that it was made for.
        return policy?.populated.isEmpty != false || packet == other.packet
            || other.packet == nil
    }
}

extension ChildSA {
    fileprivate var isForAnyPacket: Bool {
        traits.resource?.isFallback != false && traits.codePoints.isEmpty
    }
}
