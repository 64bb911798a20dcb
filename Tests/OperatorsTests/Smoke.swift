import Testing

@Test func `Operators builds`() {}
