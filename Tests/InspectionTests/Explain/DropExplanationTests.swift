import Foundation
import IKEProtocol
import Inspection
import PacketProtection
import Testing

@Suite("Drops explained")
struct DropExplanationTests {
    @Test(arguments: DropReason.allCases)
    func everyReasonOfThePacketPathHasWords(reason: DropReason) throws {
        let explanation = try #require(DropExplanation.of("\(reason)"))
        #expect(explanation.cause.count > 20 && explanation.remedy.count > 20, "\(reason)")
        #expect(explanation.text.contains(explanation.cause))
    }

    @Test(arguments: MessageDropReason.allCases)
    func everyReasonOfIKEHasWords(reason: MessageDropReason) throws {
        let explanation = try #require(DropExplanation.of("ike-\(reason.rawValue)"))
        #expect(explanation.place == .ike)
        #expect(explanation.cause.count > 20 && explanation.remedy.count > 20, "\(reason)")
    }

    /// The words of sockets and devices are where the status is put together.
    @Test func everyReasonOfSocketsAndDevicesHasWords() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let source = try String(
            contentsOf: root.appending(path: "Sources/Gateway/Status/StatusReport.swift"),
            encoding: .utf8
        )
        let words = source.matches(of: /DropCount\(reason: "([a-z-]+)"/).map { String($0.1) }
        #expect(words.count >= 4)
        for word in words { #expect(DropExplanation.of(word)?.place == .device, "\(word)") }
    }

    @Test func noReasonIsThereTwice() {
        let words = DropExplanation.all.map { $0.reason.lowercased() }
        #expect(Set(words).count == words.count)
        #expect(DropExplanation.listText.split(separator: "\n").count == words.count)
    }

    @Test func capitalsDoNotCount() {
        #expect(DropExplanation.of("unknownspi")?.reason == "unknownSPI")
        #expect(DropExplanation.of("ike-unknownspi")?.reason == "ike-unknownSPI")
        #expect(DropExplanation.of("nothing") == nil)
        #expect(DropExplanation.of("") == nil)
    }
}
