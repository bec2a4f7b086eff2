internal import IKEMessages
internal import IPsecPrimitives
internal import Inspection

/// Any bytes give a message or an error; what is accepted is written and read as the same; the
/// decoder has something to show of everything.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzIKEMessage(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    if let message = try? IKEMessage(reading: bytes) { check(message) }
    checkInnerPayloads(bytes)
    checkStream(bytes)
    if let decoded = try? CaptureDecoder.decode(bytes) { precondition(!decoded.lines.isEmpty) }
    let hex = Array(hexadecimal(bytes).utf8)
    if let decoded = try? CaptureDecoder.decode(hex) {
        precondition(decoded.frames.count == 1 && !decoded.lines.isEmpty)
    }
    return 0
}

private func check(_ message: IKEMessage) {
    let again = IKEMessage.serialise(message.header, payloads: message.payloads)
    guard let second = try? IKEMessage(reading: again) else {
        preconditionFailure("what was written is not read")
    }
    precondition(second.payloads == message.payloads)
    precondition(IKEMessage.serialise(second.header, payloads: second.payloads) == again)
}

/// The bytes as a TCP stream: however it is cut, the same comes out of it, and what is written back
/// is what was read.
private func checkStream(_ bytes: [UInt8]) {
    for expectsPrefix in [false, true] {
        let whole = contents(bytes, of: bytes.count, expectsPrefix)
        precondition(
            contents(bytes, of: 1, expectsPrefix) == whole,
            "cut otherwise, read otherwise"
        )
        for case .message(let message) in whole.contents {
            guard let frame = StreamFraming.frame(message: message) else { continue }
            precondition(contents(frame, of: 3, false).contents == [.message(message)])
        }
    }
}

private struct StreamOutcome: Equatable {
    var contents: [StreamFraming.Content] = []
    var fault: StreamFault?
}

private func contents(_ bytes: [UInt8], of size: Int, _ expectsPrefix: Bool) -> StreamOutcome {
    var reader = StreamReader(expectsPrefix: expectsPrefix)
    var outcome = StreamOutcome()
    for start in stride(from: 0, to: bytes.count, by: max(size, 1)) {
        reader.append(bytes[start..<min(start + size, bytes.count)])
        do throws(StreamFault) {
            while let content = try reader.next() { outcome.contents.append(content) }
        } catch {
            outcome.fault = error
            precondition(reader.pendingOctets == 0, "octets of a stream out of step are kept")
        }
        precondition(reader.pendingOctets <= 65_535, "more than one message is kept")
    }
    return outcome
}

/// The bytes as the plaintext of an Encrypted payload, the first telling what begins it.
private func checkInnerPayloads(_ bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    let encrypted = EncryptedPayload(
        firstPayload: PayloadType(rawValue: first),
        associatedData: [],
        content: []
    )
    _ = try? encrypted.payloads(in: Array(bytes.dropFirst()))
}
