import IKEMessages
import IPsecPrimitives
import Testing

@Suite("IKE and ESP in one stream (RFC 9329)")
struct StreamFramingTests {
    private func contents(
        _ reader: inout StreamReader
    ) throws(StreamFault) -> [StreamFraming.Content] {
        var contents: [StreamFraming.Content] = []
        while let content = try reader.next() { contents.append(content) }
        return contents
    }

    @Test("what is framed comes out again, however the octets are cut", arguments: 1...9)
    func roundTrip(cut: Int) throws {
        let message = [UInt8](repeating: 0xAB, count: 300)
        let packet: [UInt8] = [0, 0, 1, 2] + [UInt8](repeating: 0xCD, count: 40)
        let stream =
            StreamFraming.prefix + (try #require(StreamFraming.frame(message: message)))
            + [0, 2, 0, 3, 0xFF] + (try #require(StreamFraming.frame(packet: packet)))
        var reader = StreamReader(expectsPrefix: true)
        var seen: [StreamFraming.Content] = []
        for start in stride(from: 0, to: stream.count, by: cut) {
            reader.append(stream[start..<min(start + cut, stream.count)])
            seen += try contents(&reader)
        }
        #expect(seen == [.message(message), .keepalive, .packet(packet)])
        #expect(reader.pendingOctets == 0)
    }

    @Test("the length counts itself and the marker", arguments: [1, 28, 1000])
    func lengths(count: Int) throws {
        let framed = try #require(StreamFraming.frame(message: [UInt8](repeating: 1, count: count)))
        #expect(Int(framed[0]) << 8 | Int(framed[1]) == framed.count)
        #expect(framed.count == count + 6)
        #expect(framed[2..<6].elementsEqual([0, 0, 0, 0]))
    }

    @Test("a message that no 16-bit length can count is not framed")
    func longest() {
        #expect(StreamFraming.frame(message: [UInt8](repeating: 1, count: 65_529)) != nil)
        #expect(StreamFraming.frame(message: [UInt8](repeating: 1, count: 65_530)) == nil)
        // It would be taken for an IKE message.
        #expect(StreamFraming.frame(packet: [0, 0, 0, 0, 1, 2, 3, 4]) == nil)
    }

    @Test("a stream that begins otherwise, or falls out of step, is over for good")
    func faults() {
        var stranger = StreamReader(expectsPrefix: true)
        stranger.append(Array("GET / HTTP".utf8))
        #expect(throws: StreamFault.missingPrefix) { try stranger.next() }
        stranger.append(StreamFraming.prefix)
        #expect(throws: StreamFault.missingPrefix) { try stranger.next() }
        #expect(stranger.pendingOctets == 0)

        for length in [UInt8(0), 1] {
            var reader = StreamReader(expectsPrefix: false)
            reader.append([0, length, 9])
            #expect(throws: StreamFault.invalidLength(Int(length))) { try reader.next() }
        }
        var small = StreamReader(expectsPrefix: false, longestContent: 100)
        small.append([0, 103])
        #expect(throws: StreamFault.invalidLength(103)) { try small.next() }
        var short = StreamReader(expectsPrefix: false)
        short.append([0, 5, 1, 2, 3])
        #expect(throws: StreamFault.invalidContent) { try short.next() }
    }

    @Test("random octets never harm a reader, and it never keeps more than one message")
    func noise() {
        var random = SeededRandomSource(seed: 11)
        for _ in 0..<500 {
            var reader = StreamReader(expectsPrefix: false, longestContent: 2000)
            for _ in 0..<20 {
                reader.append(random.bytes(Int(random.next32() % 300)))
                while let content = try? reader.next() { _ = content }
                #expect(reader.pendingOctets <= 2002)
            }
        }
    }
}
