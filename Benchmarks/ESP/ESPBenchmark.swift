internal import Glibc

/// The packet path beside its bare cipher: `esp-benchmark [--json] [NAME...]`.
///
/// A name is a part of a case's, such as `superpacket-aes128gcm16` or `single-aes128gcm16-64`; all
/// that hold one of the names are run. With `--batches N` the path alone runs so many batches of
/// them, for a program that counts instructions, and the packets of a batch are printed.
/// With `--helpers N` so many threads help with the cipher, which wants a processor for each.
/// `allocations` counts what the path asks the allocator for; `scale [PAIRS POLICIES]` measures what many SAs and policies cost.
@main struct ESPBenchmark {
    private static let rounds = 21

    static func main() throws {
        var names = Array(CommandLine.arguments.dropFirst())
        let isJSON = names.contains("--json")
        names.removeAll { $0 == "--json" }
        if let count = take("--batches", from: &names) {
            return try forEach(names) { print(try PacketPathCase($0, $1).run(batches: count)) }
        }
        let helpers = take("--helpers", from: &names).map(CipherHelpers.init)
        if names.first == "scale" {
            for line in try ScaleCase.run(Array(names.dropFirst())) {
                print(isJSON ? line.json : line.text)
            }
            return
        }
        if names.first == "allocations" {
            let lines = try AllocationCase.run()
            for line in lines { print(isJSON ? line.json : line.text) }
            // What was printed is to be read.
            exit(lines.allSatisfy { $0.allocations == 0 } ? EXIT_SUCCESS : EXIT_FAILURE)
        }
        if !isJSON { print(Measurement.heading) }
        try forEach(names) { tunnel, traffic in
            let measured = try PacketPathCase(tunnel, traffic, helpers?.desk)
            for line in measured.measure(rounds: rounds) {
                print(isJSON ? line.json : line.text)
            }
        }
    }

    /// The number behind an option, which is taken out.
    private static func take(_ option: String, from names: inout [String]) -> Int? {
        guard let place = names.firstIndex(of: option) else { return nil }
        guard place + 1 < names.count, let count = Int(names[place + 1]), count > 0 else {
            fatalError("\(option) takes a number")
        }
        names.removeSubrange(place...place + 1)
        return count
    }

    private static func forEach(
        _ names: [String],
        _ body: (BenchmarkTunnel, BenchmarkTraffic) throws -> Void
    ) rethrows {
        for tunnel in BenchmarkTunnel.all {
            for traffic in BenchmarkTraffic.all {
                let name = "\(traffic.name)-\(tunnel.name)-\(traffic.payloadOctets)"
                if names.isEmpty || names.contains(where: { name.contains($0) }) {
                    try body(tunnel, traffic)
                }
            }
        }
    }
}
