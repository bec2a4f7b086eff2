internal import Testing

@Suite struct IKEMessagesPlaceholderTests {
    @Test func builds() {}
}
