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
