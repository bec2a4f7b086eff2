/// The choice of additional key exchange methods (RFC 9370 §2.2.1).
package enum AdditionalMethods {
    /// One method of each list, in the order of preference of the lists, so that none comes twice
    /// but NONE; nil when that cannot be done.
    ///
    /// - Parameter first: the method of the first key exchange, which is not repeated either:
    ///   RFC 9370 leaves that open, and some peers refuse it.
    package static func distinct(
        _ lists: [[KeyExchangeMethod]],
        besides first: KeyExchangeMethod? = nil
    ) -> [KeyExchangeMethod]? {
        var chosen: [KeyExchangeMethod] = []
        return extend(&chosen, lists, first) ? chosen : nil
    }

    /// At most seven lists, each of what a configured proposal has of one type.
    private static func extend(
        _ chosen: inout [KeyExchangeMethod],
        _ lists: [[KeyExchangeMethod]],
        _ first: KeyExchangeMethod?
    ) -> Bool {
        guard chosen.count < lists.count else { return true }
        for method in lists[chosen.count] {
            guard method == .none || (method != first && !chosen.contains(method)) else { continue }
            chosen.append(method)
            if extend(&chosen, lists, first) { return true }
            chosen.removeLast()
        }
        return false
    }
}

extension Proposal {
    /// The methods of Additional Key Exchange 1 to 7 that occur, each with its type, in their
    /// order; those without NONE must take place.
    package var additionalKeyExchanges: [(type: TransformType, methods: [KeyExchangeMethod])] {
        TransformType.additionalKeyExchanges.compactMap { type in
            let methods = transforms(of: type).map { KeyExchangeMethod(rawValue: $0.identifier) }
            return methods.isEmpty ? nil : (type, methods)
        }
    }

    package var hasAdditionalKeyExchanges: Bool {
        transforms.contains { $0.type.isAdditionalKeyExchange }
    }
}
