import IKEMessages
import IPsecPrimitives
import Testing

/// What single payloads accept and refuse.
@Suite struct PayloadTests {
    private func read<Body: PayloadBody>(
        _ type: Body.Type,
        _ body: [UInt8]
    ) throws(MalformedMessage) -> Body {
        var reader = PayloadReader(body[...])
        let payload = try Body(reading: &reader)
        try reader.expectEnd()
        return payload
    }

    @Test(arguments: [0, 15, 257, 1000])
    func nonceOfForbiddenLength(octets: Int) {
        #expect(throws: MalformedMessage.self) {
            try read(NoncePayload.self, Array(repeating: 0, count: octets))
        }
    }

    /// AUTH covers the identity as it came, RESERVED included (RFC 7296 §2.15).
    @Test func identityKeepsItsReservedField() throws {
        let body: [UInt8] = [2, 0xde, 0xad, 0x01, 0x61]
        let payload = try read(IdentificationPayload.self, body)
        #expect(payload.type == .fqdn && payload.data == [0x61])
        #expect(payload.body == body)
    }

    @Test func identityAddressesOfWrongLength() {
        for (type, octets) in [(1, 3), (1, 16), (5, 4), (5, 17)] as [(UInt8, Int)] {
            #expect(throws: MalformedMessage.self) {
                try read(
                    IdentificationPayload.self,
                    [type, 0, 0, 0] + Array(repeating: 0, count: octets)
                )
            }
        }
    }

    @Test func deleteOfTheIKESA() throws {
        let payload = try read(DeletePayload.self, [1, 0, 0, 0])
        #expect(payload == .ikeSA && payload.isIKESA && payload.childSPIs.isEmpty)
    }

    @Test func deleteOfChildSAs() throws {
        let payload = try read(DeletePayload.self, [3, 4, 0, 2, 0, 0, 1, 0, 0, 0, 1, 1])
        #expect(payload.childSPIs == [SPI(rawValue: 256), SPI(rawValue: 257)])
    }

    @Test(
        arguments: [
            [1, 8, 0, 0], [1, 0, 0, 1], [3, 0, 0, 0], [3, 8, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8],
            [3, 4, 0, 2, 0, 0, 1, 0], [3, 4, 0, 1, 0, 0, 1, 0, 0], [9, 0, 0xff, 0xff],
            [3, 4, 0xff, 0xff],
        ] as [[UInt8]]
    )
    func deleteThatCannotBe(body: [UInt8]) {
        #expect(throws: MalformedMessage.self) { try read(DeletePayload.self, body) }
    }

    @Test func notifyAboutAChildSA() throws {
        let payload = try read(NotifyPayload.self, [3, 4, 0x40, 9, 0xca, 0xfe, 0, 1, 7])
        #expect(payload.type == .rekeySA && payload.childSPI == SPI(rawValue: 0xcafe_0001))
        #expect(payload.data == [7])
        #expect(throws: MalformedMessage.self) {
            try read(NotifyPayload.self, [3, 4, 0x40, 9, 0xca])
        }
    }

    @Test func selectorCountMustBeRight() {
        let selector: [UInt8] = [7, 0, 0, 16, 0, 0, 255, 255, 10, 0, 0, 0, 10, 0, 0, 255]
        for count: UInt8 in [0, 2, 255] {
            #expect(throws: MalformedMessage.self) {
                try read(TrafficSelectorPayload.self, [count, 0, 0, 0] + selector)
            }
        }
        #expect(throws: MalformedMessage.self) {
            try read(TrafficSelectorPayload.self, [0, 0, 0, 0])
        }
    }

    @Test func selectors() throws {
        let payload = try read(
            TrafficSelectorPayload.self,
            [3, 9, 9, 9] + [7, 6, 0, 16, 1, 187, 1, 187, 10, 0, 0, 0, 10, 0, 0, 255]
                + [9, 0, 0, 6, 1, 2] + [7, 17, 0, 16, 255, 255, 0, 0, 10, 0, 0, 1, 10, 0, 0, 1]
        )
        #expect(
            payload.selectors.map(\.description) == [
                "10.0.0.0/24[tcp/443]", "10.0.0.1/32[udp/opaque]",
            ]
        )
        #expect(payload.entries.count == 3)
    }

    @Test(
        arguments: [
            // Upside down; ports upside down; ports without a protocol; a length of the other version.
            [7, 0, 0, 16, 0, 0, 255, 255, 10, 0, 0, 2, 10, 0, 0, 1],
            [7, 6, 0, 16, 0, 2, 0, 1, 10, 0, 0, 1, 10, 0, 0, 1],
            [7, 0, 0, 16, 0, 1, 0, 1, 10, 0, 0, 1, 10, 0, 0, 1],
            [8, 0, 0, 16, 0, 0, 255, 255, 10, 0, 0, 1, 10, 0, 0, 1],
            [9, 0, 0, 3],
        ] as [[UInt8]]
    )
    func selectorThatCannotBe(selector: [UInt8]) {
        #expect(throws: MalformedMessage.self) {
            try read(TrafficSelectorPayload.self, [1, 0, 0, 0] + selector)
        }
    }

    @Test func eapLengthIsThatOfThePayload() throws {
        let payload = try read(ExtensibleAuthenticationPayload.self, [1, 7, 0, 5, 1])
        #expect(payload.code == .request && payload.identifier == 7 && payload.data == [1])
        for length: UInt8 in [0, 4, 6] {
            #expect(throws: MalformedMessage.self) {
                try read(ExtensibleAuthenticationPayload.self, [1, 7, 0, length, 1])
            }
        }
    }

    @Test func configurationAttributesIgnoreTheReservedBit() throws {
        let payload = try read(
            ConfigurationPayload.self,
            [1, 0, 0, 0, 0x80, 1, 0, 4, 10, 0, 0, 1]
        )
        #expect(
            payload.attributes == [.init(type: .internalIP4Address, value: [10, 0, 0, 1])]
        )
        #expect(throws: MalformedMessage.self) {
            try read(ConfigurationPayload.self, [1, 0, 0, 0, 0, 1, 0, 5, 10, 0, 0, 1])
        }
    }

    @Test func registriesHaveNames() {
        #expect(NotifyType.natDetectionSourceIP.description == "NAT_DETECTION_SOURCE_IP")
        #expect(NotifyType(rawValue: 9999).description == "notify 9999")
        #expect(NotifyType.invalidSyntax.isError && !NotifyType.cookie.isError)
        #expect(PayloadType.encryptedFragment.description == "SKF")
        #expect(ExchangeType.ikeFollowUpKE.description == "IKE_FOLLOWUP_KE")
    }
}
