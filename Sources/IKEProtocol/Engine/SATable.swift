internal import IKECredentials
internal import IPsecPrimitives

/// Every IKE SA, and the ways to find one; each costs the same however many there are.
///
/// A class, so that a look-up copies none of its tables.
final class SATable {
    private struct Peer: Hashable {
        let local: Identity
        /// Nil: whichever.
        let remote: Identity?
        /// Kept: a table that grows asks for it again.
        private let digest: Int

        init(local: Identity, remote: Identity?) {
            self.local = local
            self.remote = remote
            var hasher = Hasher()
            hasher.combine(local)
            hasher.combine(remote)
            digest = hasher.finalize()
        }

        func hash(into hasher: inout Hasher) { hasher.combine(digest) }
    }

    /// The established SAs between two identities. A class that each of them holds as well: the
    /// table is searched by identities, which are long, once in a handshake and not six times.
    final class PeerSAs {
        fileprivate var spis: SmallSet<IKESPI> = []
    }

    private var byLocalSPI: [IKESPI: IKESA] = [:]
    private var byConnection: [String: SmallSet<IKESPI>] = [:]
    private var byPeer: [Peer: PeerSAs] = [:]
    /// Those that this end has begun and that are not established yet, by connection: few, however
    /// many peers a connection has.
    private var beginnings: [String: SmallSet<IKESPI>] = [:]
    /// The same by the identities that are to be proven in them.
    private var beginningsWithPeer: [Peer: SmallSet<IKESPI>] = [:]
    private struct FirstRequest {
        let spi: IKESPI
        let solvedCookie: [UInt8]?
        /// Something has come for the half-open SA that was not authentic.
        var isSpoilt = false
    }

    private var byFirstRequest: [HalfOpenKey: FirstRequest] = [:]
    private(set) var halfOpen = HalfOpenCounts()
    /// Cookies whose puzzles were solved for a half-open SA that is there.
    private var spentCookies: Set<[UInt8]> = []
    private var byInboundSPI: [SPI: IKESPI] = [:]
    private(set) var halfOpenCount = 0
    /// Half-open SAs for which something came that was not authentic.
    private(set) var spoiltCount = 0

    /// SPIs that this end has offered for IKE SAs that are to replace others.
    private var offered: Set<IKESPI> = []
    /// By the peer's address, for what comes from there and names no IKE SA.
    private var byRemoteAddress: [IPAddress: SmallSet<IKESPI>] = [:]
    /// IKE SAs that go by a TCP connection or keep it.
    private var byStream: [IKEPath: SmallSet<IKESPI>] = [:]

    subscript(spi: IKESPI) -> IKESA? { byLocalSPI[spi] }

    /// Whether `spi` is of an SA of ours that the peer may know already, and we do not: its answer
    /// to our rekey may be lost, or overtaken by a request in the new SA.
    func isOffered(_ spi: IKESPI) -> Bool { offered.contains(spi) }

    /// `spi` stays known until another is offered, or `sa` goes.
    func offer(_ spi: IKESPI, replacing sa: IKESA) {
        withdrawOffer(of: sa)
        sa.offeredSPI = spi
        offered.insert(spi)
    }

    private func withdrawOffer(of sa: IKESA) {
        if let spi = sa.offeredSPI { offered.remove(spi) }
        sa.offeredSPI = nil
    }

    var count: Int { byLocalSPI.count }

    var isIdle: Bool {
        byLocalSPI.values.allSatisfy { sa in
            if case .closed = sa.state { true } else { false }
        }
    }

    /// All but those that are over.
    var countOfLiving: Int {
        byLocalSPI.values.count { sa in
            if case .closed = sa.state { false } else { true }
        }
    }

    /// All of them, in an order that does not depend on hashing.
    func all() -> [IKESA] { ordered(byLocalSPI.values) }

    func ofConnection(_ name: String) -> [IKESA] {
        ordered((byConnection[name] ?? []).compactMap { byLocalSPI[$0] })
    }

    /// Established SAs between two identities.
    func between(local: Identity, remote: Identity) -> [IKESA] {
        guard let sas = byPeer[Peer(local: local, remote: remote)] else { return [] }
        return ordered(sas.spis.compactMap { byLocalSPI[$0] })
    }

    /// Established SAs between the identities of one that is established, but for itself.
    func others(than sa: IKESA, _ state: Established) -> [IKESA] {
        guard let sas = state.peerSAs else {
            return between(local: state.localIdentity, remote: state.remoteIdentity)
                .filter { $0 !== sa }
        }
        if sas.spis.isNothing(but: sa.localSPI) { return [] }
        return ordered(sas.spis.compactMap { $0 == sa.localSPI ? nil : byLocalSPI[$0] })
    }

