/// The packet path beside its bare cipher: `esp-benchmark [--json] [NAME...]`.
///
/// A name is a part of a benchmark's, `superpacket-aes128gcm16` or `64` as octets; all that hold one
/// of the names are run.
@main struct ESPBenchmark {
    private static let rounds = 21

    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        let isJSON = arguments.contains("--json")
        let names = arguments.filter { !$0.hasPrefix("--") }
        if !isJSON { print(Measurement.heading) }
        for tunnel in BenchmarkTunnel.all {
            for traffic in BenchmarkTraffic.all {
                let name = "\(traffic.name)-\(tunnel.name)-\(traffic.payloadOctets)"
                guard names.isEmpty || names.contains(where: { name.contains($0) }) else {
                    continue
                }
                for line in try PacketPathCase(tunnel, traffic).measure(rounds: rounds) {
                    print(isJSON ? line.json : line.text)
                }
            }
        }
    }
}
