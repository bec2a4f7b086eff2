import Foundation
import Inspection
import Management
import Testing

@Suite("A trace as a capture")
struct TraceCaptureTests {
    /// A block of a pcapng file.
    private struct Block {
        var type: UInt32
        var body: [UInt8]
    }

    private func blocks(_ file: [UInt8]) -> [Block] {
        func word(_ bytes: ArraySlice<UInt8>) -> UInt32 {
            bytes.reduce(0) { $0 << 8 | UInt32($1) }
        }
        var result: [Block] = []
        var rest = file[...]
        while rest.count >= 12 {
            let type = word(rest.prefix(4))
            let length = Int(word(rest.dropFirst(4).prefix(4)))
            guard length >= 12, length % 4 == 0, length <= rest.count,
                word(rest.dropFirst(length - 4).prefix(4)) == UInt32(length)
            else { return [] }
            result.append(Block(type: type, body: Array(rest.prefix(length - 4).dropFirst(8))))
            rest = rest.dropFirst(length)
        }
        return rest.isEmpty ? result : []
    }

    private func entries(_ octets: [UInt8], _ direction: TraceRequest.Direction) -> [TraceEntry] {
        var decision = SampleTrace.entry(direction == .outbound ? .sealed : .opened, direction)
        decision.octets = Data([0x45] + [UInt8](repeating: 1, count: 27)).base64EncodedString()
        decision.packet?.octets = 28
        var datagram = SampleTrace.entry(.datagram, direction)
        datagram.octets = Data(octets).base64EncodedString()
        datagram.protection?.octets = octets.count
        return [decision, datagram]
    }

    @Test(arguments: TraceRequest.Direction.allCases)
    func packetsAreThereBeforeAndAfter(direction: TraceRequest.Direction) throws {
        var capture = TraceCapture(snapLength: 2000)
        var file = capture.header
        for entry in entries([0xc0, 0xff, 0xee, 0x42, 0, 0, 0, 17, 9], direction) {
            let block = capture.block(of: entry)
            file += try #require(block)
        }
        #expect(capture.innerPackets == 1 && capture.outerPackets == 1)
        let blocks = blocks(file)
        #expect(blocks.map(\.type) == [0x0a0d_0d0a, 1, 1, 6, 6])
        #expect(Array(blocks[1].body[0..<8]) == [0, 101, 0, 0, 0, 0, 7, 208])
        #expect(String(decoding: blocks[1].body, as: UTF8.self).contains("inner"))
        #expect(String(decoding: blocks[2].body, as: UTF8.self).contains("outer"))
        #expect(Array(blocks[3].body[12..<24]) == [0, 0, 0, 28, 0, 0, 0, 28, 0x45, 1, 1, 1])
        #expect(String(decoding: blocks[3].body, as: UTF8.self).contains("branch/net (a.yaml:12)"))
        let outer = blocks[4].body
        #expect(Array(outer[0..<4]) == [0, 0, 0, 1])
        #expect(Array(outer[12..<20]) == [0, 0, 0, 37, 0, 0, 0, 37])
        let packet = Array(outer[20..<57])
        let (near, far): ([UInt8], [UInt8]) = ([192, 0, 2, 1], [198, 51, 100, 1])
        #expect(Array(packet[0..<10]) == [0x45, 0, 0, 37, 0, 0, 0, 0, 64, 17])
        #expect(Array(packet[12..<20]) == (direction == .outbound ? near + far : far + near))
        #expect(Array(packet[20..<28]) == [0x11, 0x94, 0x11, 0x94, 0, 17, 0, 0])
        #expect(Array(packet[28...]) == [0xc0, 0xff, 0xee, 0x42, 0, 0, 0, 17, 9])
    }

    @Test func whatWasCutSaysHowLongItWas() throws {
        var capture = TraceCapture(snapLength: 64)
        var datagram = entries([1, 2, 3, 4], .outbound)[1]
        datagram.protection?.octets = 1436
        let made = capture.block(of: datagram)
        let block = try #require(made)
        // Captured 20 + 8 + 4, of 20 + 8 + 1436.
        #expect(Array(block[20..<28]) == [0, 0, 0, 32, 0, 0, 5, 184])
        #expect(Array(block[28..<32]) == [0x45, 0, 5, 184])
    }

    @Test func rawESPHasNoPorts() throws {
        var capture = TraceCapture(snapLength: 64)
        var datagram = entries([1, 2, 3, 4], .outbound)[1]
        datagram.path = TraceEntry.Path(
            local: "2001:db8::1",
            remote: "2001:db8::2",
            localPort: nil,
            remotePort: nil,
            carrier: "ip"
        )
        let made = capture.block(of: datagram)
        let block = try #require(made)
        #expect(Array(block[28..<36]) == [0x60, 0, 0, 0, 0, 4, 50, 64])
        #expect(Array(block[68..<72]) == [1, 2, 3, 4])
    }

    @Test func whatIsNoPacketIsLeftOut() {
        var capture = TraceCapture(snapLength: 64)
        var datagram = entries([1, 2, 3, 4], .outbound)[1]
        datagram.path?.local = "nowhere"
        var blocks = [capture.block(of: datagram)]
        datagram.octets = "!"
        blocks.append(capture.block(of: datagram))
        blocks.append(capture.block(of: SampleTrace.entry(.sealed)))
        #expect(blocks == [nil, nil, nil])
        #expect(capture.innerPackets == 0 && capture.outerPackets == 0)
    }
}
