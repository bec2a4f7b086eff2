internal import CNameResolver
internal import Glibc
package import IPsecPrimitives

/// Looks host names up in the DNS (and in /etc/hosts) without ever waiting, and tells how long an
/// answer holds.
///
/// Belongs to the thread of its event loop. Its sockets carry the mark of the gateway's own
/// packets: a tunnel to everywhere must not swallow the question where its peer is.
@safe package final class NameResolver {
    package struct Answer: Hashable, Sendable {
        /// The preferred first (RFC 6724); empty when the name could not be looked up.
        package var addresses: [IPAddress]
        /// Nil where nothing is known, as for /etc/hosts.
        package var lifetime: Duration?
    }

    package typealias Handler = (Answer) -> Void

    private let loop: EventLoop
    private let mark: UInt32
    private let servers: String?
    private let timer: TimerDescriptor
    private var handle: OpaquePointer?
    private var waiting: [UInt64: Handler] = [:]
    private var lastQuery: UInt64 = 0
    private var watched: Set<Int32> = []
    /// The name servers may be others by now.
    private var isDoubtful = false
    /// Calls of c-ares that have not returned.
    private var depth = 0

    /// - Parameter servers: name servers in place of the system's, as `127.0.0.1:5353`.
    package init(
        loop: EventLoop,
        mark: PacketMark? = .own,
        servers: String? = nil
    ) throws(SystemCallFailure) {
        self.loop = loop
        self.mark = mark?.value ?? 0
        self.servers = servers
        timer = try TimerDescriptor()
        try loop.add(timer.number) { [unowned self] _ in
            timer.acknowledge()
            process(-1, [])
        }
        open()
        guard unsafe handle != nil else {
            throw SystemCallFailure(
                call: "ares_init",
                errorNumber: ENOMEM,
                remedy: "Install libc-ares2, and look whether /etc/resolv.conf can be read."
            )
        }
    }

    deinit {
        close()
        loop.remove(timer.number)
    }

    /// Calls `handler` once, maybe at once.
    package func resolve(_ name: String, handler: @escaping Handler) {
        // Not from within a handler, which c-ares itself called.
        if isDoubtful, waiting.isEmpty, depth == 0 { reopen() }
        guard let handle = unsafe handle else {
            return handler(Answer(addresses: [], lifetime: nil))
        }
        lastQuery += 1
        waiting[lastQuery] = handler
        depth += 1
        unsafe cygnet_resolver_ask(handle, name, lastQuery)
        depth -= 1
        armTimer()
    }

    // MARK: c-ares

    private func open() {
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe handle = cygnet_resolver_create(
            mark,
            servers,
            { context, descriptor, readable, writable in
                unsafe NameResolver.from(context)
                    .watch(descriptor, readable != 0, writable != 0)
            },
            { context, query, status, addresses, count, seconds in
                let list = unsafe UnsafeBufferPointer(start: addresses, count: Int(count))
                unsafe NameResolver.from(context).answered(
                    query,
                    isFound: status == 0,
                    list.compactMap { IPAddress($0) },
                    seconds: seconds
                )
            },
            context
        )
        isDoubtful = false
    }

    private func close() {
        if let handle = unsafe handle { unsafe cygnet_resolver_destroy(handle) }
        unsafe handle = nil
        for descriptor in watched { loop.remove(descriptor) }
        watched = []
    }

    /// Reads again which name servers there are.
    private func reopen() {
        close()
        open()
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> NameResolver {
        unsafe Unmanaged<NameResolver>.fromOpaque(context!).takeUnretainedValue()
    }

    private func watch(_ descriptor: Int32, _ isReadable: Bool, _ isWritable: Bool) {
        var readiness: EventLoop.Readiness = []
        if isReadable { readiness.insert(.readable) }
        if isWritable { readiness.insert(.writable) }
        if readiness.isEmpty {
            if watched.remove(descriptor) != nil { loop.remove(descriptor) }
        } else if watched.contains(descriptor) {
            loop.change(descriptor, to: readiness)
        } else {
            // Without it the query runs into its timeout.
            do throws(SystemCallFailure) {
                try loop.add(descriptor, for: readiness) { [unowned self] ready in
                    process(descriptor, ready)
                }
                watched.insert(descriptor)
            } catch {}
        }
    }

    private func process(_ descriptor: Int32, _ ready: EventLoop.Readiness) {
        guard let handle = unsafe handle else { return }
        let isReadable = !ready.isDisjoint(with: [.readable, .error, .hangUp])
        depth += 1
        unsafe cygnet_resolver_process(
            handle,
            descriptor,
            isReadable ? 1 : 0,
            ready.contains(.writable) ? 1 : 0
        )
        depth -= 1
        armTimer()
    }

    private func armTimer() {
        guard let handle = unsafe handle else { return }
        let wait = unsafe cygnet_resolver_timeout(handle)
        timer.arm(at: wait < 0 ? nil : BootClock.now() + .milliseconds(wait))
    }

    private func answered(
        _ query: UInt64,
        isFound: Bool,
        _ addresses: [IPAddress],
        seconds: Int32
    ) {
        guard let handler = waiting.removeValue(forKey: query) else { return }
        if !isFound { isDoubtful = true }
        var unique: [IPAddress] = []
        for address in addresses where !unique.contains(address) { unique.append(address) }
        handler(
            Answer(
                addresses: isFound ? unique : [],
                lifetime: isFound && seconds > 0 ? .seconds(Int64(seconds)) : nil
            )
        )
    }
}

extension IPAddress {
    fileprivate init?(_ resolved: cygnet_resolved_address) {
        let bytes = unsafe withUnsafeBytes(of: resolved.octets) { unsafe Array($0) }
        self.init(bytes: resolved.version == 4 ? Array(bytes.prefix(4)) : bytes)
    }
}
