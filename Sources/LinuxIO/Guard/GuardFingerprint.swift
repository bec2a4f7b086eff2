internal import Glibc

/// What tells whether the guard's table is still the one that was set, at a price that does not grow
/// with its policies.
///
/// The kernel numbers tables and chains as they are made, and counts the rules in each: another table
/// of the same name, as a saved rule set brings it back, has other numbers, and one that was emptied
/// has other counts.
package struct GuardFingerprint: Hashable, Sendable {
    private let table: [UInt8]
    private let chains: [String: Chain]

    private struct Chain: Hashable {
        let message: [UInt8]
        /// Rules in it, and rules elsewhere that lead to it.
        let uses: UInt32
    }

    /// That of the table as the kernel has it; nil when there is none.
    package static func read() throws(SystemCallFailure) -> GuardFingerprint? {
        let socket = try NetlinkSocket(NetlinkConstant.netfilter)
        guard let table = try table(GuardPlan.tableName, socket) else { return nil }
        let messages = try socket.request(
            NetfilterMessage.getChain,
            flags: NetlinkConstant.dump,
            NetfilterMessage.inetFamily(),
            what: "nft list chains inet"
        )
        var chains: [String: Chain] = [:]
        for message in messages {
            let attributes = message.attributes(behind: NetfilterMessage.fixedLength)
            guard attributes.text(NetfilterMessage.chainTable) == GuardPlan.tableName,
                let name = attributes.text(NetfilterMessage.chainName)
            else { continue }
            let uses = attributes.number(NetfilterMessage.chainUses, as: UInt32.self)
            chains[name] = Chain(
                message: Array(message.body.dropFirst(NetfilterMessage.fixedLength)),
                uses: UInt32(bigEndian: uses ?? 0)
            )
        }
        return GuardFingerprint(table: table, chains: chains)
    }

    /// Whether the table can be the one that was made of `plan`, and of nothing besides: somebody may
    /// have changed it before it was looked at.
    package func fits(_ plan: GuardPlan) -> Bool { chains.mapValues(\.uses) == plan.chainUses() }

    /// Whether news of packet filters are of the guard's table, or of something in it.
    static func isNamed(in datagram: ArraySlice<UInt8>) -> Bool {
        NetlinkMessage.parse(Array(datagram)).contains { message in
            guard message.type & 0xff00 == NetfilterMessage.subsystem else { return false }
            // Tables have their name where everything else has that of its table.
            let name = message.attributes(behind: NetfilterMessage.fixedLength)
                .text(NetfilterMessage.tableName)
            return name == GuardPlan.tableName
        }
    }

    /// Whether somebody lifted the guard by hand, and nobody has set one since.
    package static func isLifted() throws(SystemCallFailure) -> Bool {
        try table(GuardPlan.liftedName, NetlinkSocket(NetlinkConstant.netfilter)) != nil
    }

    private static func table(
        _ name: String,
        _ socket: NetlinkSocket
    ) throws(SystemCallFailure) -> [UInt8]? {
        var body = NetfilterMessage.inetFamily()
        body.attribute(NetfilterMessage.tableName, name)
        do {
            let answers = try socket.request(
                NetfilterMessage.getTable,
                flags: 0,
                body,
                what: "nft list table inet \(name)"
            )
            return answers.first.map { Array($0.body.dropFirst(NetfilterMessage.fixedLength)) }
        } catch  where error.errorNumber == ENOENT {
            return nil
        }
    }
}

/// Numbers of nfnetlink (linux/netfilter/nfnetlink.h, nf_tables.h).
private enum NetfilterMessage {
    static let subsystem: UInt16 = 10 << 8
    static let getTable = subsystem | 1
    static let getChain = subsystem | 4
    static let tableName: UInt16 = 1
    static let chainTable: UInt16 = 1
    static let chainName: UInt16 = 3
    static let chainUses: UInt16 = 6
    /// Family, version, and what of the number of changes of anybody's fits beside.
    static let fixedLength = 4

    static func inetFamily() -> NetlinkEncoder {
        var body = NetlinkEncoder()
        body.byte(1)
        for _ in 0..<3 { body.byte(0) }
        return body
    }
}
