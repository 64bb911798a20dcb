import Testing

@Test func `FeatureServe builds`() {}
