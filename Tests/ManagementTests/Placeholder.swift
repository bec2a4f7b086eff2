internal import Testing

@Suite struct ManagementPlaceholderTests {
    @Test func builds() {}
}
