/// The classic capture file: a header, then records (draft-ietf-opsawg-pcap).
enum PcapFile {
    private static let microseconds: UInt32 = 0xa1b2_c3d4
    private static let nanoseconds: UInt32 = 0xa1b2_3c4d

    static func matches(_ bytes: [UInt8]) -> Bool { format(of: bytes) != nil }

    static func read(_ bytes: [UInt8]) -> Capture {
        var capture = Capture()
        guard let format = format(of: bytes) else { return capture }
        var reader = CaptureReader(bytes[...], isBigEndian: format.isBigEndian)
        // Magic, version, time zone, accuracy and snapshot length come before the link type.
        guard reader.read(20) != nil, let network = reader.readUInt32() else {
            capture.problem = DecodedProblem("the file's header is cut off", at: bytes.count)
            return capture
        }
        // The high bits tell of frame check sequences.
        let linkType = LinkType(rawValue: network & 0x0fff_ffff)
        while reader.remaining > 0 {
            let start = reader.offset
            guard let seconds = reader.readUInt32(), let fraction = reader.readUInt32(),
                let captured = reader.readUInt32(), reader.readUInt32() != nil,
                let frame = reader.read(Int(captured))
            else {
                capture.problem = DecodedProblem("a record is cut off", at: start)
                return capture
            }
            capture.frames.append(
                CapturedFrame(
                    number: capture.frames.count + 1,
                    nanoseconds: UInt64(seconds) * 1_000_000_000
                        + UInt64(fraction) * format.nanosecondsPerUnit,
                    linkType: linkType,
                    bytes: frame
                )
            )
        }
        return capture
    }

    private static func format(
        of bytes: [UInt8]
    ) -> (isBigEndian: Bool, nanosecondsPerUnit: UInt64)? {
        for isBigEndian in [true, false] {
            var reader = CaptureReader(bytes[...], isBigEndian: isBigEndian)
            switch reader.readUInt32() {
            case microseconds: return (isBigEndian, 1_000)
            case nanoseconds: return (isBigEndian, 1)
            default: continue
            }
        }
        return nil
    }
}
