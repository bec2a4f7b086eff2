internal import Foundation
internal import LinuxIO
internal import Testing

@Suite("Pipes that nobody reads")
struct BrokenPipeTests {
    @Test("are known before anything is written")
    func known() throws {
        let pipe = Pipe()
        let end = pipe.fileHandleForWriting.fileDescriptor
        #expect(!BrokenPipe.isThere(at: end))
        try pipe.fileHandleForReading.close()
        #expect(BrokenPipe.isThere(at: end))
        let file = try #require(FileHandle(forWritingAtPath: "/dev/null"))
        #expect(!BrokenPipe.isThere(at: file.fileDescriptor))
    }
}
