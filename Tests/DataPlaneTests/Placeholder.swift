internal import Testing

@Suite struct DataPlanePlaceholderTests {
    @Test func builds() {}
}
