internal import Testing

@Suite struct TidyPlaceholderTests {
    @Test func builds() {}
}
