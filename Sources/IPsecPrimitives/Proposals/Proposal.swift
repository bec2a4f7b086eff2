/// A set of transforms from which the other end picks one of each type (RFC 7296 §3.3).
///
/// As configuration writes it, without number and SPI, which belong to one message.
package struct Proposal: Hashable, Sendable {
    package let securityProtocol: SecurityProtocol
    /// In order of preference within each type.
    package let transforms: [Transform]

    package init(securityProtocol: SecurityProtocol, transforms: [Transform]) {
        self.securityProtocol = securityProtocol
        self.transforms = transforms
    }

    package func transforms(of type: TransformType) -> [Transform] {
        transforms.filter { $0.type == type }
    }

    /// The types that occur, in ascending order.
    package var types: [TransformType] {
        Set(transforms.map(\.type)).sorted()
    }

    package var encryption: [Transform] { transforms(of: .encryption) }

    package var keyExchangeMethods: [KeyExchangeMethod] {
        transforms(of: .keyExchange).map { KeyExchangeMethod(rawValue: $0.identifier) }
    }
}

extension Proposal: CustomStringConvertible {
    /// In the keywords of the configuration: `aes256gcm16-prfsha256-x25519`.
    package var description: String {
        transforms.map(ProposalKeyword.name(of:)).joined(separator: "-")
    }
}
