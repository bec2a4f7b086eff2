import Foundation
import Management
import Testing

@Suite("The documented schema")
struct DocumentationTests {
    @Test func everyMemberIsDocumented() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Documentation/status-schema.md")
        let document = try String(contentsOf: path, encoding: .utf8)
        let members = SampleStatus.json.matches(of: /"([A-Za-z]+)" :/).map { String($0.1) }
        #expect(members.count > 50)
        for member in Set(members) {
            let isNamed =
                document.contains("`\(member)`") || document.contains(".\(member)`")
                || document.contains("{\(member),") || document.contains(", \(member)}")
            #expect(
                isNamed || ["interface", "ike"].contains(member),
                "\(member) is not documented"
            )
        }
        #expect(document.contains("This is schema \(GatewayStatus.currentSchema)."))
    }
}
