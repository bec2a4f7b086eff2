// Big-endian access to packets. Callers check bounds once for a header, not for each field.
extension UnsafeMutableRawPointer {
    @inline(__always)
    func read8(_ offset: Int) -> UInt8 { unsafe load(fromByteOffset: offset, as: UInt8.self) }

    @inline(__always)
    func read16(_ offset: Int) -> UInt16 {
        unsafe UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    @inline(__always)
    func read32(_ offset: Int) -> UInt32 {
        unsafe UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @inline(__always)
    func read64(_ offset: Int) -> UInt64 {
        unsafe UInt64(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    @inline(__always)
    func read128(_ offset: Int) -> UInt128 {
        unsafe UInt128(read64(offset)) << 64 | UInt128(read64(offset + 8))
    }

    /// A number in the machine's own order, as the kernel writes virtio_net_hdr.
    @inline(__always)
    func readNative16(_ offset: Int) -> UInt16 {
        unsafe loadUnaligned(fromByteOffset: offset, as: UInt16.self)
    }

    @inline(__always)
    func write8(_ value: UInt8, _ offset: Int) {
        unsafe storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
    }

    @inline(__always)
    func write16(_ value: UInt16, _ offset: Int) {
        unsafe storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
    }

    @inline(__always)
    func write32(_ value: UInt32, _ offset: Int) {
        unsafe storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
    }

    @inline(__always)
    func write64(_ value: UInt64, _ offset: Int) {
        unsafe storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
    }

    @inline(__always)
    func write128(_ value: UInt128, _ offset: Int) {
        unsafe write64(UInt64(truncatingIfNeeded: value >> 64), offset)
        unsafe write64(UInt64(truncatingIfNeeded: value), offset + 8)
    }

    @inline(__always)
    func writeNative16(_ value: UInt16, _ offset: Int) {
        unsafe storeBytes(of: value, toByteOffset: offset, as: UInt16.self)
    }
}
