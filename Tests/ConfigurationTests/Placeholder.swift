internal import Testing

@Suite struct ConfigurationPlaceholderTests {
    @Test func builds() {}
}
