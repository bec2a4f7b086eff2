internal import Configuration
internal import Glibc
internal import LinuxIO

/// How many workers carry packets, and where.
struct WorkerPlan {
    let count: Int
    /// One for each worker; empty: the system chooses.
    let processors: [Int]

    /// Processors that are named and that this process may not use are refused.
    init(
        _ settings: GatewaySettings,
        usable: [Int] = Processors.usable()
    ) throws(SystemCallFailure) {
        processors = settings.workerProcessors
        let automatic = processors.isEmpty ? usable.count : processors.count
        count = min(settings.workers ?? automatic, GatewaySettings.workerLimit)
        for processor in processors where !usable.contains(processor) {
            let names = usable.map(String.init).joined(separator: ", ")
            throw SystemCallFailure(
                call: "sched_setaffinity(processor \(processor))",
                errorNumber: EINVAL,
                remedy: "Name in worker-cpus what this process may use: \(names)."
            )
        }
    }
}
