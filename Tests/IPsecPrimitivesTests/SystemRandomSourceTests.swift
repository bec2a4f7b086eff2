import IPsecPrimitives
import Testing

@Suite struct SystemRandomSourceTests {
    @Test(arguments: [0, 1, 7, 8, 32, 300, 5000])
    func givesAsManyBytesAsAskedFor(count: Int) {
        var source = SystemRandomSource()
        #expect(source.bytes(count).count == count)
    }

    @Test func neverTheSameTwice() {
        var source = SystemRandomSource()
        #expect(Set((0..<100).map { _ in source.bytes(16) }).count == 100)
    }

    /// Every byte of a long draw is filled: each value occurs.
    @Test func everyByteIsFilled() {
        var source = SystemRandomSource()
        let bytes = source.bytes(100_000)
        #expect(Set(bytes).count == 256)
        #expect(bytes.filter { $0 == 0 }.count < 1000)
    }
}
