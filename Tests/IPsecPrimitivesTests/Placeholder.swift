internal import Testing

@Suite struct IPsecPrimitivesPlaceholderTests {
    @Test func builds() {}
}
