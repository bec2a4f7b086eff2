internal import Testing

@Suite struct PacketProtectionPlaceholderTests {
    @Test func builds() {}
}
