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
    private let file: String
    private let timer: TimerDescriptor
    private var handle: OpaquePointer?
    /// Handles of before that c-ares may be at work with.
    private var retired: [OpaquePointer] = unsafe []
    private var waiting: [UInt64: Query] = [:]
    private var lastQuery: UInt64 = 0
    private var watched: Set<Int32> = []
    /// The name servers may be others by now.
    private var isDoubtful = false
    /// The file of name servers, as it was when it was read.
    private var edition: Edition?
    /// Calls of c-ares that have not returned.
    private var depth = 0

    private struct Query {
        let name: String
        let handler: Handler
    }

    /// - Parameters:
    ///   - servers: name servers in place of the system's, as `127.0.0.1:5353`.
    ///   - file: where the system's are; it is read again when it has changed.
    package init(
        loop: EventLoop,
        mark: PacketMark? = .own,
        servers: String? = nil,
        file: String = "/etc/resolv.conf"
    ) throws(SystemCallFailure) {
        self.loop = loop
        self.mark = mark?.value ?? 0
        self.servers = servers
        self.file = file
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
        if let handle = unsafe handle { unsafe retired.append(handle) }
        unsafe handle = nil
        destroyRetired()
        for descriptor in watched { loop.remove(descriptor) }
        loop.remove(timer.number)
    }

    /// Calls `handler` once, maybe at once.
    package func resolve(_ name: String, handler: @escaping Handler) {
        if isDoubtful && waiting.isEmpty || hasNewEdition { reopen() }
        lastQuery += 1
        waiting[lastQuery] = Query(name: name, handler: handler)
        ask(lastQuery, name)
        destroyRetired()
        armTimer()
    }

    /// Asks again what is not answered yet, where there are other name servers by now.
    package func followServers() {
        guard !waiting.isEmpty, hasNewEdition else { return }
        reopen()
        destroyRetired()
        armTimer()
    }

    // MARK: c-ares

    private func ask(_ query: UInt64, _ name: String) {
        guard let handle = unsafe handle else { return }
        depth += 1
        unsafe cygnet_resolver_ask(handle, name, query)
        depth -= 1
    }

    private func open() {
        // Before it is read: a change in between is seen later.
        edition = Edition(of: file)
        isDoubtful = false
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        let new = unsafe cygnet_resolver_create(
            mark,
            file,
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
        // Without a new one the old one has to do.
        guard let new = unsafe new else { return }
        if let old = unsafe handle {
            unsafe cygnet_resolver_silence(old)
            unsafe retired.append(old)
        }
        unsafe handle = new
    }

    private var hasNewEdition: Bool { servers == nil && Edition(of: file) != edition }

    /// Reads again which name servers there are, and asks them what the ones before have not answered.
    ///
    /// - Returns: whether that was possible.
    @discardableResult
    private func reopen() -> Bool {
        let before = unsafe handle
        open()
        guard unsafe handle != before else { return false }
        for (number, query) in waiting.sorted(by: { $0.key < $1.key })
        where waiting[number] != nil {
            ask(number, query.name)
        }
        return true
    }

    /// Not while c-ares is at work: it may have called from within one of them.
    private func destroyRetired() {
        guard depth == 0 else { return }
        while let old = unsafe retired.popLast() { unsafe cygnet_resolver_destroy(old) }
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
        destroyRetired()
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
        // Those asked were others than there are now: these may know.
        if !isFound, waiting[query] != nil, hasNewEdition, reopen() { return }
        guard let handler = waiting.removeValue(forKey: query)?.handler else { return }
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

/// What tells one state of a file from another.
private struct Edition: Equatable {
    var device: UInt64 = 0
    var number: UInt64 = 0
    var octets: Int64 = 0
    var seconds = 0
    var nanoseconds = 0

    /// Of a file that is not there: all zero.
    init(of path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return }
        device = UInt64(status.st_dev)
        number = UInt64(status.st_ino)
        octets = Int64(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}

extension IPAddress {
    fileprivate init?(_ resolved: cygnet_resolved_address) {
        let bytes = unsafe withUnsafeBytes(of: resolved.octets) { unsafe Array($0) }
        self.init(bytes: resolved.version == 4 ? Array(bytes.prefix(4)) : bytes)
    }
}
