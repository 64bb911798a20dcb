/// A manifest as an archive keeps it: with the checkpoint's small files inside, so that a checkpoint is
/// one object besides the sorted files that are new.
struct ArchivedManifest: Equatable {
    let manifest: CheckpointManifest
    /// The contents of files that are no objects of their own, by name.
    let small: [String: [UInt8]]

    private static let magic = Array("MLRARCH\n".utf8)
    private static let version: UInt32 = 1
    /// Larger files are objects of their own.
    static let smallBytesMax: Int64 = 1 << 20

    /// Whether a file travels in the manifest.
    static func isSmall(_ file: CheckpointManifest.File) -> Bool {
        !file.name.hasSuffix(".sst") && file.bytes <= smallBytesMax
    }

    var bytes: [UInt8] {
        var writer = ManifestWriter()
        writer.bytes = ArchivedManifest.magic
        writer.write(ArchivedManifest.version)
        writer.write(ManifestFormat.encode(manifest))
        writer.write(small)
        writer.write(ManifestFormat.checksum(writer.bytes[...]))
        return writer.bytes
    }

    init(manifest: CheckpointManifest, small: [String: [UInt8]]) {
        self.manifest = manifest
        self.small = small
    }

    init(_ bytes: [UInt8]) throws(ManifestFormat.Fault) {
        guard bytes.starts(with: ArchivedManifest.magic) else { throw .notManifest }
        guard bytes.count >= 16 else { throw .torn }
        var last = ManifestReader(bytes[(bytes.count - 4)...])
        guard try last.readUInt32() == ManifestFormat.checksum(bytes[..<(bytes.count - 4)]) else {
            throw .checksum
        }
        var reader = ManifestReader(bytes[8..<(bytes.count - 4)])
        let version = try reader.readUInt32()
        guard version <= ArchivedManifest.version else { throw .newer(version: Int(version)) }
        manifest = try ManifestFormat.decode(try reader.readBytes())
        small = try reader.readMap()
    }
}
