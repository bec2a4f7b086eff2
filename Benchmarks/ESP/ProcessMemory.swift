internal import Glibc

/// What the process has of the machine's memory.
enum ProcessMemory {
    /// Octets; 0 where the kernel does not say.
    static var residentOctets: Int {
        guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
        defer { unsafe fclose(file) }
        var (size, resident) = (0, 0)
        guard
            unsafe withUnsafeMutablePointer(
                to: &size,
                { size in
                    unsafe withUnsafeMutablePointer(to: &resident) { resident in
                        unsafe withVaList([size, resident]) { unsafe vfscanf(file, "%ld %ld", $0) }
                    }
                }
            ) == 2
        else { return 0 }
        return resident * Int(getpagesize())
    }
}
