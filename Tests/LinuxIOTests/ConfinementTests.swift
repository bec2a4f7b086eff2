import Glibc
import IPsecPrimitives
import NamespaceTesting
import Testing

@testable import LinuxIO

// Each in a process of its own: what is given up does not come back.
@Suite("What a confined process may still do", .enabled(if: geteuid() == 0))
struct ConfinementTests {
    @Test func onlyTheNamedCapabilitiesAreLeft() async {
        await #expect(processExitsWith: .success) {
            try Privileges.reduce()
            try Privileges.demand([.networkAdministration, .rawSockets])
            check(Privileges.effectiveMask() == 1 << 12 | 1 << 13, 2)
            check(text(of: "/proc/thread-self/status").contains("NoNewPrivs:\t1"), 3)
            // CAP_DAC_OVERRIDE and CAP_SYS_ADMIN are gone for good.
            check(unsafe chroot("/") == -1 && errno == EPERM, 5)
        }
    }

    @Test func aMissingCapabilityIsNamed() async {
        await #expect(processExitsWith: .success) {
            try Privileges.reduce(to: [.rawSockets])
            do throws(SystemCallFailure) {
                try Privileges.demand()
                exit(2)
            } catch {
                check("\(error)".contains("CAP_NET_ADMIN"), 3)
            }
        }
    }

    @Test func programsAndForeignProcessesAreOutOfReach() async {
        await #expect(processExitsWith: .success) {
            try Privileges.reduce()
            try SystemCallFilter.install()
            var arguments: [UnsafeMutablePointer<CChar>?] = unsafe [
                unsafe strdup("/bin/true"), nil,
            ]
            let status = unsafe execv("/bin/true", &arguments)
            check(status == -1 && errno == EPERM, 2)
            // Allowed to everybody, if it were not for the filter.
            check(setuid(geteuid()) == -1 && errno == EPERM, 3)
            check(setgroups(0, nil) == -1 && errno == EPERM, 4)
            // What a gateway does all the time still works, in new threads as well.
            _ = try UDPSocket(
                bindingTo: Endpoint(address: IPAddress("127.0.0.1")!, port: 0),
                options: UDPSocket.Options(mark: .own)
            )
            let timer = try TimerDescriptor()
            timer.arm(at: BootClock.now())
            check(unsafe open("/dev/null", O_RDONLY) >= 0, 7)
        }
    }

    @Test func filesOutsideOfWhatWasNamedAreOutOfReach() async {
        await #expect(processExitsWith: .success) {
            let folder = makeTemporaryFolder(for: "landlock")
            let inside = folder + "/inside"
            check(unsafe mkdir(inside, 0o700) == 0, 2)
            check(create(folder + "/secret") && create(inside + "/file"), 3)
            try Privileges.reduce()
            let outcome = try FileSystemRestriction.restrict(to: [
                FileSystemRestriction.Path(inside),
                FileSystemRestriction.Path("/nowhere/at/all"),
            ])
            // A kernel without Landlock has nothing to show.
            guard case .restricted = outcome else { return }
            check(unsafe open(inside + "/file", O_RDONLY) >= 0, 4)
            check(unsafe open(inside + "/file", O_WRONLY) == -1 && errno == EACCES, 5)
            check(unsafe open(folder + "/secret", O_RDONLY) == -1 && errno == EACCES, 6)
            check(unsafe open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES, 7)
            check(!create(inside + "/another") && errno == EACCES, 8)
        }
    }

    @Test func whatMayBeWrittenMayBeReplaced() async {
        await #expect(processExitsWith: .success) {
            let folder = makeTemporaryFolder(for: "landlock")
            check(create(folder + "/file"), 2)
            try Privileges.reduce()
            _ = try FileSystemRestriction.restrict(to: [
                FileSystemRestriction.Path(folder, isWritable: true)
            ])
            // As the last valid configuration is kept.
            check(create(folder + "/file.new"), 3)
            check(unsafe rename(folder + "/file.new", folder + "/file") == 0, 4)
            check(unsafe unlink(folder + "/file") == 0, 5)
        }
    }
}

@Suite("The clock that counts while the machine sleeps")
struct BootClockTests {
    @Test func itIsTheOneOfTheTimeSinceTheStart() throws {
        var before = timespec()
        var after = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &before)
        let now = BootClock.now()
        unsafe clock_gettime(CLOCK_BOOTTIME, &after)
        func nanoseconds(_ time: timespec) -> UInt64 {
            UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
        #expect((nanoseconds(before)...nanoseconds(after)).contains(now.nanoseconds))
    }

    /// The kernel tells which clock a timer is on.
    @Test func timersFollowItAndNotTheMonotonicOne() throws {
        let timer = try TimerDescriptor()
        timer.arm(at: BootClock.now() + .seconds(1000))
        let info = text(of: "/proc/self/fdinfo/\(timer.number)")
        #expect(info.contains("clockid: \(CLOCK_BOOTTIME)"), "\(info)")
    }
}

private func check(_ condition: Bool, _ code: Int32) {
    if !condition { exit(code) }
}

private func create(_ path: String) -> Bool {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    if descriptor >= 0 { close(descriptor) }
    return descriptor >= 0
}

private func text(of path: String) -> String {
    let descriptor = unsafe open(path, O_RDONLY)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
}
