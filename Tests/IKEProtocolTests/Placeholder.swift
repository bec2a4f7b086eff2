internal import Testing

@Suite struct IKEProtocolPlaceholderTests {
    @Test func builds() {}
}
