import Testing

@Test func `RocksDB builds`() {}
