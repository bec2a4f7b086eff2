internal import IKEMessages

/// The notifications of IKE_SA_INIT that tell what an end can do.
extension IKEEngine {
    /// Of our request.
    func supportNotifies(_ connection: IKEConnection) -> [Payload] {
        var types: [NotifyType] = []
        if connection.fragmentSize != nil { types.append(.fragmentationSupported) }
        return types.map { .notify(NotifyPayload($0)) }
    }

    /// Of our answer to a request that holds `content`, and what is agreed by it.
    func agree(
        on content: MessageContent,
        _ connection: IKEConnection
    ) -> (agreed: AgreedExtensions, notifies: [Payload]) {
        var agreed: AgreedExtensions = []
        var types: [NotifyType] = []
        if connection.fragmentSize != nil, content.notify(.fragmentationSupported) != nil {
            agreed.insert(.fragmentation)
            types.append(.fragmentationSupported)
        }
        return (agreed, types.map { .notify(NotifyPayload($0)) })
    }

    /// What an answer to our request agrees on.
    func agreed(in content: MessageContent, _ connection: IKEConnection) -> AgreedExtensions {
        var agreed: AgreedExtensions = []
        if connection.fragmentSize != nil, content.notify(.fragmentationSupported) != nil {
            agreed.insert(.fragmentation)
        }
        return agreed
    }
}
