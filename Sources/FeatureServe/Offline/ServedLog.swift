import Glibc
import StreamRuntime
import Synchronization

/// A sample of what lookups gave, gathered on their path and written off it.
///
/// An entity is in the sample or not by the hash of its key, so that everything given about it is: whoever
/// reads the log sees whole histories of few entities.
///
/// - Shape: at most `rowsMax` rows wait to be taken; those beyond are dropped and counted.
public final class ServedLog: Sendable {
    /// A row given, as the log keeps it.
    public struct Record: Sendable {
        /// The entity's encoded key.
        public let key: [UInt8]
        /// What was given, as JSON: see `docs/FORMATS.md`, "Served features".
        public let value: [UInt8]
        /// When it was given, in microseconds since 1970.
        public let asOfMicros: Int64
    }

    /// A row given, as it waits.
    private struct Row: Sendable {
        let plan: ServingPlan
        let group: Int
        let asOf: Int64
        let key: [UInt8]
        let reads: [ViewRead]
        /// The rendered views that are present, one after the other.
        let blocks: [UInt8]
        let starts: [Int]
    }

    private let limit: UInt64
    private let rowsMax: Int
    private let waiting = Mutex<[Row]>([])
    private let logged: Counter
    private let dropped: Counter

    /// A log of the share `share` (0 to 1) of all entities.
    public init(share: Double, rowsMax: Int = 8192, metrics: MetricsRegistry) {
        limit = UInt64(max(0, min(share, 1)) * Double(1 << 24))
        self.rowsMax = rowsMax
        logged = metrics.counter(
            "millrace_served_rows_logged_total", help: "Entity rows of the sample of lookups.")
        dropped = metrics.counter(
            "millrace_served_rows_dropped_total",
            help: "Entity rows of the sample that came faster than they were written.")
    }

    /// Whether the entity of this key hash is in the sample.
    @inline(__always)
    func samples(_ hash: Int64) -> Bool {
        // Bits that neither the shard nor the place in it depend on.
        (UInt64(bitPattern: hash) &* 0x9E37_79B9_7F4A_7C15) &>> 40 < limit
    }

    /// Notes what was read for one entity of a group of `plan`'s views.
    func note(
        _ plan: ServingPlan, group: Int, key: ByteArena, reads: UnsafePointer<ViewRead>,
        blocks: ByteArena, now: Int64
    ) {
        let count = plan.groups[group].slots.count
        var copied: [UInt8] = []
        var starts: [Int] = []
        for index in 0..<count {
            starts.append(copied.count)
            guard reads[index].isPresent else { continue }
            let block = blocks.base + reads[index].rendered
            let view = plan.views[plan.groups[group].firstView + index].declaration
            let end = RenderedView.byteCount(block, features: view.features.count)
            copied.append(contentsOf: UnsafeBufferPointer(start: block, count: end))
            while copied.count % 4 != 0 { copied.append(0) }
        }
        let row = Row(
            plan: plan, group: group, asOf: now,
            key: Array(UnsafeBufferPointer(start: key.base, count: key.count)),
            reads: Array(UnsafeBufferPointer(start: reads, count: count)), blocks: copied,
            starts: starts)
        let isTaken = waiting.withLock { rows in
            guard rows.count < rowsMax else { return false }
            rows.append(row)
            return true
        }
        if isTaken { logged.add() } else { dropped.add() }
    }

    /// Takes what waits, in the order it was given.
    public func take() -> [Record] {
        let rows = waiting.withLock { rows in
            var taken: [Row] = []
            swap(&taken, &rows)
            return taken
        }
        let arena = ByteArena()
        return rows.map { row in
            arena.count = 0
            append(row, to: arena)
            return Record(
                key: row.key,
                value: Array(UnsafeBufferPointer(start: arena.base, count: arena.count)),
                asOfMicros: row.asOf)
        }
    }

