internal import LinuxIO
internal import PacketProtection

/// The devices of a worker by their numbers; for packets, file descriptors only, so that nothing is
/// counted on the way.
@safe struct DeviceTable: ~Copyable {
    private let files: UnsafeMutablePointer<Int32>
    /// Keeps the descriptors open.
    private var devices: [DeviceNumber: TUNDevice] = [:]

    init() {
        unsafe files = .allocate(capacity: Int(DeviceNumber.limit))
        unsafe files.initialize(repeating: -1, count: Int(DeviceNumber.limit))
    }

    deinit { unsafe files.deallocate() }

    /// The descriptor of a device; -1 where there is none.
    @inline(__always)
    func file(_ number: UInt16) -> Int32 {
        number < DeviceNumber.limit ? (unsafe files[Int(number)]) : -1
    }

    /// - Parameter worker: index of the worker whose table it is.
    mutating func attach(_ device: TUNDevice, _ number: DeviceNumber, worker: Int) {
        guard number.rawValue < DeviceNumber.limit else { return }
        devices[number] = device
        unsafe files[Int(number.rawValue)] = device.number(ofWorker: worker)
    }

    mutating func detach(_ number: DeviceNumber) {
        guard devices.removeValue(forKey: number) != nil else { return }
        unsafe files[Int(number.rawValue)] = -1
    }
}
