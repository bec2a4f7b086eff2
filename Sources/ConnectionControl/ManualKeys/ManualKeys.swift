package import Configuration
package import IPsecCrypto
internal import IPsecPrimitives

/// The keys of the tunnels whose keys are manual, read from their files.
package struct ManualKeys: Sendable {
    /// Of one tunnel.
    package struct Pair: Sendable {
        package let inbound: ESPKeys
        package let outbound: ESPKeys

        package init(inbound: ESPKeys, outbound: ESPKeys) {
            self.inbound = inbound
            self.outbound = outbound
        }

        func isEqual(to other: Pair) -> Bool {
            inbound.isEqual(to: other.inbound) && outbound.isEqual(to: other.outbound)
        }
    }

    private var pairs: [TunnelPath: Pair] = [:]

    package init() {}

    package subscript(path: TunnelPath) -> Pair? {
        get { pairs[path] }
        set { pairs[path] = newValue }
    }

    /// Whether a tunnel has the keys that it has in `other`, or none in both.
    func hasSameKeys(as other: ManualKeys, for path: TunnelPath) -> Bool {
        switch (pairs[path], other.pairs[path]) {
        case (nil, nil): true
        case (let mine?, let theirs?): mine.isEqual(to: theirs)
        case (nil, _?), (_?, nil): false
        }
    }
}

extension ESPKeys {
    fileprivate func isEqual(to other: ESPKeys) -> Bool {
        // Both are compared, so that the time tells nothing.
        let isSameEncryption = encryption.isEqual(to: other.encryption)
        let isSameIntegrity = integrity.isEqual(to: other.integrity)
        return isSameEncryption && isSameIntegrity
    }
}
