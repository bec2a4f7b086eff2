/// Cuts at lengths of two octets in network order, the last piece being what is left.
package func pieces(_ bytes: ArraySlice<UInt8>) -> [[UInt8]] {
    var rest = bytes
    var result: [[UInt8]] = []
    while rest.count >= 2, result.count < 64 {
        let length = Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
        rest = rest.dropFirst(2)
        result.append(Array(rest.prefix(length)))
        rest = rest.dropFirst(length)
    }
    return result
}
