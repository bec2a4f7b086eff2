internal import IPsecPrimitives

/// What a tunnel does against the analysis of its traffic.
extension TunnelSection {
    static let trafficFlowKeys = ["pad-to", "dummy-packets", "ip-tfs"]

    func readTrafficFlow(_ reader: MappingReader, into tunnel: inout TunnelConfiguration) {
        tunnel.carriage.padTo = reader.value("pad-to", default: .off, TunnelSection.padding)
        tunnel.carriage.dummiesPerSecond = reader.value("dummy-packets", default: nil) {
            (text) throws(Complaint) in
            try NumberText.integer(ConfigurationLimits.dummyPackets, orWord: "off")(text)
        }
        tunnel.carriage.train = readTrain(reader)
        checkTrafficFlow(tunnel)
    }

    private static func padding(_ text: String) throws(Complaint) -> PaddingLength {
        switch text {
        case "off", "false": return .off
        case "mtu": return .mtu
        default:
            do throws(Complaint) {
                return .bytes(try NumberText.integer(ConfigurationLimits.innerMTU)(text))
            } catch {
                throw Complaint(error.message, hint: "\(error.hint), or mtu, or off")
            }
        }
    }

    private func readTrain(_ outer: MappingReader) -> TrainConfiguration? {
        guard let node = outer.node("ip-tfs") else { return nil }
        if case .scalar("off") = node.content { return nil }
        guard
            let reader = MappingReader(
                node,
                subject: "ip-tfs of tunnel \"\(path)\"",
                keys: ["rate", "packet-size", "queue", "reorder-window", "optional"],
                problems: problems
            ),
            let rate = reader.required(
                "rate",
                hint: "write what the line carries at any time, as in `rate: 10Mbit`",
                NumberText.bitRate(ConfigurationLimits.trainRate)
            )
        else { return nil }
        var train = TrainConfiguration(rate: rate)
        train.packetSize = reader.value(
            "packet-size",
            default: nil,
            NumberText.integer(ConfigurationLimits.trainPacket, orWord: "auto")
        )
        train.queue = reader.value(
            "queue",
            default: .milliseconds(100),
            NumberText.duration(ConfigurationLimits.trainQueue)
        )
        train.reorderWindow = reader.value(
            "reorder-window",
            default: 3,
            NumberText.integer(ConfigurationLimits.trainReorder)
        )
        train.isOptional = reader.value("optional", default: false, WordText.boolean)
        return train
    }

    private func checkTrafficFlow(_ tunnel: TunnelConfiguration) {
        let carriage = tunnel.carriage
        let wanted: [(key: String, location: SourceLocation)] = [
            carriage.padTo.value != .off ? ("pad-to", carriage.padTo.location) : nil,
            carriage.dummiesPerSecond.value != nil
                ? ("dummy-packets", carriage.dummiesPerSecond.location) : nil,
            carriage.train.map { ("ip-tfs", $0.rate.location) },
        ].compactMap(\.self)
        for (key, location) in wanted {
            if carriage.mode.value == .transport {
                problems.error(
                    at: location,
                    "\"\(key)\" of tunnel \"\(path)\" needs tunnel mode: in transport mode a packet "
                        + "does not tell where it ends",
                    hint: "write `mode: tunnel`, or remove \(key)"
                )
            }
            if !carriage.ahProposals.isEmpty {
                problems.error(
                    at: location,
                    "\"\(key)\" of tunnel \"\(path)\" hides nothing where AH may carry the packets, "
                        + "which anybody can read",
                    hint: "remove ah-proposals, or remove \(key)"
                )
            }
        }
        if let compression = carriage.compression.first, carriage.padTo.value != .off {
            problems.error(
                at: compression.location,
                "\"compression\" of tunnel \"\(path)\" does not go with pad-to: a packet that is padded "
                    + "has to tell its length itself (RFC 4303 §2.7)",
                hint: "remove compression, or remove pad-to"
            )
        }
        if let train = carriage.train { checkTrain(train, tunnel) }
        if carriage.train == nil, carriage.dummiesPerSecond.value != nil,
            carriage.padTo.value == .off
        {
            problems.warning(
                at: carriage.dummiesPerSecond.location,
                "dummy packets of tunnel \"\(path)\" have the largest length, and other packets "
                    + "theirs: they can be told apart",
                hint: "add `pad-to: mtu`"
            )
        }
    }

    private func checkTrain(_ train: TrainConfiguration, _ tunnel: TunnelConfiguration) {
        let carriage = tunnel.carriage
        func refuse(_ key: String, at location: SourceLocation, _ reason: String) {
            problems.error(
                at: location,
                "\"\(key)\" of tunnel \"\(path)\" does not go with ip-tfs: \(reason)",
                hint: "remove \(key), or remove ip-tfs"
            )
        }
        if carriage.padTo.value != .off {
            refuse("pad-to", at: carriage.padTo.location, "all its packets have one length anyway")
        }
        if carriage.dummiesPerSecond.value != nil {
            refuse(
                "dummy-packets",
                at: carriage.dummiesPerSecond.location,
                "its packets go at one rate anyway"
            )
        }
        if !carriage.populated.value.isEmpty {
            refuse(
                "sa-per",
                at: carriage.populated.location,
                "each \(carriage.populated.value) would begin a train of its own, which tells of it"
            )
        }
        if let compression = carriage.compression.first {
            refuse("compression", at: compression.location, "its packets have one length anyway")
        }
        if carriage.resources.value > 1 {
            refuse("resources", at: carriage.resources.location, "one SA carries the train")
        }
        if !carriage.codePointSets.value.isEmpty {
            refuse(
                "sa-per-dscp",
                at: carriage.codePointSets.location,
                "each SA would have a train of its own, whose fill tells of the class"
            )
        }
        if let size = train.packetSize.value, size > settings.linkMTU {
            problems.error(
                at: train.packetSize.location,
                "packet-size \(size) of tunnel \"\(path)\" is more than link-mtu "
                    + "\(settings.linkMTU)",
                hint: "write auto, or raise link-mtu if the path carries more"
            )
        }
    }
}