    func insert(_ sa: IKESA) {
        byLocalSPI[sa.localSPI] = sa
        byRemoteAddress[sa.path.remote.address, default: []].insert(sa.localSPI)
        joinStream(sa.path, sa)
        byConnection[sa.connection.name, default: []].insert(sa.localSPI)
        switch sa.state {
        case .initiating:
            beginnings[sa.connection.name, default: []].insert(sa.localSPI)
            beginningsWithPeer[SATable.expectedPeer(of: sa), default: []].insert(sa.localSPI)
        case .exchangingKeys, .authenticating, .halfOpen, .established, .closing, .closed: break
        }
    }

    /// Those of a connection that this end has begun and that are not established.
    func begun(for name: String) -> [IKESA] {
        ordered((beginnings[name] ?? []).compactMap { byLocalSPI[$0] })
    }

    /// Whether this end is making another IKE SA, which somebody has answered, that is or may be with
    /// the same peer.
    func isBeginning(besides sa: IKESA, local: Identity, remote: Identity) -> Bool {
        [remote, nil].contains { remote in
            (beginningsWithPeer[Peer(local: local, remote: remote)] ?? []).contains { spi in
                guard spi != sa.localSPI, let other = byLocalSPI[spi] else { return false }
                return switch other.state {
                // One that nobody has answered yet may be for a peer that is not there, and claims
                // nothing itself while this one is being proven.
                case .exchangingKeys, .authenticating: true
                case .initiating, .halfOpen, .established, .closing, .closed: false
                }
            }
        }
    }

    private func forgetBeginning(_ sa: IKESA) {
        // Whoever answers has begun nothing.
        guard sa.isOriginalInitiator else { return }
        SATable.remove(sa, from: &beginnings, sa.connection.name)
        SATable.remove(sa, from: &beginningsWithPeer, SATable.expectedPeer(of: sa))
    }

    private static func expectedPeer(of sa: IKESA) -> Peer {
        Peer(local: sa.connection.localIdentity, remote: sa.connection.remoteIdentity.only)
    }

    /// With one search: the key may be long.
    private static func remove<Key>(
        _ sa: IKESA,
        from table: inout [Key: SmallSet<IKESPI>],
        _ key: Key
    ) {
        guard let place = table.index(forKey: key) else { return }
        table.values[place].remove(sa.localSPI)
        if table.values[place].isEmpty { table.remove(at: place) }
    }

    /// Forgets an SA and everything that leads to it.
    func remove(_ sa: IKESA) {
        if case .halfOpen(let state) = sa.state { forgetHalfOpen(state.key) }
        if let key = sa.refusedKey { forgetHalfOpen(key) }
        for spi in sa.inboundSPIs { byInboundSPI[spi] = nil }
        sa.inboundSPIs = []
        withdrawOffer(of: sa)
        forgetPeer(of: sa)
        forgetBeginning(sa)
        forgetRemoteAddress(of: sa)
        leaveStreams(sa)
        SATable.remove(sa, from: &byConnection, sa.connection.name)
        byLocalSPI[sa.localSPI] = nil
    }

    func assign(_ connection: IKEConnection, to sa: IKESA) {
        guard connection.name != sa.connection.name else {
            sa.connection = connection
            return
        }
        SATable.remove(sa, from: &byConnection, sa.connection.name)
        sa.connection = connection
        byConnection[connection.name, default: []].insert(sa.localSPI)
    }

    // MARK: Half-open

    func halfOpen(_ key: HalfOpenKey) -> IKESA? {
        byFirstRequest[key].flatMap { byLocalSPI[$0.spi] }
    }

    func isSpent(_ cookie: [UInt8]) -> Bool { spentCookies.contains(cookie) }

    func rememberHalfOpen(_ key: HalfOpenKey, _ sa: IKESA, solvedCookie: [UInt8]?) {
        byFirstRequest[key] = FirstRequest(spi: sa.localSPI, solvedCookie: solvedCookie)
        if let address = IPAddress(bytes: key.address) { halfOpen.add(address) }
        if let solvedCookie { spentCookies.insert(solvedCookie) }
        halfOpenCount += 1
    }

    func forgetHalfOpen(_ key: HalfOpenKey) {
        guard let request = byFirstRequest.removeValue(forKey: key) else { return }
        halfOpenCount -= 1
        if request.isSpoilt { spoiltCount -= 1 }
        if let address = IPAddress(bytes: key.address) { halfOpen.remove(address) }
        if let cookie = request.solvedCookie { spentCookies.remove(cookie) }
    }

    func markSpoilt(_ key: HalfOpenKey) {
        guard byFirstRequest[key]?.isSpoilt == false else { return }
        byFirstRequest[key]?.isSpoilt = true
        spoiltCount += 1
    }

    // MARK: Peers

    func rememberPeer(of sa: IKESA, _ state: Established) {
        forgetBeginning(sa)
        let peer = Peer(local: state.localIdentity, remote: state.remoteIdentity)
        let sas = state.peerSAs ?? SATable.present(in: &byPeer[peer])
        sas.spis.insert(sa.localSPI)
        state.peerSAs = sas
    }

