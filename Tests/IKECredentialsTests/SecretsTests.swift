import IKECredentials
import IPsecPrimitives
import Testing

@Suite("Secrets")
struct SecretsTests {
    @Test("the closest pair of identities wins")
    func closestPair() {
        let left = Identity.fullyQualifiedDomainName("left.example")
        let right = Identity.fullyQualifiedDomainName("right.example")
        var store = CredentialStore()
        #expect(store.presharedKey(local: left, remote: right) == nil)
        let ends: [(IdentityPattern, IdentityPattern)] = [
            (.any, .any), (.exactly(left), .any), (.any, .exactly(right)),
            (.exactly(left), .exactly(right)),
        ]
        for (index, (local, remote)) in ends.enumerated() {
            store.addPresharedKey(SecretBytes([UInt8(index)]), local: local, remote: remote)
            let found = store.presharedKey(local: left, remote: right)
            #expect(found?.isEqual(to: SecretBytes([UInt8(index)])) == true)
        }
        let stranger = Identity.keyID([1])
        let found = store.presharedKey(local: stranger, remote: stranger)
        #expect(found?.isEqual(to: SecretBytes([0])) == true)
    }
}
