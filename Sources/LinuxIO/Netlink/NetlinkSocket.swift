internal import CLinux
internal import Glibc
internal import IPsecPrimitives

/// Who answers requests of rtnetlink: the kernel, or a test in the place of another kernel.
protocol NetlinkRequests: AnyObject {
    /// Whether there is IPv6 at all, policy routing for it or not.
    var speaksIPv6: Bool { get }

    /// Sends one request and collects what comes back.
    ///
    /// - Parameter what: names the request in an error, as `ip` would: `ip rule add …`.
    func request(
        _ type: UInt16,
        flags: UInt16,
        _ body: NetlinkEncoder,
        what: String
    ) throws(SystemCallFailure) -> [NetlinkMessage]
}

/// Requests to the kernel over netlink, one at a time, each with its answers.
final class NetlinkSocket: NetlinkRequests {
    private let file: FileDescriptor
    private var sequence: UInt32 = 0

    /// Answers larger than this are cut by the kernel; it sends at most 32 KiB at once.
    private static let receiveLimit = 65_536
    /// A list that somebody changed while it was shown may lack what was there all the time: it is asked
    /// for so often, as long as it is changed each time.
    private static let dumpTries = 8

    /// - Parameter netlinkProtocol: which part of the kernel is asked.
    init(_ netlinkProtocol: Int32 = NetlinkConstant.route) throws(SystemCallFailure) {
        let number = cygnet_netlink_open(netlinkProtocol)
        guard number >= 0 else { throw .last("socket(AF_NETLINK)") }
        file = FileDescriptor(owning: number)
    }

    var speaksIPv6: Bool {
        let probe = cygnet_open_socket(Int32(IPVersion.v6.rawValue), 0)
        guard probe >= 0 else { return errno != EAFNOSUPPORT }
        close(probe)
        return true
    }

    func request(
        _ type: UInt16,
        flags: UInt16,
        _ body: NetlinkEncoder,
        what: String
    ) throws(SystemCallFailure) -> [NetlinkMessage] {
        for _ in 1..<NetlinkSocket.dumpTries {
            let answer = try ask(type, flags: flags, body, what: what)
            if !answer.contains(where: \.isInterrupted) { return answer }
        }
        return try ask(type, flags: flags, body, what: what)
    }

    private func ask(
        _ type: UInt16,
        flags: UInt16,
        _ body: NetlinkEncoder,
        what: String
    ) throws(SystemCallFailure) -> [NetlinkMessage] {
        sequence &+= 1
        let isDump = flags & NetlinkConstant.dump == NetlinkConstant.dump
        var header = NetlinkEncoder()
        header.number(UInt32(16 + body.bytes.count))
        header.number(type)
        header.number(flags | NetlinkConstant.request | (isDump ? 0 : NetlinkConstant.acknowledge))
        header.number(sequence)
        header.number(UInt32(0))
        let message = header.bytes + body.bytes
        let sent = unsafe message.withUnsafeBytes { buffer in
            unsafe send(file.number, buffer.baseAddress, buffer.count, 0)
        }
        guard sent == message.count else { throw .last(what) }
        return try collect(what: what)
    }

    private func collect(what: String) throws(SystemCallFailure) -> [NetlinkMessage] {
        var answers: [NetlinkMessage] = []
        while true {
            var bytes = [UInt8](repeating: 0, count: NetlinkSocket.receiveLimit)
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe recv(file.number, buffer.baseAddress, buffer.count, 0)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .last(what) }
            bytes.removeLast(bytes.count - count)
            for message in NetlinkMessage.parse(bytes) where message.sequence == sequence {
                switch message.type {
                case NetlinkConstant.done:
                    if message.isInterrupted, !answers.isEmpty {
                        answers[answers.count - 1].flags |= NetlinkConstant.interrupted
                    }
                    return answers
                case NetlinkConstant.error:
                    let number = message.body.number(at: 0, as: Int32.self) ?? 0
                    guard number != 0 else { return answers }
                    throw failure(-number, message, what: what)
                default: answers.append(message)
                }
            }
        }
    }

    /// The kernel often says in words what it dislikes (NLMSGERR_ATTR_MSG).
    private func failure(
        _ number: Int32,
        _ message: NetlinkMessage,
        what: String
    ) -> SystemCallFailure {
        // The error number, then the header of the request, without its body (NETLINK_CAP_ACK).
        let text = message.attributes(behind: 20).text(1)
        let general = SystemCallFailure.generalRemedy(number)
        return SystemCallFailure(
            call: what,
            errorNumber: number,
            remedy: text.map { "The kernel says: \($0). \(general)" } ?? general
        )
    }
}
