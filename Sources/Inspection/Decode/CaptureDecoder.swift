internal import IPsecPrimitives

/// Turns a capture file, or hexadecimal text of one message, into what it says.
package enum CaptureDecoder {
    /// Why there is nothing to show.
    package enum Failure: Error, Hashable, Sendable {
        /// Neither a capture file nor hexadecimal text.
        case unknownFormat
        case empty
    }

    package static func decode(
        _ input: [UInt8],
        keys: DecodingKeys = DecodingKeys()
    ) throws(Failure) -> DecodedCapture {
        guard !input.isEmpty else { throw .empty }
        if let capture = Capture(input) { return decode(capture, keys: keys) }
        guard let bytes = HexText.bytes(of: String(decoding: input, as: UTF8.self)) else {
            throw .unknownFormat
        }
        return decode(message: bytes, keys: keys)
    }

    private static func decode(_ capture: Capture, keys: DecodingKeys) -> DecodedCapture {
        var decoded = DecodedCapture()
        var messages = MessageDecoder(keys: keys)
        let packets = PacketDecoder(keys: keys)
        let start = capture.frames.first?.nanoseconds ?? 0
        for frame in capture.frames {
            guard let datagram = datagram(in: frame) else {
                decoded.otherFrames += 1
                continue
            }
            decoded.frames.append(
                Self.frame(
                    datagram,
                    number: frame.number,
                    nanoseconds: frame.nanoseconds >= start ? frame.nanoseconds - start : 0,
                    messages: &messages,
                    packets: packets
                )
            )
        }
        if let problem = capture.problem { decoded.problems.append(problem) }
        return decoded
    }

    private static func datagram(in frame: CapturedFrame) -> Datagram? {
        frame.linkType.packet(in: frame.bytes).flatMap { IPPacket($0) }.flatMap { Datagram($0) }
    }

    /// Text of one message: an IP packet that holds IKE or ESP, or the message itself with or
    /// without the non-ESP marker.
    private static func decode(message bytes: [UInt8], keys: DecodingKeys) -> DecodedCapture {
        var messages = MessageDecoder(keys: keys)
        if let datagram = IPPacket(bytes[...]).flatMap({ Datagram($0) }) {
            let frame = frame(
                datagram,
                number: 1,
                nanoseconds: 0,
                messages: &messages,
                packets: PacketDecoder(keys: keys)
            )
            return DecodedCapture(frames: [frame])
        }
        let isMarked = bytes.count >= 4 && bytes.prefix(4).allSatisfy { $0 == 0 }
        let message = messages.decode(isMarked ? Array(bytes.dropFirst(4)) : bytes)
        return DecodedCapture(frames: [
            DecodedFrame(
                number: 1,
                time: time(0),
                source: nil,
                destination: nil,
                kind: .ike,
                ike: message
            )
        ])
    }

    private static func frame(
        _ datagram: Datagram,
        number: Int,
        nanoseconds: UInt64,
        messages: inout MessageDecoder,
        packets: PacketDecoder
    ) -> DecodedFrame {
        let kind: DecodedFrame.Kind
        var ike: DecodedMessage?
        var esp: DecodedPacket?
        switch datagram.content {
        case .ike(let bytes):
            kind = .ike
            ike = messages.decode(Array(bytes))
        case .esp(let bytes):
            kind = .esp
            esp = packets.decode(bytes)
        case .keepalive: kind = .keepalive
        case .fragment: kind = .fragment
        }
        return DecodedFrame(
            number: number,
            time: time(nanoseconds),
            source: name(datagram.source, datagram),
            destination: name(datagram.destination, datagram),
            kind: kind,
            ike: ike,
            esp: esp
        )
    }

    private static func name(_ endpoint: Endpoint, _ datagram: Datagram) -> String {
        datagram.isUDP ? endpoint.description : endpoint.address.description
    }

    private static func time(_ nanoseconds: UInt64) -> String {
        let microseconds = String(nanoseconds / 1_000 % 1_000_000)
        let zeros = String(repeating: "0", count: 6 - microseconds.count)
        return "\(nanoseconds / 1_000_000_000).\(zeros)\(microseconds)"
    }
}
