/// What AH covers of the headers before it: a copy with zero for every field that may change on
/// the way, or with what the receiver will see of it (RFC 4302 §3.3.3.1, appendix A).
enum CoveredHeader {
    /// Octets of headers before AH that this gateway handles.
    static let maximumOctets = 2048

    private static let hopByHop: UInt8 = 0
    private static let routing: UInt8 = 43
    private static let destinationOptions: UInt8 = 60

    /// Writes the copy of `length` octets; false where the headers make no sense, or change on
    /// the way in a manner that this end cannot foresee.
    ///
    /// - Parameter target: with room for `maximumOctets`.
    static func write(
        to target: UnsafeMutableRawPointer,
        from packet: UnsafeMutableRawPointer,
        length: Int,
        isV4: Bool
    ) -> Bool {
        guard length >= (isV4 ? 20 : 40), length <= maximumOctets else { return false }
        unsafe target.copyMemory(from: packet, byteCount: length)
        if isV4 {
            // DSCP and ECN; flags and offset; TTL; checksum.
            unsafe target.write8(0, 1)
            unsafe target.write16(0, 6)
            unsafe target.write8(0, 8)
            unsafe target.write16(0, 10)
            return length == 20 ? true : unsafe clearOptions(target, end: length)
        }
        // DSCP, ECN and flow label; hop limit.
        unsafe target.write32(0x6000_0000, 0)
        unsafe target.write8(0, 7)
        return length == 40 ? true : unsafe clearExtensions(target, end: length)
    }

    // MARK: IPv4 options (appendix A1)

    private static func clearOptions(_ header: UnsafeMutableRawPointer, end: Int) -> Bool {
        var offset = 20
        while offset < end {
            let kind = unsafe header.read8(offset)
            if kind == 0 { return true }
            if kind == 1 {
                offset += 1
                continue
            }
            guard offset + 2 <= end else { return false }
            let length = Int(unsafe header.read8(offset + 1))
            guard length >= 2, offset + length <= end else { return false }
            switch kind {
            // Security, extended and commercial security, router alert, multi-destination.
            case 130, 133, 134, 148, 149: break
            case 131, 137:
                // The last address of a source route is where the packet will arrive.
                guard length >= 7 else { return false }
                let pointer = Int(unsafe header.read8(offset + 2))
                if pointer + 3 <= length {
                    unsafe header.write32(header.read32(offset + length - 4), 16)
                }
                unsafe clear(header, offset, length)
            default: unsafe clear(header, offset, length)
            }
            offset += length
        }
        return true
    }

    private static func clear(_ bytes: UnsafeMutableRawPointer, _ offset: Int, _ count: Int) {
        for index in offset..<offset + count { unsafe bytes.write8(0, index) }
    }

    // MARK: IPv6 extension headers (appendix A2)

    private static func clearExtensions(_ header: UnsafeMutableRawPointer, end: Int) -> Bool {
        var offset = 40
        var kind = unsafe header.read8(6)
        while offset < end {
            guard offset + 8 <= end else { return false }
            let next = unsafe header.read8(offset)
            let length = (Int(unsafe header.read8(offset + 1)) + 1) * 8
            guard offset + length <= end else { return false }
            switch kind {
            case hopByHop, destinationOptions:
                guard unsafe clearOptionData(header, from: offset + 2, to: offset + length) else {
                    return false
                }
            case routing:
                // At the last station nothing is left to be rearranged; before it, the packet will
                // look otherwise there than here.
                guard unsafe header.read8(offset + 3) == 0 else { return false }
            default: return false
            }
            kind = next
            offset += length
        }
        return true
    }

    /// RFC 8200 §4.2: the third bit of an option's type says that its data may change.
    private static func clearOptionData(
        _ header: UnsafeMutableRawPointer,
        from start: Int,
        to end: Int
    ) -> Bool {
        var offset = start
        while offset < end {
            let kind = unsafe header.read8(offset)
            if kind == 0 {
                offset += 1
                continue
            }
            guard offset + 2 <= end else { return false }
            let length = Int(unsafe header.read8(offset + 1))
            guard offset + 2 + length <= end else { return false }
            if kind & 0x20 != 0 { unsafe clear(header, offset + 2, length) }
            offset += 2 + length
        }
        return true
    }
}
