import Testing

@Test func `Connectors builds`() {}
