import Management
import Testing

@Suite("The control socket's language")
struct CodecTests {
    @Test(arguments: [
        (ManagementRequest.status, #"{"request":"status"}"#),
        (.stop, #"{"request":"stop"}"#), (.reload, #"{"request":"reload"}"#),
        (.up(connection: "branch", tunnel: nil), #"{"connection":"branch","request":"up"}"#),
        (
            .up(connection: "branch", tunnel: "net"),
            #"{"connection":"branch","request":"up","tunnel":"net"}"#
        ),
        (
            .down(connection: "branch", tunnel: "net"),
            #"{"connection":"branch","request":"down","tunnel":"net"}"#
        ),
        (
            .rekey(connection: "branch", tunnel: "net", isIKESA: false),
            #"{"connection":"branch","request":"rekey","tunnel":"net"}"#
        ),
        (
            .rekey(connection: "branch", tunnel: nil, isIKESA: true),
            #"{"connection":"branch","ikeSA":true,"request":"rekey"}"#
        ),
        (
            .trace(TraceRequest(addresses: ["10.1.0.0/16"], port: 443, dropsOnly: true)),
            #"{"request":"trace","trace":{"addresses":["10.1.0.0/16"],"dropsOnly":true,"#
                + #""keys":false,"perSecond":500,"port":443,"reasons":[],"sample":1}}"#
        ),
    ])
    func requestsAreSteady(request: ManagementRequest, line: String) throws {
        #expect(ManagementCodec.encode(request) == Array(line.utf8) + [0x0A])
        #expect(try ManagementCodec.request(from: Array(line.utf8)) == request)
    }

    @Test(arguments: [
        ManagementReply.status(SampleStatus.whole), .progress("one\ntwo"), .done("up"),
        .failed(SampleStatus.failure),
        .traced(TraceReport(entries: [], beyondRate: 1, lost: 2, keys: ["x"])),
        .reloaded(
            ReloadStatus(
                file: "a.yaml",
                isInForce: true,
                kept: ["branch"],
                changed: [.init(name: "branch/net", keys: ["local"])],
                problems: [.init(place: nil, text: "warning: x", remedy: nil)]
            )
        ),
    ])
    func repliesComeBackAsTheyWere(reply: ManagementReply) throws {
        let line = ManagementCodec.encode(reply)
        #expect(line.last == 0x0A)
        #expect(line.dropLast().contains(0x0A) == false)
        #expect(try ManagementCodec.reply(from: line.dropLast()) == reply)
    }

    @Test func onlyProgressIsFollowedByMore() {
        #expect(!ManagementReply.progress("x").isLast)
        #expect(!ManagementReply.traced(TraceReport(entries: [])).isLast)
        #expect(ManagementReply.done("x").isLast)
        #expect(ManagementReply.failed(SampleStatus.failure).isLast)
    }

    /// What scripts rely on: a change here is a new schema.
    @Test func theSchemaIsSteady() throws {
        let json = ManagementCodec.readableJSON(SampleStatus.whole)
        #expect(json == SampleStatus.json)
    }

    @Test func whatIsAbsentIsLeftOut() {
        let down = ConnectionStatus(
            name: "branch",
            state: .down,
            localAddress: nil,
            remoteAddress: nil,
            localIdentity: "a",
            remoteIdentity: "b"
        )
        let json = ManagementCodec.readableJSON(down)
        #expect(!json.contains("ikeSA"))
        #expect(!json.contains("lastFailure"))
        #expect(!json.contains("null"))
    }

    @Test(arguments: [
        "", "{}", "[]", "x", #"{"request":"reboot"}"#, #"{"request":"up"}"#,
        #"{"request":7}"#, #"{"connection":[],"request":"up"}"#,
        String(repeating: "[", count: 4000),
    ])
    func garbageIsRefused(line: String) {
        #expect(throws: ManagementError.self) {
            try ManagementCodec.request(from: Array(line.utf8))
        }
        #expect(throws: ManagementError.self) { try ManagementCodec.reply(from: Array(line.utf8)) }
    }

    @Test func aRefusalNamesTheMember() {
        #expect(
            throws: ManagementError.malformed(
                "No value associated with key CodingKeys(stringValue: \"connection\", intValue: nil) (\"connection\")."
            )
        ) {
            try ManagementCodec.request(from: Array(#"{"request":"up"}"#.utf8))
        }
    }

    @Test func numbersThatAreNotFiniteHaveAForm() throws {
        var failure = SampleStatus.failure
        failure.ageSeconds = .infinity
        let line = ManagementCodec.encode(.failed(failure))
        #expect(try ManagementCodec.reply(from: line.dropLast()) == .failed(failure))
    }
}