    private func append(_ row: Row, to arena: ByteArena) {
        let group = row.plan.groups[row.group]
        JSONText.append("{\"as_of\":", to: arena)
        JSONText.append(integer: row.asOf, to: arena)
        JSONText.append(",\"entity\":", to: arena)
        let entity = row.plan.views[group.firstView].declaration.entity
        JSONText.append(string: entity, to: arena)
        JSONText.append(",\"keys\":{", to: arena)
        appendKeys(row, group, to: arena)
        JSONText.append("},\"views\":[", to: arena)
        for index in row.reads.indices {
            if index > 0 { JSONText.append(",", to: arena) }
            row.blocks.withUnsafeBufferPointer { blocks in
                append(row, view: index, group, blocks.baseAddress, to: arena)
            }
        }
        JSONText.append("]}", to: arena)
    }

    private func appendKeys(_ row: Row, _ group: ServingPlan.Group, to arena: ByteArena) {
        let keys = group.keyParts.map { row.plan.joinKeys[$0].field }
        let columns = keys.map { Column($0.type, capacity: 1) }
        row.key.withUnsafeBufferPointer { KeyDecoder(keys.map(\.type)).decode($0, into: columns) }
        for (index, key) in keys.enumerated() {
            if index > 0 { JSONText.append(",", to: arena) }
            JSONText.append(string: key.name, to: arena)
            JSONText.append(":", to: arena)
            JoinKeyReader.render(columns[index], 0, to: arena)
        }
    }

    private func append(
        _ row: Row, view index: Int, _ group: ServingPlan.Group,
        _ blocks: UnsafePointer<UInt8>?, to arena: ByteArena
    ) {
        let number = group.firstView + index
        let view = row.plan.views[number].declaration
        let read = row.reads[index]
        JSONText.append("{\"view\":", to: arena)
        JSONText.append(string: view.name, to: arena)
        JSONText.append(",\"definition\":", to: arena)
        JSONText.append(string: view.definition.text, to: arena)
        if read.isPresent {
            JSONText.append(",\"event_time\":", to: arena)
            JSONText.append(integer: read.eventTime, to: arena)
            JSONText.append(",\"visible_time\":", to: arena)
            JSONText.append(integer: read.visibleTime, to: arena)
        }
        JSONText.append(",\"features\":{", to: arena)
        let status: FeatureStatus =
            !read.isPresent
            ? .notFound
            : FeatureStatus.isExpired(
                eventMicros: read.eventTime, ttlMicros: view.ttlMicros, nowMicros: row.asOf)
                ? .outsideMaxAge : .present
        var isFirst = true
        for column in row.plan.columns where column.view == number && !column.isComputed {
            if !isFirst { JSONText.append(",", to: arena) }
            isFirst = false
            JSONText.append(string: view.features[column.feature].name, to: arena)
            JSONText.append(":{\"value\":", to: arena)
            var shown = status
            if read.isPresent, let blocks {
                let block = blocks + row.starts[index]
                let (text, isNull) = RenderedView.fragment(
                    block, feature: column.feature, features: view.features.count)
                if isNull { shown = .nullValue }
                arena.append(text.baseAddress!, text.count)
            } else {
                JSONText.append("null", to: arena)
            }
            JSONText.append(",\"status\":", to: arena)
            JSONText.append(string: shown.wireName, to: arena)
            JSONText.append("}", to: arena)
        }
        JSONText.append("}}", to: arena)
    }
}

extension RenderedView {
    /// The bytes of a rendered view, its offsets included.
    static func byteCount(_ block: UnsafePointer<UInt8>, features: Int) -> Int {
        let offsets = UnsafeRawPointer(block).assumingMemoryBound(to: UInt32.self)
        return textStart(features: features) + Int(offsets[features + 1] & ~nullBit)
    }

    /// The text of a feature's value, and whether it is a null.
    static func fragment(
        _ block: UnsafePointer<UInt8>, feature: Int, features: Int
    ) -> (text: UnsafeBufferPointer<UInt8>, isNull: Bool) {
        let offsets = UnsafeRawPointer(block).assumingMemoryBound(to: UInt32.self)
        let first = offsets[feature + 1]
        let start = Int(first & ~nullBit)
        let end = Int(offsets[feature + 2] & ~nullBit)
        return (
            UnsafeBufferPointer(
                start: block + textStart(features: features) + start, count: end - start),
            first & nullBit != 0
        )
    }
}
