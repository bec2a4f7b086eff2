internal import CLinux
internal import Glibc

/// The processors of the machine, as far as this process may use them.
package enum Processors {
    private static let maximum = 1024

    /// Their numbers, in order; at least one.
    package static func usable() -> [Int] {
        var numbers = [UInt32](repeating: 0, count: maximum)
        let count = unsafe numbers.withUnsafeMutableBufferPointer { buffer in
            unsafe cygnet_usable_processors(buffer.baseAddress, Int32(maximum))
        }
        return count > 0 ? numbers.prefix(Int(count)).map { Int($0) } : [0]
    }

    /// Keeps the calling thread on one of them.
    package static func pinThread(to number: Int) throws(SystemCallFailure) {
        guard cygnet_pin_thread(UInt32(number)) == 0 else {
            throw .last(
                "sched_setaffinity(processor \(number))",
                remedy: "Name processors that the machine has and that this process may use."
            )
        }
    }
}
