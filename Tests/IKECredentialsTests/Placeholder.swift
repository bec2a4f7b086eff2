internal import Testing

@Suite struct IKECredentialsPlaceholderTests {
    @Test func builds() {}
}
