import Glibc
import StreamRuntime

/// The key of an entity's hash in Feast's Redis layout, both ways.
///
/// - Shape: u32 number of join keys; each name, sorted, as u32 2, u32 length, bytes; each value in that order
///   as u32 type, u32 length, bytes; the project's name. Numbers little-endian. Types: 1 bytes, 2 string,
///   3 int32, 4 int64, 8 unix timestamp (seconds).
/// - Source: feast/infra/key_encoding_utils.py of 0.67, `entity_key_serialization_version` 3.
public struct FeastEntityKey: Sendable {
    /// The entity.
    public let entity: Entity
    /// The names' part, with which every key of the entity begins.
    public let prefix: [UInt8]
    /// The project's part, with which every key ends.
    public let project: [UInt8]
    /// Declared positions of the parts, in the order of the sorted names.
    private let order: [Int]
    private let types: [ColumnType]
    private let decoder: KeyDecoder

    /// The keys of `entity` in `project`; nil when a key has a type that Feast cannot write.
    public init?(entity: Entity, project: String) {
        guard entity.keys.allSatisfy({ FeastEntityKey.type($0.type) != nil }) else { return nil }
        self.entity = entity
        self.project = Array(project.utf8)
        order = entity.keys.indices.sorted {
            entity.keys[$0].name.utf8.lexicographicallyPrecedes(entity.keys[$1].name.utf8)
        }
        types = entity.keys.map(\.type)
        decoder = KeyDecoder(types)
        let arena = ByteArena(capacity: 256)
        FeastEntityKey.append(entity.keys.count, to: arena)
        for position in order {
            let name = Array(entity.keys[position].name.utf8)
            FeastEntityKey.append(2, to: arena)
            FeastEntityKey.append(name.count, to: arena)
            arena.append(name, name.count)
        }
        prefix = Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
    }

    private static func type(_ type: ColumnType) -> Int? {
        switch type {
        case .bytes: 1
        case .string: 2
        case .int64: 4
        case .timestamp: 8
        default: nil
        }
    }

    private static func append(_ number: Int, to arena: ByteArena) {
        arena.reserve(4)
        UnsafeMutableRawPointer(arena.base + arena.count)
            .storeBytes(of: UInt32(number).littleEndian, as: UInt32.self)
        arena.count += 4
    }

    /// Appends the key of row `row` of `columns`, which are the entity's keys in declared order.
    public func append(_ columns: [Column], _ row: Int, to arena: ByteArena) {
        arena.append(prefix, prefix.count)
        for position in order {
            let column = columns[position]
            FeastEntityKey.append(FeastEntityKey.type(types[position])!, to: arena)
            switch types[position] {
            case .string, .bytes:
                let bytes = column.bytes(row)
                FeastEntityKey.append(bytes.count, to: arena)
                if let base = bytes.baseAddress { arena.append(base, bytes.count) }
            case .timestamp:
                FeastEntityKey.append(8, to: arena)
                ProtoWriter.fixed64(
                    UInt64(bitPattern: FeastTimestamp.seconds(ofMicros: column.int64s[row])),
                    to: arena)
            default:
                FeastEntityKey.append(8, to: arena)
                ProtoWriter.fixed64(UInt64(bitPattern: column.int64s[row]), to: arena)
            }
        }
        arena.append(project, project.count)
    }

    /// Appends the key that Feast writes for the key that the online store keeps as `encoded`.
    public func append(encoded: UnsafeBufferPointer<UInt8>, to arena: ByteArena) {
        let columns = types.map { Column($0, capacity: 1) }
        decoder.decode(encoded, into: columns)
        append(columns, 0, to: arena)
    }

    /// Appends the parts of the key that the online store keeps as `encoded` to `columns`, in declared order.
    func decode(_ encoded: UnsafeBufferPointer<UInt8>, into columns: [Column]) {
        decoder.decode(encoded, into: columns)
    }

    /// Appends the parts of a key to `columns`, the entity's keys in declared order.
    ///
    /// - Returns: false when it is no key of the entity and the project; then nothing was appended.
    public func read(_ key: UnsafeBufferPointer<UInt8>, into columns: [Column]) -> Bool {
        guard let base = key.baseAddress else { return false }
        let padded = ByteArena(capacity: key.count)
        padded.append(base, key.count)
        let encoded = ByteArena(capacity: 256)
        guard encode(padded.base, key.count, to: encoded) else { return false }
        decoder.decode(
            UnsafeBufferPointer(start: encoded.base, count: encoded.count), into: columns)
        return true
    }

    /// Appends the bytes that the online store keeps `key` under, those of `KeyEncoder`.
    ///
    /// - Precondition: 8 bytes past the end of the key are readable, as an arena's are.
    /// - Returns: false when it is no key of the entity and the project; then nothing was appended.
    @inline(__always)
    func encode(_ key: UnsafePointer<UInt8>, _ length: Int, to arena: ByteArena) -> Bool {
        guard length > prefix.count,
            prefix.withUnsafeBufferPointer({ memcmp(key, $0.baseAddress!, $0.count) == 0 })
        else { return false }
        let parts = order.count
        return withUnsafeTemporaryAllocation(of: Part.self, capacity: parts) { places in
            let start = arena.count
            var at = prefix.count
            var part = 0
            while part < parts {
                guard length - at >= 8 else { return false }
                let type = FeastEntityKey.number(key + at)
                let size = Int(FeastEntityKey.number(key + at + 4))
                guard size <= length - at - 8 else { return false }
                places[order[part]] = Part(type: type, at: at + 8, count: size)
                at += 8 + size
                part &+= 1
            }
            guard length - at == project.count,
                project.isEmpty || memcmp(key + at, project, project.count) == 0
            else { return false }
            part = 0
            while part < parts {
                guard append(places[part], types[part], key, to: arena) else {
                    arena.count = start
                    return false
                }
                part &+= 1
            }
            return true
        }
    }

    private struct Part: BitwiseCopyable {
        var type: UInt32
        var at: Int
        var count: Int
    }

    @inline(__always)
    private func append(
        _ part: Part, _ type: ColumnType, _ key: UnsafePointer<UInt8>, to arena: ByteArena
    ) -> Bool {
        switch (type, part.type) {
        case (.string, 2), (.bytes, 1), (.bytes, 2):
            KeyEncoder.append(
                text: UnsafeBufferPointer(start: key + part.at, count: part.count), to: arena)
        case (.int64, 3):
            guard part.count == 4 else { return false }
            let value = Int32(bitPattern: FeastEntityKey.number(key + part.at))
            KeyEncoder.append(word: Int64(value), to: arena)
        case (.int64, 4), (.int64, 8), (.timestamp, 8), (.timestamp, 4):
            guard part.count == 8 else { return false }
            let value = Int64(
                littleEndian: UnsafeRawPointer(key + part.at).loadUnaligned(as: Int64.self))
            guard type == .timestamp else {
                KeyEncoder.append(word: value, to: arena)
                return true
            }
            let (micros, overflow) = value.multipliedReportingOverflow(by: 1_000_000)
            guard !overflow else { return false }
            KeyEncoder.append(word: micros, to: arena)
        default: return false
        }
        return true
    }

    @inline(__always)
    private static func number(_ at: UnsafePointer<UInt8>) -> UInt32 {
        UInt32(littleEndian: UnsafeRawPointer(at).loadUnaligned(as: UInt32.self))
    }
}
