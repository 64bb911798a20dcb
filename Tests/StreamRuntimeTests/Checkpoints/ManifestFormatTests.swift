import Testing

@testable import StreamRuntime

@Suite struct ManifestFormatTests {
    static let manifest = {
        var manifest = CheckpointManifest(
            checkpoint: 7, job: "orders", id: "7-abc", committedBefore: 6, fingerprint: "abc",
            createdMillis: 1_700_000_000_000,
            states: StateRegistry([
                StateRegistry.Record(
                    address: "totals/sums", number: 1, fixedBytes: 48, blobs: 2, version: 3,
                    isRestored: true)
            ]),
            positions: ["orders/0": [1, 2, 3], "orders/1": []], tokens: ["out": [9]],
            tasks: ["source": [4]], decisions: [5, 6])
        manifest.files = [CheckpointManifest.File(name: "000001.sst", bytes: 10, checksum: 77)]
        return manifest
    }()

    @Test func `what is encoded is decoded`() throws {
        #expect(
            try ManifestFormat.decode(ManifestFormat.encode(Self.manifest)) == Self.manifest)
    }

    /// A manifest as version 1 wrote it: without an identity and what was committed before.
    static let version1: [UInt8] = {
        let body: [UInt8] =
            [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x6A, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
            + [UInt8](repeating: 0, count: 24)
        var bytes: [UInt8] = Array("MLRCKPT\n".utf8) + [1, 0, 0, 0, 49, 0, 0, 0, 0, 0, 0, 0] + body
        withUnsafeBytes(of: ManifestFormat.checksum(bytes[...]).littleEndian) {
            bytes.append(contentsOf: $0)
        }
        return bytes
    }()

    @Test func `a manifest of version 1 is read, and counts by itself`() throws {
        let manifest = CheckpointManifest(checkpoint: 1, job: "j", createdMillis: 2)
        #expect(try ManifestFormat.decode(Self.version1) == manifest)
        #expect(manifest.committedBefore == nil)
    }

    @Test func `the bytes are those of version 2, for good`() {
        let bytes = ManifestFormat.encode(
            CheckpointManifest(checkpoint: 1, job: "j", createdMillis: 2))
        #expect(
            bytes.prefix(20) == [
                0x4D, 0x4C, 0x52, 0x43, 0x4B, 0x50, 0x54, 0x0A, 2, 0, 0, 0, 61, 0, 0, 0, 0, 0, 0, 0,
            ])
        #expect(
            bytes[20..<81].elementsEqual(
                Self.version1[20..<69] + [0, 0, 0, 0] + [UInt8](repeating: 0xFF, count: 8)))
        #expect(bytes.count == 85)
    }

    @Test func `a manifest cut short anywhere is torn`() {
        let bytes = ManifestFormat.encode(Self.manifest)
        for length in 0..<bytes.count {
            #expect(throws: ManifestFormat.Fault.torn, "cut at \(length)") {
                try ManifestFormat.decode(Array(bytes.prefix(length)))
            }
        }
    }

    @Test func `a manifest with any byte changed is refused`() {
        let bytes = ManifestFormat.encode(Self.manifest)
        for at in bytes.indices {
            var changed = bytes
            changed[at] ^= 0x20
            #expect(throws: ManifestFormat.Fault.self, "changed at \(at)") {
                try ManifestFormat.decode(changed)
            }
        }
    }

    @Test func `a whole manifest of a newer version is told from a damaged one`() {
        var bytes = ManifestFormat.encode(Self.manifest)
        bytes[8] = 3
        #expect(throws: ManifestFormat.Fault.checksum) { try ManifestFormat.decode(bytes) }
        let sum = ManifestFormat.checksum(bytes[..<(bytes.count - 4)])
        withUnsafeBytes(of: sum.littleEndian) {
            bytes.replaceSubrange((bytes.count - 4)..., with: $0)
        }
        #expect(throws: ManifestFormat.Fault.newer(version: 3)) { try ManifestFormat.decode(bytes) }
    }
}
