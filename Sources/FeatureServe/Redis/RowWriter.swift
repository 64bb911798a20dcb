import Codecs
import StreamRuntime

/// Writes rows of one view that come as fields of Feast's Redis layout, one at a time.
final class RowWriter {
    /// A view's table in the layout and its slot there.
    struct Place: Hashable {
        let table: Int
        let slot: Int
    }

    /// One feature of a row, as Feast's `Value`.
    struct Field {
        let feature: Int
        let bytes: UnsafeBufferPointer<UInt8>
    }

    let view: FeatureView
    private let keys: FeastEntityKey
    private let table: OnlineTable
    private let slot: Int
    private let schema: Schema
    private let writer: FeatureWriter
    private let columns: [Column]
    private let payload = ByteArena()

    init(
        store: OnlineStore, layout: FeastLayout.Table, slot: Int, now: @escaping () -> Int64
    ) throws(JobFailure) {
        view = layout.views[slot]
        keys = layout.keys
        table = store.tables[layout.index]
        self.slot = slot
        // A key and a feature may share a name; the writer finds both by other names.
        let parts = table.entity.keys.map { StreamRuntime.Field("key " + $0.name, $0.type) }
        schema = Schema(parts + view.features)
        columns = schema.fields.map { Column($0.type, capacity: 1) }
        let names = Dictionary(
            table.entity.keys.map { ($0.name, "key " + $0.name) }, uniquingKeysWith: { $1 })
        let features = Set(view.features.map(\.name))
        writer = try FeatureWriter(
            store: store, view: view.name, schema: schema,
            columns: names.filter { !features.contains($0.key) }, now: now)
    }

    /// Makes the row of the key that the store keeps as `encoded`; what is not among `fields` stays as it is.
    ///
    /// - Throws: naming the feature whose bytes are not of its type.
    func prepare(
        _ encoded: ByteArena, _ fields: [Field]
    ) throws(RESPRefusal) {
        for column in columns { column.removeAll() }
        let key = UnsafeBufferPointer(start: UnsafePointer(encoded.base), count: encoded.count)
        let keyCount = table.entity.keys.count
        keys.decode(key, into: Array(columns[..<keyCount]))
        var given = [Int](repeating: -1, count: view.features.count)
        for (index, field) in fields.enumerated() { given[field.feature] = index }
        var old: PayloadReader?
        if given.contains(-1), try oldTime(encoded) != nil {
            old = PayloadReader(payload.base, features: view.features.count)
        }
        for (index, feature) in view.features.enumerated() {
            let column = columns[keyCount + index]
            let isKept = old?.isPresent(index) ?? false
            if given[index] >= 0 {
                if isKept { old!.skip(feature.type) }
                do throws(FeastProblem) {
                    try FeastValue.read(fields[given[index]].bytes, into: column)
                } catch {
                    throw RESPRefusal("feature \(view.name):\(feature.name): \(error)")
                }
            } else if isKept {
                old!.append(feature.type, to: column)
            } else {
                column.appendNull()
            }
        }
    }

    /// The event time of what the store holds for the key, its payload in `payload`; nil when there is nothing.
    func oldTime(_ encoded: ByteArena) throws(RESPRefusal) -> Int64? {
        payload.count = 0
        let hash = Hash.xxh3(encoded.base, encoded.count)
        do throws(JobFailure) {
            return try table.shard(hash).copyPayload(
                hash: hash, key: encoded.base, keyLength: encoded.count, slot: slot, into: payload)
        } catch {
            throw RESPRefusal(error)
        }
    }

    /// Writes the row that was prepared.
    ///
    /// - Returns: false when the store holds a newer one.
    func write(eventMicros: Int64) throws(RESPRefusal) -> Bool {
        let order = RowOrder(capacity: 1)
        order.append(eventTime: eventMicros, watermark: .min, origin: 0, offset: 0)
        let batch = ColumnBatch(schema: schema, columns: columns, order: order, count: 1)
        do throws(JobFailure) {
            return try writer.write(batch).applied == 1
        } catch {
            throw RESPRefusal(error)
        }
    }

    /// Forgets what the store holds for the key.
    func remove(_ encoded: ByteArena) throws(RESPRefusal) -> Bool {
        let hash = Hash.xxh3(encoded.base, encoded.count)
        do throws(JobFailure) {
            return try table.shard(hash).remove(
                hash: hash, key: encoded.base, keyLength: encoded.count, slot: slot)
        } catch {
            throw RESPRefusal(error)
        }
    }
}
