internal import CLinux
package import IPsecPrimitives

/// The monotonic clock that goes on counting while the machine sleeps.
package enum BootClock {
    package static func now() -> Instant {
        Instant(nanoseconds: cygnet_boottime())
    }
}
