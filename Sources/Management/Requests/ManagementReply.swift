/// What the gateway answers; one line of JSON each, such as
/// `{"reply":"progress","text":"asking 192.0.2.2 for an IKE SA"}`.
package enum ManagementReply: Equatable, Sendable {
    case status(GatewayStatus)
    /// What reading the configuration again came to; the last reply.
    case reloaded(ReloadStatus)
    /// One line for the user; more replies follow.
    case progress(String)
    /// Packets that a trace has seen; more replies follow.
    case traced(TraceReport)
    /// What would become of a packet; the last reply.
    case explained(PacketStanding)
    /// The request came about; the last reply.
    case done(String)
    /// The request did not come about; the last reply.
    case failed(FailureStatus)

    package var isLast: Bool {
        switch self {
        case .progress, .traced: false
        case .status, .reloaded, .explained, .done, .failed: true
        }
    }
}

extension ManagementReply: Codable {
    private enum Name: String, Codable {
        case status, reloaded, progress, traced, explained, done, failed
    }

    private enum CodingKeys: String, CodingKey {
        case reply, status, reload, text, failure, trace, packet
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        switch try members.decode(Name.self, forKey: .reply) {
        case .status: self = .status(try members.decode(GatewayStatus.self, forKey: .status))
        case .reloaded: self = .reloaded(try members.decode(ReloadStatus.self, forKey: .reload))
        case .progress: self = .progress(try members.decode(String.self, forKey: .text))
        case .explained:
            self = .explained(try members.decode(PacketStanding.self, forKey: .packet))
        case .traced: self = .traced(try members.decode(TraceReport.self, forKey: .trace))
        case .done: self = .done(try members.decode(String.self, forKey: .text))
        case .failed: self = .failed(try members.decode(FailureStatus.self, forKey: .failure))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .status(let status):
            try members.encode(Name.status, forKey: .reply)
            try members.encode(status, forKey: .status)
        case .reloaded(let status):
            try members.encode(Name.reloaded, forKey: .reply)
            try members.encode(status, forKey: .reload)
        case .progress(let text):
            try members.encode(Name.progress, forKey: .reply)
            try members.encode(text, forKey: .text)
        case .explained(let standing):
            try members.encode(Name.explained, forKey: .reply)
            try members.encode(standing, forKey: .packet)
        case .traced(let report):
            try members.encode(Name.traced, forKey: .reply)
            try members.encode(report, forKey: .trace)
        case .done(let text):
            try members.encode(Name.done, forKey: .reply)
            try members.encode(text, forKey: .text)
        case .failed(let failure):
            try members.encode(Name.failed, forKey: .reply)
            try members.encode(failure, forKey: .failure)
        }
    }
}
