internal import Testing

@Suite struct LinuxIOPlaceholderTests {
    @Test func builds() {}
}
