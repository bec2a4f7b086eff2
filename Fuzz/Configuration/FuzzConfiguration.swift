internal import Configuration
internal import IPsecPrimitives

/// Any bytes give either a configuration or at least one error, each with a place and a remedy;
/// what is accepted holds what it promises.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfiguration(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let result = GatewayConfiguration.read(bytes, file: "fuzz.yaml")
    precondition((result.configuration == nil) == !result.errors.isEmpty)
    for diagnostic in result.diagnostics {
        precondition(diagnostic.location.line >= 1 && diagnostic.location.column >= 1)
        precondition(!diagnostic.message.isEmpty && !diagnostic.hint.isEmpty)
        precondition(diagnostic.message.utf8.count < 1000)
    }
    if let configuration = result.configuration { check(configuration) }
    return 0
}

private func check(_ configuration: GatewayConfiguration) {
    precondition(!configuration.connections.isEmpty)
    let tunnels = configuration.connections.flatMap(\.tunnels)
    precondition(!tunnels.isEmpty)
    for tunnel in tunnels {
        precondition(!tunnel.local.isEmpty && !tunnel.remote.isEmpty)
        precondition(!tunnel.espProposals.isEmpty)
        precondition(
            Set(tunnel.local.map(\.value.version)) == Set(tunnel.remote.map(\.value.version))
        )
        precondition(configuration.policies.contains { $0.action == .protect(tunnel.path) })
    }
    for policy in configuration.policies { precondition(!policy.pairs.isEmpty) }
}
