internal import LinuxIO
internal import PacketProtection

/// The devices of a worker by their numbers; for packets, file descriptors only, so that nothing is
/// counted on the way.
@safe struct DeviceTable: ~Copyable {
    private let files: UnsafeMutablePointer<Int32>
    /// Those by which packets with marks are read, `marks` for each device; there once one has any.
    private var markedFiles: UnsafeMutablePointer<Int32>?
    /// Keeps the descriptors open.
    private var devices: [DeviceNumber: TUNDevice] = [:]

    /// Marks begin at 1.
    private static let marks = MarkSteering.limit + 1

    init() {
        unsafe markedFiles = nil
        unsafe files = .allocate(capacity: Int(DeviceNumber.limit))
        unsafe files.initialize(repeating: -1, count: Int(DeviceNumber.limit))
    }

    deinit {
        unsafe files.deallocate()
        unsafe markedFiles?.deallocate()
    }

    /// The descriptor of a device; -1 where there is none.
    @inline(__always)
    func file(_ number: UInt16) -> Int32 {
        number < DeviceNumber.limit ? (unsafe files[Int(number)]) : -1
    }

    /// The descriptor by which packets of a device that have a mark are read, 0 being those that have
    /// none; -1 where there is none.
    func file(_ number: UInt16, mark: UInt8) -> Int32 {
        guard mark > 0 else { return file(number) }
        guard let markedFiles = unsafe markedFiles, number < DeviceNumber.limit,
            mark < DeviceTable.marks
        else { return -1 }
        return unsafe markedFiles[Int(number) * DeviceTable.marks + Int(mark)]
    }

    func device(_ number: DeviceNumber) -> TUNDevice? { devices[number] }

    /// - Parameter worker: index of the worker whose table it is.
    mutating func attach(_ device: TUNDevice, _ number: DeviceNumber, worker: Int) {
        guard number.rawValue < DeviceNumber.limit else { return }
        devices[number] = device
        unsafe files[Int(number.rawValue)] = device.number(ofWorker: worker)
        guard device.markCount > 0 else { return }
        let markedFiles = unsafe self.markedFiles ?? allocate()
        for mark in 1...device.markCount {
            unsafe markedFiles[Int(number.rawValue) * DeviceTable.marks + mark] =
                device.number(ofWorker: worker, mark: mark) ?? -1
        }
    }

    private mutating func allocate() -> UnsafeMutablePointer<Int32> {
        let count = Int(DeviceNumber.limit) * DeviceTable.marks
        let made = UnsafeMutablePointer<Int32>.allocate(capacity: count)
        unsafe made.initialize(repeating: -1, count: count)
        unsafe markedFiles = made
        return unsafe made
    }

    mutating func detach(_ number: DeviceNumber) {
        guard devices.removeValue(forKey: number) != nil else { return }
        unsafe files[Int(number.rawValue)] = -1
        guard let markedFiles = unsafe markedFiles else { return }
        for mark in 1..<DeviceTable.marks {
            unsafe markedFiles[Int(number.rawValue) * DeviceTable.marks + mark] = -1
        }
    }
}
