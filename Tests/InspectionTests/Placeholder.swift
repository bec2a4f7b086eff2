internal import Testing

@Suite struct InspectionPlaceholderTests {
    @Test func builds() {}
}
