import Testing

@Test func `Codecs builds`() {}
