/// The packet path beside its bare cipher: `esp-benchmark [--json]`.
@main struct ESPBenchmark {
    private static let rounds = 21

    static func main() throws {
        let isJSON = CommandLine.arguments.contains("--json")
        if !isJSON { print(Measurement.heading) }
        for tunnel in BenchmarkTunnel.all {
            for traffic in BenchmarkTraffic.all {
                for line in try PacketPathCase(tunnel, traffic).measure(rounds: rounds) {
                    print(isJSON ? line.json : line.text)
                }
            }
        }
    }
}
