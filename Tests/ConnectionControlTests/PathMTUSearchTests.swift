import IPsecPrimitives
import Testing

@testable import ConnectionControl

@Suite("The search for a path's MTU (RFC 8899)")
struct PathMTUSearchTests {
    /// Runs a search on a path that carries so much, with a cipher that works in blocks.
    private func found(
        _ path: Int,
        link: Int = 1500,
        version: IPVersion = .v4,
        from estimate: Int? = nil,
        block: Int = 1
    ) -> (estimate: Int, probes: Int) {
        var search = PathMTUSearch(link: link, version: version, estimate: estimate ?? link)
        var probes = 0
        while let octets = search.next {
            probes += 1
            let sent = octets - octets % block
            search.took(asked: octets, octets: sent, hasArrived: sent <= path)
        }
        return (search.estimate, probes)
    }

    @Test("whatever the path carries is found within eight octets, and never more than that")
    func isFound() {
        for link in [1500, 9000, 1400, 1281] {
            for block in [1, 16] {
                for path in stride(from: 577, through: link, by: 7) {
                    for estimate in [nil, 1280, 1400, 600] {
                        let result = found(path, link: link, from: estimate, block: block)
                        let least = path - 8 - block
                        #expect(
                            result.estimate <= path && result.estimate >= min(least, link)
                                || path < 600 && result.estimate == 576,
                            "\(link) \(path) \(block) \(result)"
                        )
                        #expect(result.probes <= PathMTUSearch.probes)
                    }
                }
            }
        }
    }

    @Test("a path that carries what the link does costs one probe, and one found before two more")
    func isCheap() {
        #expect(found(1500) == (1500, 1))
        #expect(found(1500, from: 1400) == (1500, 2))
    }

    @Test("IPv6 is not searched below what every link carries")
    func versionSix() {
        #expect(found(1000, version: .v6).estimate == 1280)
        #expect(found(1380, version: .v6).estimate >= 1372)
    }

    @Test("packets get smaller as soon as a size is lost")
    func fallsAtOnce() {
        var search = PathMTUSearch(link: 1500, version: .v4, estimate: 1500)
        #expect(search.next == 1500)
        search.took(asked: 1500, octets: 1500, hasArrived: false)
        #expect(search.estimate == 1280 && search.next == 1280)
        search.took(asked: 1280, octets: 1280, hasArrived: false)
        #expect(search.estimate == 576)
    }
}
