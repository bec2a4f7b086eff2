import Configuration
import IPsecPrimitives
import Testing

@testable import ConnectionControl

@Suite("The search for a peer")
struct PeerSearchTests {
    private let one = IPAddress("192.0.2.1")!
    private let two = IPAddress("192.0.2.2")!

    @Test("of a name whose addresses come in another order each time, each is called once")
    func roundRobin() {
        var names = HostNames()
        var search = PeerSearch()
        var calls: [PeerSearch.Step] = []
        for answer in [[one, two], [two, one], [one, two]] {
            _ = names.ask("gate.example")
            _ = names.answer("gate.example", answer, lifetime: .seconds(5), at: .origin)
            calls.append(
                search.next(of: [.name("gate.example")], names, version: nil, at: .origin)
            )
        }
        #expect(calls == [.call(one), .call(two), .exhausted])
    }
}
