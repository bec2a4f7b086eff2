import Foundation
import Management
import Testing

@Suite("The client without a gateway")
struct ClientTests {
    @Test func noSocketIsOneClearSentence() {
        let client = ManagementClient(path: "/nonexistent/control.sock")
        #expect(throws: ManagementError.notRunning(path: "/nonexistent/control.sock")) {
            try client.status()
        }
        let text = ManagementError.notRunning(path: "/x").description
        #expect(text.contains("cygnet run"))
    }

    @Test func aPathTooLongIsOneClearSentence() {
        let path = "/" + String(repeating: "x", count: 107)
        #expect(throws: ManagementError.pathTooLong(path: path, limit: 107)) {
            try ManagementClient(path: path).status()
        }
    }

    @Test func everyErrorEndsInASentence() {
        let errors: [ManagementError] = [
            .malformed("x"), .lineTooLong(limit: 1), .notRunning(path: "/x"),
            .notPermitted(path: "/x"), .pathTooLong(path: "/x", limit: 1), .closedEarly,
            .silent(seconds: 1), .system(call: "recv", code: 5),
        ]
        for error in errors { #expect(error.description.hasSuffix(".")) }
    }
}
