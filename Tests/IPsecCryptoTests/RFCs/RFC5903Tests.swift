import IPsecCrypto
import IPsecPrimitives
import Testing

/// The example exchanges of RFC 5903 §8: public values and shared secrets as IKE carries them.
@Suite struct RFC5903Tests {
    private func check(
        _ method: KeyExchangeMethod,
        i: String,
        gi: String,
        r: String,
        gr: String,
        secret: String
    ) throws {
        var initiatorRandom: any RandomSource = FixedRandomSource(content: hex(i))
        var responderRandom: any RandomSource = FixedRandomSource(content: hex(r))
        let initiator = try KeyExchangeKeyPair.generate(method, random: &initiatorRandom)
        let responder = try KeyExchangeKeyPair.generate(method, random: &responderRandom)
        #expect(initiator.publicValue == hex(gi))
        #expect(responder.publicValue == hex(gr))
        #expect(try initiator.sharedSecret(with: hex(gr)).copy() == hex(secret))
        #expect(try responder.sharedSecret(with: hex(gi)).copy() == hex(secret))
    }

    @Test func group19() throws {
        try check(
            .ecp256,
            i: "C88F01F5 10D9AC3F 70A292DA A2316DE5 44E9AAB8 AFE84049 C62A9C57 862D1433",
            gi: """
                DAD0B653 94221CF9 B051E1FE CA5787D0 98DFE637 FC90B9EF 945D0C37 72581180
                5271A046 1CDB8252 D61F1C45 6FA3E59A B1F45B33 ACCF5F58 389E0577 B8990BB3
                """,
            r: "C6EF9C5D 78AE012A 011164AC B397CE20 88685D8F 06BF9BE0 B283AB46 476BEE53",
            gr: """
                D12DFB52 89C8D4F8 1208B702 70398C34 2296970A 0BCCB74C 736FC755 4494BF63
                56FBF3CA 366CC23E 8157854C 13C58D6A AC23F046 ADA30F83 53E74F33 039872AB
                """,
            secret: "D6840F6B 42F6EDAF D13116E0 E1256520 2FEF8E9E CE7DCE03 812464D0 4B9442DE"
        )
    }

    @Test func group20() throws {
        try check(
            .ecp384,
            i: """
                099F3C70 34D4A2C6 99884D73 A375A67F 7624EF7C 6B3C0F16 0647B674 14DCE655
                E35B5380 41E649EE 3FAEF896 783AB194
                """,
            gi: """
                667842D7 D180AC2C DE6F74F3 7551F557 55C7645C 20EF73E3 1634FE72 B4C55EE6
                DE3AC808 ACB4BDB4 C88732AE E95F41AA
                9482ED1F C0EEB9CA FC498462 5CCFC23F 65032149 E0E144AD A0241815 35A0F38E
                EB9FCFF3 C2C947DA E69B4C63 4573A81C
                """,
            r: """
                41CB0779 B4BDB85D 47846725 FBEC3C94 30FAB46C C8DC5060 855CC9BD A0AA2942
                E0308312 916B8ED2 960E4BD5 5A7448FC
                """,
            gr: """
                E558DBEF 53EECDE3 D3FCCFC1 AEA08A89 A987475D 12FD950D 83CFA417 32BC509D
                0D1AC43A 0336DEF9 6FDA41D0 774A3571
                DCFBEC7A ACF31964 72169E83 8430367F 66EEBE3C 6E70C416 DD5F0C68 759DD1FF
                F83FA401 42209DFF 5EAAD96D B9E6386C
                """,
            secret: """
                11187331 C279962D 93D60424 3FD592CB 9D0A926F 422E4718 7521287E 7156C5C4
                D6031355 69B9E9D0 9CF5D4A2 70F59746
                """
        )
    }
}
