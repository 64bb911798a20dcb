import Testing

@Test func `StreamRuntime builds`() {}
