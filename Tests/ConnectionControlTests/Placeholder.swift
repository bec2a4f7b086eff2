internal import Testing

@Suite struct ConnectionControlPlaceholderTests {
    @Test func builds() {}
}
