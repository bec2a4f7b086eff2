/// What a client asks of the gateway; one line of JSON, such as
/// `{"connection":"branch","request":"up","tunnel":"net"}`.
package enum ManagementRequest: Equatable, Sendable {
    /// Answered by one `status` reply.
    case status
    /// Read the configuration again. Answered by one `reloaded` reply.
    case reload
    /// Begin a connection with every tunnel of it, or one tunnel of it. Answered by `progress`
    /// replies and in the end `done` or `failed`.
    case up(connection: String, tunnel: String?)
    /// End a connection, or one tunnel of it. Answered like `up`.
    case down(connection: String, tunnel: String?)
    /// Replace the keys of a connection's Child SAs, or of those of one tunnel; with `isIKESA` those
    /// of its IKE SA. Answered like `up`.
    case rekey(connection: String, tunnel: String?, isIKESA: Bool)
    /// Shut the gateway down in good order. Answered by `done`.
    case stop
    /// Tell of packets, until the client goes away. Answered by `traced` replies, or by `failed`.
    case trace(TraceRequest)
    /// What would become of a packet? Answered by one `explained` reply, or by `failed`.
    case explain(PacketQuery)
}

extension ManagementRequest: Codable {
    private enum Name: String, Codable {
        case status, reload, up, down, rekey, stop, trace, explain
    }

    private enum CodingKeys: String, CodingKey {
        case request, connection, tunnel, trace, packet
        case isIKESA = "ikeSA"
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        switch try members.decode(Name.self, forKey: .request) {
        case .status: self = .status
        case .reload: self = .reload
        case .stop: self = .stop
        case .explain:
            self = .explain(try members.decode(PacketQuery.self, forKey: .packet))
        case .trace: self = .trace(try members.decode(TraceRequest.self, forKey: .trace))
        case .up:
            self = .up(
                connection: try members.decode(String.self, forKey: .connection),
                tunnel: try members.decodeIfPresent(String.self, forKey: .tunnel)
            )
        case .down:
            self = .down(
                connection: try members.decode(String.self, forKey: .connection),
                tunnel: try members.decodeIfPresent(String.self, forKey: .tunnel)
            )
        case .rekey:
            self = .rekey(
                connection: try members.decode(String.self, forKey: .connection),
                tunnel: try members.decodeIfPresent(String.self, forKey: .tunnel),
                isIKESA: try members.decodeIfPresent(Bool.self, forKey: .isIKESA) ?? false
            )
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .status: try members.encode(Name.status, forKey: .request)
        case .reload: try members.encode(Name.reload, forKey: .request)
        case .stop: try members.encode(Name.stop, forKey: .request)
        case .explain(let packet):
            try members.encode(Name.explain, forKey: .request)
            try members.encode(packet, forKey: .packet)
        case .trace(let trace):
            try members.encode(Name.trace, forKey: .request)
            try members.encode(trace, forKey: .trace)
        case .up(let connection, let tunnel):
            try members.encode(Name.up, forKey: .request)
            try members.encode(connection, forKey: .connection)
            try members.encodeIfPresent(tunnel, forKey: .tunnel)
        case .down(let connection, let tunnel):
            try members.encode(Name.down, forKey: .request)
            try members.encode(connection, forKey: .connection)
            try members.encodeIfPresent(tunnel, forKey: .tunnel)
        case .rekey(let connection, let tunnel, let isIKESA):
            try members.encode(Name.rekey, forKey: .request)
            try members.encode(connection, forKey: .connection)
            try members.encodeIfPresent(tunnel, forKey: .tunnel)
            if isIKESA { try members.encode(true, forKey: .isIKESA) }
        }
    }
}
