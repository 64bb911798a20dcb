import Testing

@Test func `Pipelines builds`() {}
