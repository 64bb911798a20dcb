import CPlatform

/// The bytes of a manifest.
///
/// - Shape: the eight bytes "MLRCKPT\n", the format version (4 bytes), the length of the body (8),
///   the body, and CRC-32C of everything before it (4). Numbers are little-endian. In the body a text
///   or byte string is its length (4) and its bytes, and a list or map its count (4) and its members,
///   maps sorted by name. `docs/FORMATS.md` lists the fields.
enum ManifestFormat {
    /// What a file that is no whole manifest turned out to be.
    enum Fault: Error, Equatable {
        case torn
        case notManifest
        case checksum
        case newer(version: Int)
    }

    private static let magic = Array("MLRCKPT\n".utf8)

    static func encode(_ manifest: CheckpointManifest) -> [UInt8] {
        var body = ManifestWriter()
        body.write(manifest.checkpoint)
        body.write(manifest.job)
        body.write(manifest.fingerprint)
        body.write(manifest.createdMillis)
        body.write(UInt32(manifest.states.records.count))
        for state in manifest.states.records {
            body.write(state.address)
            body.write(UInt32(state.number))
            body.write(UInt32(state.fixedBytes))
            body.write(UInt32(state.blobs))
            body.write(UInt32(state.version))
        }
        body.write(manifest.positions)
        body.write(manifest.tokens)
        body.write(manifest.tasks)
        body.write(manifest.decisions)
        body.write(UInt32(manifest.files.count))
        for file in manifest.files {
            body.write(file.name)
            body.write(file.bytes)
            body.write(file.checksum)
        }
        body.write(manifest.id)
        body.write(manifest.committedBefore ?? -1)
        var whole = ManifestWriter()
        whole.bytes = magic
        whole.write(UInt32(CheckpointManifest.formatVersion))
        whole.write(Int64(body.bytes.count))
        whole.bytes += body.bytes
        whole.write(checksum(whole.bytes[...]))
        return whole.bytes
    }

    static func decode(_ bytes: [UInt8]) throws(Fault) -> CheckpointManifest {
        guard bytes.count >= 24 else {
            throw magic.starts(with: bytes.prefix(8)) || bytes.starts(with: magic)
                ? .torn : .notManifest
        }
        guard bytes.starts(with: magic) else { throw .notManifest }
        var header = ManifestReader(bytes[8...])
        let version = Int(try header.readUInt32())
        guard version <= CheckpointManifest.formatVersion else {
            // A newer program's manifest is told from a damaged one by its checksum, which stays last.
            throw isWhole(bytes) ? .newer(version: version) : .checksum
        }
        let length = try header.readInt64()
        guard length == Int64(bytes.count - 24) else {
            throw length > Int64(bytes.count - 24) ? .torn : .checksum
        }
        guard isWhole(bytes) else { throw .checksum }
        var body = ManifestReader(bytes[20..<(bytes.count - 4)])
        var manifest = CheckpointManifest(
            checkpoint: try body.readInt64(), job: try body.readText(),
            fingerprint: try body.readText(), createdMillis: try body.readInt64())
        var states: [StateRegistry.Record] = []
        for _ in 0..<(try body.readUInt32()) {
            states.append(
                StateRegistry.Record(
                    address: try body.readText(),
                    number: UInt16(truncatingIfNeeded: try body.readUInt32()),
                    fixedBytes: Int(try body.readUInt32()), blobs: Int(try body.readUInt32()),
                    version: Int(try body.readUInt32()), isRestored: true))
        }
        manifest.states = StateRegistry(states)
        manifest.positions = try body.readMap()
        manifest.tokens = try body.readMap()
        manifest.tasks = try body.readMap()
        manifest.decisions = try body.readBytes()
        for _ in 0..<(try body.readUInt32()) {
            manifest.files.append(
                CheckpointManifest.File(
                    name: try body.readText(), bytes: try body.readInt64(),
                    checksum: try body.readUInt32()))
        }
        guard version >= 2 else { return manifest }
        manifest.id = try body.readText()
        let before = try body.readInt64()
        manifest.committedBefore = before < 0 ? nil : before
        return manifest
    }

    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBytes { millrace_crc32c(0, $0.baseAddress, $0.count) }
    }

    private static func isWhole(_ bytes: [UInt8]) -> Bool {
        var last = ManifestReader(bytes[(bytes.count - 4)...])
        return (try? last.readUInt32()) == checksum(bytes[..<(bytes.count - 4)])
    }
}

/// Puts numbers, texts and maps into bytes.
struct ManifestWriter {
    var bytes: [UInt8] = []

    mutating func write(_ value: UInt32) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(_ value: Int64) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(_ value: [UInt8]) {
        write(UInt32(value.count))
        bytes += value
    }

    mutating func write(_ text: String) { write(Array(text.utf8)) }

    mutating func write(_ map: [String: [UInt8]]) {
        write(UInt32(map.count))
        for (name, value) in map.sorted(by: { $0.key < $1.key }) {
            write(name)
            write(value)
        }
    }
}

/// Takes them out again.
struct ManifestReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    private mutating func take(_ count: Int) throws(ManifestFormat.Fault) -> ArraySlice<UInt8> {
        guard rest.count >= count else { throw .torn }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func readUInt32() throws(ManifestFormat.Fault) -> UInt32 {
        try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func readInt64() throws(ManifestFormat.Fault) -> Int64 {
        Int64(bitPattern: try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }

    mutating func readBytes() throws(ManifestFormat.Fault) -> [UInt8] {
        Array(try take(Int(try readUInt32())))
    }

    mutating func readText() throws(ManifestFormat.Fault) -> String {
        String(decoding: try readBytes(), as: UTF8.self)
    }

    mutating func readMap() throws(ManifestFormat.Fault) -> [String: [UInt8]] {
        var map: [String: [UInt8]] = [:]
        for _ in 0..<(try readUInt32()) {
            let name = try readText()
            map[name] = try readBytes()
        }
        return map
    }
}
