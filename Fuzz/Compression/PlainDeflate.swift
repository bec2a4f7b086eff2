internal import CZlib

/// DEFLATE by zlib, used in another way than the packet path does: piece by piece, without bounds on
/// memory.
enum PlainDeflate {
    /// Nil for what is no whole stream, or has something behind it; cut behind `most` octets.
    static func inflated(_ stream: [UInt8], most: Int) -> [UInt8]? {
        var state = unsafe z_stream()
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        precondition(unsafe inflateInit2_(&state, -15, ZLIB_VERSION, size) == Z_OK)
        defer { unsafe inflateEnd(&state) }
        var input = stream
        var result: [UInt8] = []
        var chunk = Array(repeating: UInt8(0), count: 5000)
        var status = Z_OK
        unsafe input.withUnsafeMutableBufferPointer { octets in
            unsafe state.next_in = octets.baseAddress
            unsafe state.avail_in = UInt32(octets.count)
            while status == Z_OK, result.count <= most {
                unsafe chunk.withUnsafeMutableBufferPointer { room in
                    unsafe state.next_out = room.baseAddress
                    unsafe state.avail_out = UInt32(room.count)
                    status = unsafe inflate(&state, Z_NO_FLUSH)
                }
                result += chunk.prefix(chunk.count - Int(unsafe state.avail_out))
            }
        }
        let isWhole = unsafe status == Z_STREAM_END && state.avail_in == 0
        return isWhole || result.count > most ? result : nil
    }

    /// - Parameter level: 0 to 9.
    static func deflated(_ octets: [UInt8], level: Int32) -> [UInt8] {
        var state = unsafe z_stream()
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        let strategy = Z_DEFAULT_STRATEGY
        let status = unsafe deflateInit2_(
            &state,
            level,
            Z_DEFLATED,
            -15,
            9,
            strategy,
            ZLIB_VERSION,
            size
        )
        precondition(status == Z_OK)
        defer { unsafe deflateEnd(&state) }
        var input = octets
        var output = Array(repeating: UInt8(0), count: octets.count + 1000)
        let count = output.count
        unsafe input.withUnsafeMutableBufferPointer { octets in
            unsafe output.withUnsafeMutableBufferPointer { room in
                unsafe state.next_in = octets.baseAddress
                unsafe state.avail_in = UInt32(octets.count)
                unsafe state.next_out = room.baseAddress
                unsafe state.avail_out = UInt32(room.count)
                precondition(unsafe deflate(&state, Z_FINISH) == Z_STREAM_END)
            }
        }
        return Array(output.prefix(count - Int(unsafe state.avail_out)))
    }
}
