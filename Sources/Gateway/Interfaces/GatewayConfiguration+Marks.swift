internal import Configuration
internal import LinuxIO

extension GatewayConfiguration {
    /// The marks of traffic classes as the kernel is told them, in the order of their numbers.
    var steeredMarks: [PacketMark] {
        trafficMarks.map { PacketMark(value: $0.value, mask: $0.mask ?? ~settings.firewallMask) }
    }

    /// Opens the device of policy-based tunnels.
    ///
    /// - Returns: the device, and what tells marks apart; nil where no traffic class asks for any, and
    ///   devices are read as if there were none.
    func openDevice(
        queues: Int
    ) throws(SystemCallFailure) -> (device: TUNDevice, steering: MarkSteering?) {
        let marks = steeredMarks
        let steering = marks.isEmpty ? nil : try MarkSteering(queues: queues)
        steering?.set(marks)
        let device = try TUNDevice(
            name: settings.interfaceName,
            queues: queues,
            steering: steering,
            marks: marks.count
        )
        return (device, steering)
    }
}
