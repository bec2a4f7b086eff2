internal import Testing

@Suite struct GatewayPlaceholderTests {
    @Test func builds() {}
}