    private static func present(in place: inout PeerSAs?) -> PeerSAs {
        if let place { return place }
        let sas = PeerSAs()
        place = sas
        return sas
    }

    func forgetPeer(of sa: IKESA) {
        guard let state = sa.established, let sas = state.peerSAs else { return }
        state.peerSAs = nil
        sas.spis.remove(sa.localSPI)
        if sas.spis.isEmpty {
            byPeer[Peer(local: state.localIdentity, remote: state.remoteIdentity)] = nil
        }
    }

    /// The newest established IKE SA that is in use with a peer: at `remote`, or, where the packet
    /// has no port (ESP that is not in UDP), at its address.
    func current(with remote: Endpoint) -> IKESA? {
        let there = (byRemoteAddress[remote.address] ?? []).compactMap { byLocalSPI[$0] }
            .filter { sa in
                sa.established?.standing == .current
                    && (remote.port == 0 || sa.path.remote.port == remote.port)
            }
        return ordered(there).last
    }

    private func forgetRemoteAddress(of sa: IKESA) {
        SATable.remove(sa, from: &byRemoteAddress, sa.path.remote.address)
    }

    // MARK: Streams

    /// IKE SAs of one TCP connection, the oldest first.
    func onStream(_ path: IKEPath) -> [IKESA] {
        ordered((byStream[path] ?? []).compactMap { byLocalSPI[$0] })
    }

    var streamsInUse: Set<StreamEnds> {
        Set(byStream.keys.map { StreamEnds(local: $0.local, remote: $0.remote) })
    }

    func move(_ sa: IKESA, to path: IKEPath) {
        let former = sa.path
        guard byLocalSPI[sa.localSPI] != nil else {
            sa.path = path
            return
        }
        if former.remote.address != path.remote.address {
            forgetRemoteAddress(of: sa)
            byRemoteAddress[path.remote.address, default: []].insert(sa.localSPI)
        }
        sa.path = path
        if former != sa.stream?.standby { leaveStream(former, sa) }
        joinStream(path, sa)
    }

    /// - Returns: the one that stood by before.
    func setStandby(_ path: IKEPath?, of sa: IKESA) -> IKEPath? {
        let former = sa.stream?.standby
        guard former != path else { return nil }
        sa.streamUse.standby = path
        // Those that remember the same as this one, too.
        if let former {
            for other in onStream(former) where other.path != former { leaveStream(former, other) }
        }
        if let path { joinStream(path, sa) }
        return former
    }

    /// An IKE SA shares what its predecessor remembers of connections.
    func keepStandby(of sa: IKESA) {
        if let standby = sa.stream?.standby { joinStream(standby, sa) }
    }

    /// - Returns: those that it was on.
    @discardableResult
    func leaveStreams(_ sa: IKESA) -> [IKEPath] {
        let paths = [sa.path, sa.stream?.standby].compactMap(\.self).filter {
            byStream[$0]?.contains(sa.localSPI) == true
        }
        for path in paths { leaveStream(path, sa) }
        return paths
    }

    private func joinStream(_ path: IKEPath, _ sa: IKESA) {
        guard path.transport == .tcp, path.local.port != 0 else { return }
        byStream[path, default: []].insert(sa.localSPI)
    }

    private func leaveStream(_ path: IKEPath, _ sa: IKESA) {
        guard path.transport == .tcp else { return }
        SATable.remove(sa, from: &byStream, path)
    }

    // MARK: Children

    func owner(ofChild spi: SPI) -> IKESA? { byInboundSPI[spi].flatMap { byLocalSPI[$0] } }

    /// Whether no SA of ours is, or is about to be, known by `spi`.
    func isFree(_ spi: SPI) -> Bool { byInboundSPI[spi] == nil }

    func assignChild(_ spi: SPI, to sa: IKESA) {
        if let owner = byInboundSPI[spi] {
            if owner == sa.localSPI { return }
            byLocalSPI[owner]?.inboundSPIs.remove(spi)
        }
        byInboundSPI[spi] = sa.localSPI
        sa.inboundSPIs.insert(spi)
    }

    func releaseChild(_ spi: SPI) {
        guard let owner = byInboundSPI.removeValue(forKey: spi) else { return }
        byLocalSPI[owner]?.inboundSPIs.remove(spi)
    }

    func moveChildren(from old: IKESA, to new: IKESA) {
        for spi in old.inboundSPIs { assignChild(spi, to: new) }
    }

    /// SPIs that are in use or reserved.
    var reservedSPICount: Int { byInboundSPI.count }

    private func ordered(_ sas: some Sequence<IKESA>) -> [IKESA] {
        var row = Array(sas)
        guard row.count > 1 else { return row }
        row.sort {
            ($0.createdAt, $0.localSPI.rawValue) < ($1.createdAt, $1.localSPI.rawValue)
        }
        return row
    }
}
