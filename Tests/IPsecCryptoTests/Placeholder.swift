internal import Testing

@Suite struct IPsecCryptoPlaceholderTests {
    @Test func builds() {}
}
