import Codecs
import StreamRuntime

/// One version of a view of one entity, as the feature log keeps it.
///
/// - Shape: the record's key is the entity's encoded key. Its value is u8 version 1, u8 flags (1 deleted,
///   2 late, 4 an element follows), u32 layout, u64 definition hash, i64 event time, i64 visible time,
///   i64 origin, i64 offset, with flag 4 i64 element, then the payload as online rows keep it;
///   little-endian. Documented in `docs/FORMATS.md`, "Feature log".
public struct FeatureVersion: Equatable, Sendable {
    /// What is said of a version in its flags.
    public struct Flags: OptionSet, Sendable {
        /// The flags' byte.
        public let rawValue: UInt8

        /// The flags of this byte.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The version says that there is no value any more.
        public static let deleted = Flags(rawValue: 1)
        /// What caused it came behind the watermark of its partition.
        public static let late = Flags(rawValue: 2)
        /// The row is an element of a record.
        static let element = Flags(rawValue: 4)
    }

    /// What is said of it.
    public let flags: Flags
    /// What tells the names and types of its features from others.
    public let layout: UInt32
    /// The hash of the definition that made it.
    public let definition: UInt64
    /// What moment it is about, in microseconds since 1970.
    public let eventTime: Int64
    /// When it was first readable, or later, in microseconds since 1970.
    public let visibleTime: Int64
    /// The partition of the source, or the step, that its row comes from.
    public let origin: Int64
    /// The offset of its row's record, or the row's key hash.
    public let offset: Int64
    /// The element of the record that its row is.
    public let element: Int64

    static let format: UInt8 = 1
    static let headBytes = 46
    static let layoutAt = 2
    static let definitionAt = 6
    static let eventAt = 14
    static let visibleAt = 22
    static let originAt = 30
    static let offsetAt = 38
    static let elementAt = 46

    /// Reads the head of a record's value.
    ///
    /// - Returns: nil when it is of another format or cut short.
    public init?(_ value: UnsafeBufferPointer<UInt8>) {
        guard let base = value.baseAddress, value.count >= FeatureVersion.headBytes,
            base[0] == FeatureVersion.format
        else { return nil }
        flags = Flags(rawValue: base[1])
        let raw = UnsafeRawPointer(base)
        func word(_ at: Int) -> Int64 {
            Int64(littleEndian: (raw + at).loadUnaligned(as: Int64.self))
        }
        layout = UInt32(
            littleEndian: (raw + FeatureVersion.layoutAt).loadUnaligned(as: UInt32.self))
        definition = UInt64(bitPattern: word(FeatureVersion.definitionAt))
        eventTime = word(FeatureVersion.eventAt)
        visibleTime = word(FeatureVersion.visibleAt)
        origin = word(FeatureVersion.originAt)
        offset = word(FeatureVersion.offsetAt)
        guard flags.contains(.element) else {
            element = 0
            return
        }
        guard value.count >= FeatureVersion.headBytes + 8 else { return nil }
        element = word(FeatureVersion.elementAt)
    }

    /// Where the payload starts in the value.
    var payloadStart: Int { FeatureVersion.headBytes + (flags.contains(.element) ? 8 : 0) }

    /// What tells features of these names and types, in this order, from others.
    static func layout(of features: [Field]) -> UInt32 {
        var text = features.map { "\($0.name):\($0.type)" }.joined(separator: "\t")
        return text.withUTF8 {
            UInt32(truncatingIfNeeded: Hash.xxh3($0.baseAddress!, $0.count))
        }
    }
}

/// Versions on their way to the feature log: the rows of a batch, in the order they were written.
///
/// - Note: filled again for every batch; a sink has copied what it needs when its `write` returns.
public final class FeatureVersionBatch {
    /// The columns of the log's rows: the entity's key and the version's bytes.
    public static let schema = Schema([Field("key", .bytes), Field("version", .bytes)])

    /// The rows.
    public let batch = ColumnBatch(schema: schema, capacity: 4096)
    private let definition: UInt64
    private let layout: UInt32

    /// Versions of `view` as it is defined now.
    public init(of view: FeatureView) {
        definition = view.definition.value
        layout = FeatureVersion.layout(of: view.features)
    }

    /// Forgets the versions and keeps the memory.
    public func removeAll() {
        guard batch.count > 0 else { return }
        for column in batch.columns { column.removeAll() }
        for column in [
            batch.order.eventTimes, batch.order.watermarks, batch.order.origins,
            batch.order.offsets,
        ] { column.removeAll() }
        batch.count = 0
    }

    /// Appends the version that row `row` of `order` made.
    func append(
        key: UnsafeBufferPointer<UInt8>, isDeleted: Bool, visibleTime: Int64, order: RowOrder,
        row: Int, payload: UnsafePointer<UInt8>, length: Int
    ) {
        let eventTime = order.eventTimes.int64s[row]
        let watermark = order.watermarks.int64s[row]
        let origin = order.origins.int64s[row]
        let offset = order.offsets.int64s[row]
        let element = order.elements?.int64s[row] ?? 0
        var flags: UInt8 = isDeleted ? FeatureVersion.Flags.deleted.rawValue : 0
        if watermark > eventTime { flags |= FeatureVersion.Flags.late.rawValue }
        if element != 0 { flags |= FeatureVersion.Flags.element.rawValue }
        let values = batch.columns[1]
        let arena = values.arena!
        let head = FeatureVersion.headBytes + (element != 0 ? 8 : 0)
        arena.reserve(head + length)
        let start = arena.count
        let at = UnsafeMutableRawPointer(arena.base + start)
        at.storeBytes(of: FeatureVersion.format, as: UInt8.self)
        at.storeBytes(of: flags, toByteOffset: 1, as: UInt8.self)
        at.storeBytes(
            of: layout.littleEndian, toByteOffset: FeatureVersion.layoutAt, as: UInt32.self)
        at.storeBytes(
            of: definition.littleEndian, toByteOffset: FeatureVersion.definitionAt,
            as: UInt64.self)
        func put(_ word: Int64, _ place: Int) {
            at.storeBytes(of: word.littleEndian, toByteOffset: place, as: Int64.self)
        }
        put(eventTime, FeatureVersion.eventAt)
        put(visibleTime, FeatureVersion.visibleAt)
        put(origin, FeatureVersion.originAt)
        put(offset, FeatureVersion.offsetAt)
        if element != 0 { put(element, FeatureVersion.elementAt) }
        arena.count += head
        if length > 0 { arena.append(payload, length) }
        values.reserve(1)
        values.views[values.count] = ByteView.pack(start: start, length: head + length)
        values.setCount(values.count + 1)
        batch.columns[0].append(key)
        batch.order.append(
            eventTime: eventTime, watermark: watermark, origin: origin, offset: offset)
        batch.count += 1
    }
}

/// Writes versions as they are: the encoder of the feature log's records.
public final class FeatureVersionEncoder: RecordEncoder {
    /// An encoder of rows of `FeatureVersionBatch.schema`.
    public init() {}

    /// Appends each row's version.
    public func encode(_ batch: ColumnBatch, into values: Column) {
        let versions = batch.columns[1]
        for row in 0..<batch.count { values.append(versions.bytes(row)) }
    }
}
