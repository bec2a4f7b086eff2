/// The packet path beside its bare cipher: `esp-benchmark [--json] [NAME...]`.
///
/// A name is a part of a case's, such as `superpacket-aes128gcm16` or `single-aes128gcm16-64`; all
/// that hold one of the names are run. With `--batches N` the path alone runs so many batches of
/// them, for a program that counts instructions, and the packets of a batch are printed.
/// `scale [PAIRS POLICIES]` measures what many SAs and policies cost.
@main struct ESPBenchmark {
    private static let rounds = 21

    static func main() throws {
        var names = Array(CommandLine.arguments.dropFirst())
        let isJSON = names.contains("--json")
        names.removeAll { $0 == "--json" }
        if let option = names.firstIndex(of: "--batches") {
            guard option + 1 < names.count, let count = Int(names[option + 1]), count > 0 else {
                fatalError("--batches takes a number")
            }
            names.removeSubrange(option...option + 1)
            return try forEach(names) { print(try PacketPathCase($0, $1).run(batches: count)) }
        }
        if names.first == "scale" {
            for line in try ScaleCase.run(Array(names.dropFirst())) {
                print(isJSON ? line.json : line.text)
            }
            return
        }
        if !isJSON { print(Measurement.heading) }
        try forEach(names) { tunnel, traffic in
            for line in try PacketPathCase(tunnel, traffic).measure(rounds: rounds) {
                print(isJSON ? line.json : line.text)
            }
        }
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
