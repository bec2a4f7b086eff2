internal import CLinux
internal import Foundation
internal import Glibc
internal import Synchronization

/// A network namespace of a test's own, gone when the test lets go of it.
package final class NetworkNamespace: Sendable {
    package let name: String
    private static let counter = Atomic<Int>(0)

    /// Nil when tests may make namespaces here; else why not, for the test's skip message.
    package static let obstacle: String? = {
        if geteuid() != 0 { return "needs root to make network namespaces" }
        if unsafe access("/dev/net/tun", R_OK | W_OK) != 0 { return "needs /dev/net/tun" }
        for tool in ["ip", "nft", "ping", "tcpdump", "iperf3"] where !Shell.isInstalled(tool) {
            return "needs the program \(tool)"
        }
        removeLeftovers()
        return nil
    }()

    package static var isAvailable: Bool {
        if let obstacle { print("skipped: \(obstacle)") }
        return obstacle == nil
    }

    package init(_ role: String) throws {
        let number = NetworkNamespace.counter.add(1, ordering: .relaxed).newValue
        name = "cyt-\(getpid())-\(number)-\(role)"
        try Shell.run(["ip", "netns", "add", name])
        try run("ip link set lo up")
        try run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
        try run("sysctl -qw net.ipv4.tcp_congestion_control=reno")
    }

    deinit {
        _ = try? Shell.run(["ip", "netns", "delete", name])
    }

    /// Runs a command inside, words parted by spaces; throws when it fails.
    @discardableResult
    package func run(_ command: String) throws -> String {
        try Shell.run(inside(command))
    }

    /// Runs a command inside and says whether it succeeded.
    package func succeeds(_ command: String) -> Bool {
        (try? run(command)) != nil
    }

    /// Starts a command inside; the caller ends it.
    package func start(_ command: String) throws -> BackgroundCommand {
        try BackgroundCommand(inside(command))
    }

    /// Calls `body` on a thread of its own inside the namespace: sockets that it opens stay there.
    package func perform<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) throws -> Result {
        let path = "/run/netns/\(name)"
        let outcome = Outcome<Result>()
        let thread = Thread {
            let joined = unsafe cygnet_join_network_namespace(path)
            outcome.finish {
                guard joined == 0 else { throw ShellFailure(command: "setns \(path)", output: "") }
                return try body()
            }
        }
        thread.stackSize = 4 << 20
        thread.start()
        return try outcome.wait()
    }

    /// Joins two namespaces by a veth pair.
    package static func connect(
        _ left: NetworkNamespace,
        _ leftDevice: String,
        _ right: NetworkNamespace,
        _ rightDevice: String,
        mtu: Int = 1500
    ) throws {
        try Shell.run([
            "ip", "link", "add", leftDevice, "netns", left.name, "mtu", "\(mtu)", "type", "veth",
            "peer", "name", rightDevice, "netns", right.name, "mtu", "\(mtu)",
        ])
        try left.run("ip link set \(leftDevice) up")
        try right.run("ip link set \(rightDevice) up")
    }

    private func inside(_ command: String) -> [String] {
        ["ip", "netns", "exec", name] + command.split(separator: " ").map(String.init)
    }

    /// Namespaces of test processes that ended without a chance to clean up.
    private static func removeLeftovers() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
        for name in names where name.hasPrefix("cyt-") {
            let parts = name.split(separator: "-")
            guard parts.count > 1, let process = pid_t(parts[1]) else { continue }
            if kill(process, 0) != 0, errno == ESRCH {
                _ = try? Shell.run(["ip", "netns", "delete", name])
            }
        }
    }
}

/// What a thread leaves for the one that waits for it.
private final class Outcome<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    func finish(_ body: () throws -> Value) {
        let outcome = Result { try body() }
        result.withLock { $0 = outcome }
        done.signal()
    }

    func wait() throws -> Value {
        done.wait()
        guard let outcome = result.withLock({ $0 }) else {
            throw ShellFailure(command: "thread", output: "ended without a result")
        }
        return try outcome.get()
    }
}
