/// The newer capture file: blocks of several kinds (draft-ietf-opsawg-pcapng).
struct PcapngFile {
    private static let sectionHeader: UInt32 = 0x0a0d_0d0a
    private static let byteOrderMagic: UInt32 = 0x1a2b_3c4d
    private static let interfaceDescription: UInt32 = 1
    private static let simplePacket: UInt32 = 3
    private static let enhancedPacket: UInt32 = 6

    private struct Interface {
        var linkType: LinkType
        var unitsPerSecond: UInt64 = 1_000_000
    }

    private var capture = Capture()
    private var interfaces: [Interface] = []
    /// Packet blocks seen, also of interfaces that do not exist.
    private var packets = 0

    static func matches(_ bytes: [UInt8]) -> Bool {
        var reader = CaptureReader(bytes[...], isBigEndian: true)
        return reader.readUInt32() == sectionHeader
    }

    static func read(_ bytes: [UInt8]) -> Capture {
        var file = PcapngFile()
        file.readBlocks(bytes)
        return file.capture
    }

    private mutating func readBlocks(_ bytes: [UInt8]) {
        var reader = CaptureReader(bytes[...], isBigEndian: false)
        while reader.remaining > 0 {
            let start = reader.offset
            guard let type = reader.readUInt32(), let order = byteOrder(type, after: reader) else {
                capture.problem = DecodedProblem(
                    "a block is cut off or has no byte order",
                    at: start
                )
                return
            }
            reader.isBigEndian = order
            // A block's length counts type, length, and the length again at the end.
            guard let length = reader.readUInt32(), length >= 12, length % 4 == 0,
                let body = reader.read(Int(length) - 12), reader.readUInt32() == length
            else {
                capture.problem = DecodedProblem("a block has a wrong length", at: start)
                return
            }
            readBlock(type, CaptureReader(body, isBigEndian: order))
        }
    }

    /// A section header sets the order for its section by the magic behind its length.
    private func byteOrder(_ type: UInt32, after reader: CaptureReader) -> Bool? {
        guard type == PcapngFile.sectionHeader else { return reader.isBigEndian }
        for isBigEndian in [true, false] {
            var attempt = reader
            attempt.isBigEndian = isBigEndian
            guard attempt.readUInt32() != nil else { return nil }
            if attempt.readUInt32() == PcapngFile.byteOrderMagic { return isBigEndian }
        }
        return nil
    }

    private mutating func readBlock(_ type: UInt32, _ body: CaptureReader) {
        var body = body
        switch type {
        case PcapngFile.sectionHeader: interfaces = []
        case PcapngFile.interfaceDescription: readInterface(&body)
        case PcapngFile.enhancedPacket:
            packets += 1
            guard let index = body.readUInt32(), let high = body.readUInt32(),
                let low = body.readUInt32(), let captured = body.readUInt32(),
                body.readUInt32() != nil, let frame = body.read(Int(captured)),
                Int(index) < interfaces.count
            else { return }
            let interface = interfaces[Int(index)]
            append(
                frame,
                of: interface,
                nanoseconds: nanoseconds(UInt64(high) << 32 | UInt64(low), interface)
            )
        case PcapngFile.simplePacket:
            packets += 1
            guard let original = body.readUInt32(), let interface = interfaces.first,
                let frame = body.read(min(Int(original), body.remaining))
            else { return }
            append(frame, of: interface, nanoseconds: 0)
        default: return
        }
    }

    private mutating func append(
        _ frame: ArraySlice<UInt8>,
        of interface: Interface,
        nanoseconds: UInt64
    ) {
        capture.frames.append(
            CapturedFrame(
                number: packets,
                nanoseconds: nanoseconds,
                linkType: interface.linkType,
                bytes: frame
            )
        )
    }

    private mutating func readInterface(_ body: inout CaptureReader) {
        guard let linkType = body.readUInt16(), body.read(6) != nil else { return }
        var interface = Interface(linkType: LinkType(rawValue: UInt32(linkType)))
        while let code = body.readUInt16(), let length = body.readUInt16(), code != 0,
            let value = body.read(Int(length)), body.read((4 - Int(length) % 4) % 4) != nil
        {
            // if_tsresol: a power of ten, or of two when the highest bit is set.
            guard code == 9, let resolution = value.first else { continue }
            let exponent = Int(resolution & 0x7f)
            if resolution & 0x80 != 0, exponent < 63 {
                interface.unitsPerSecond = 1 << UInt64(exponent)
            } else if resolution & 0x80 == 0, exponent < 19 {
                interface.unitsPerSecond = (0..<exponent).reduce(1) { units, _ in units * 10 }
            }
        }
        interfaces.append(interface)
    }

    private func nanoseconds(_ time: UInt64, _ interface: Interface) -> UInt64 {
        let units = UInt128(interface.unitsPerSecond)
        return UInt64(truncatingIfNeeded: UInt128(time) * 1_000_000_000 / units)
    }
}
