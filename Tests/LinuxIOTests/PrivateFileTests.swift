internal import Foundation
internal import Glibc
internal import LinuxIO
internal import Testing

@Suite("Files that their owner alone may read")
struct PrivateFileTests {
    private let folder: String
    private var path: String { folder + "/packets" }

    init() throws {
        folder =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("cygnet-\(UUID().uuidString.prefix(8))").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func write(_ text: String, to file: FileDescriptor) {
        FileHandle(fileDescriptor: file.number, closeOnDealloc: false).write(Data(text.utf8))
    }

    private func mode(_ path: String) throws -> Int? {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return attributes[.posixPermissions] as? Int
    }

    private func text(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("takes the place of a plain file, which others go on reading as it was")
    func replaces() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "old".write(toFile: path, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        try FileManager.default.linkItem(atPath: path, toPath: folder + "/other")
        let reader = try #require(FileHandle(forReadingAtPath: path))
        write("new", to: try PrivateFile.replace(path))
        #expect(text(path) == "new")
        #expect(try mode(path) == 0o600)
        #expect(text(folder + "/other") == "old")
        #expect(try reader.readToEnd() == Data("old".utf8))
        #expect(throws: SystemCallFailure.self) { try PrivateFile.create(path) }
    }

    @Test("is made where there is none, whatever others may by default")
    func makes() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        write("new", to: try PrivateFile.replace(path))
        #expect(try mode(path) == 0o600 && text(path) == "new")
    }

    @Test("goes through no link, and over nothing that is no plain file")
    func refuses() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "precious".write(toFile: folder + "/target", atomically: false, encoding: .utf8)
        func refusal() -> String {
            do throws(SystemCallFailure) {
                _ = try PrivateFile.replace(path)
                return "made"
            } catch {
                return error.remedy
            }
        }
        for target in ["/target", "/nothing"] {
            try FileManager.default.createSymbolicLink(
                atPath: path,
                withDestinationPath: folder + target
            )
            #expect(refusal() == "It is no plain file: remove it, or name another.")
            try FileManager.default.removeItem(atPath: path)
        }
        #expect(text(folder + "/target") == "precious" && text(folder + "/nothing") == nil)
        #expect(unsafe mkfifo(path, 0o600) == 0)
        #expect(refusal() == "It is no plain file: remove it, or name another.")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(refusal() == "It is no plain file: remove it, or name another.")
    }

    @Test("is not made in the place of another user's", .enabled(if: geteuid() == 0))
    func refusesAnothers() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "theirs".write(toFile: path, atomically: false, encoding: .utf8)
        #expect(unsafe chown(path, 12_345, 12_345) == 0)
        #expect(throws: SystemCallFailure.self) { try PrivateFile.replace(path) }
        #expect(text(path) == "theirs")
    }
}
