import Glibc
import StreamRuntime

/// How a key's state columns and timers lie in its state entry.
///
/// - Shape: three words (time of the last row taken, time the key is woken, a word of no meaning between two
///   calls) and a byte string: version, numbers of columns and timers, an id for each, a validity byte
///   for each column, the columns' words, two words for each timer (due, fires at), strings. Ids come from
///   names and types, so that a record of other columns is understood: what both know is kept.
/// - Source: `docs/FORMATS.md`, section "State".
final class ProcessRecords {
    private enum Width: UInt32 {
        case word = 0
        case twoWords = 1
        case bytes = 2

        init(_ type: ColumnType) {
            switch type {
            case .decimal, .interval: self = .twoWords
            case .string, .bytes, .list, .structure: self = .bytes
            default: self = .word
            }
        }

        var bytes: Int { self == .twoWords ? 16 : 8 }
    }

    static let noTime = Int64.max
    static let layout = StateLayout(
        fixedBytes: 24, blobs: 1,
        initial: [Int64.min, .max, 0].flatMap { word in
            withUnsafeBytes(of: word.littleEndian) { Array($0) }
        })
    private static let version: UInt8 = 1

    let fields: [Field]
    private let timerCount: Int
    private let initial: [Column]
    private let widths: [Width]
    /// What every record begins with.
    private let prefix: [UInt8]
    private let ids: [UInt32]
    private let timerIds: [UInt32]
    private let validity: Int
    private let offsets: [Int]
    private let timersAt: Int
    /// Where strings begin.
    private let tail: Int
    private let scratch = ByteArena(capacity: 256)
    private let hasBytes: Bool

    init(fields: [Field], timers: [String], initial: [Column]) {
        self.fields = fields
        self.initial = initial
        timerCount = timers.count
        widths = fields.map { Width($0.type) }
        hasBytes = widths.contains(.bytes)
        ids = zip(fields, widths).map { field, width in
            ProcessRecords.id("\(field.name): \(field.type)") & ~3 | width.rawValue
        }
        timerIds = timers.map { ProcessRecords.id($0) }
        prefix = ProcessRecords.prefix(ids, timerIds)
        validity = prefix.count
        var at = validity + (fields.count + 7) & ~7
        var offsets: [Int] = []
        for width in widths {
            offsets.append(at)
            at += width.bytes
        }
        self.offsets = offsets
        timersAt = at
        tail = at + timers.count * 16
    }

    /// FNV-1a.
    private static func id(_ text: String) -> UInt32 {
        var hash: UInt32 = 2_166_136_261
        for byte in text.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return hash
    }

    private static func prefix(_ ids: [UInt32], _ timers: [UInt32]) -> [UInt8] {
        var bytes: [UInt8] = [version, 0]
        for count in [UInt16(ids.count), UInt16(timers.count)] {
            bytes += withUnsafeBytes(of: count.littleEndian) { Array($0) }
        }
        bytes += [0, 0]
        for id in ids + timers { bytes += withUnsafeBytes(of: id.littleEndian) { Array($0) } }
        while bytes.count % 8 != 0 { bytes.append(0) }
        return bytes
    }

    // MARK: a key's words

    @inline(__always) static func touched(_ entry: StateEntry) -> Int64 {
        entry.value.load(as: Int64.self)
    }

    @inline(__always) static func touch(_ entry: StateEntry, at time: Int64) {
        entry.value.storeBytes(of: time, as: Int64.self)
    }

    /// When the key is woken; `noTime` when it is not.
    @inline(__always) static func wake(_ entry: StateEntry) -> Int64 {
        entry.value.load(fromByteOffset: 8, as: Int64.self)
    }

    @inline(__always) static func setWake(_ entry: StateEntry, _ time: Int64) {
        entry.value.storeBytes(of: time, toByteOffset: 8, as: Int64.self)
    }

    /// A word of the caller's, zero between two calls.
    @inline(__always) static func mark(_ entry: StateEntry) -> Int {
        Int(entry.value.load(fromByteOffset: 16, as: Int64.self))
    }

    @inline(__always) static func setMark(_ entry: StateEntry, _ mark: Int) {
        entry.value.storeBytes(of: Int64(mark), toByteOffset: 16, as: Int64.self)
    }

    // MARK: records

    /// The key's record; nil when it has no state.
    @inline(__always)
    func record(_ entry: StateEntry) -> UnsafeMutablePointer<UInt8>? {
        let bytes = entry.blob(0, of: ProcessRecords.layout)
        return bytes.count == 0 ? nil : UnsafeMutablePointer(mutating: bytes.baseAddress)
    }

    /// Forgets the key's state and timers.
    func clear(_ entry: StateEntry) {
        entry.resizeBlob(0, to: 0, of: ProcessRecords.layout)
        ProcessRecords.touch(entry, at: .min)
    }

    /// The key's record, made if there is none.
    private func madeRecord(_ entry: StateEntry) -> UnsafeMutablePointer<UInt8> {
        if let record = record(entry) { return record }
        let record = entry.resizeBlob(0, to: tail, of: ProcessRecords.layout)
        memset(record, 0, tail)
        prefix.withUnsafeBufferPointer {
            record.update(from: $0.baseAddress!, count: $0.count)
        }
        for timer in 0..<timerCount { setTimer(record, timer, due: 0, at: ProcessRecords.noTime) }
        for column in fields.indices where widths[column] != .bytes {
            store(record, column, initial[column], 0)
        }
        if hasBytes {
            rewrite(entry) { column in
                initial[column].isValid(0) ? (initial[column], 0) : nil
            }
        }
        return self.record(entry)!
    }

    /// Brings a record that was written for other columns into the form of these.
    func adapt(_ entry: StateEntry) throws(JobFailure) {
        guard let record = record(entry),
            memcmp(record, prefix, min(prefix.count, length(entry))) != 0
        else { return }
        let old = Array(entry.blob(0, of: ProcessRecords.layout))
        guard let known = OldRecord(old) else {
            throw JobFailure(
                .state, "a record of state is of a later version, or damaged",
                at: "state of a process step",
                remedy: "run the program version that wrote the state, or start afresh")
        }
        entry.resizeBlob(0, to: 0, of: ProcessRecords.layout)
        _ = madeRecord(entry)
        for column in fields.indices {
            guard let place = known.column(ids[column]) else { continue }
            let record = self.record(entry)!
            record[validity + column] = old[place.validity]
            switch widths[column] {
            case .word, .twoWords:
                old.withUnsafeBufferPointer {
                    (record + offsets[column]).update(
                        from: $0.baseAddress! + place.offset, count: widths[column].bytes)
                }
            case .bytes:
                let single = Column(.bytes, capacity: 1)
                old[known.range(place)].withUnsafeBufferPointer { single.append($0) }
                let isValid = old[place.validity] != 0
                rewrite(entry) { other in
                    other == column ? (isValid ? (single, 0) : nil) : .some((nil, 0))
                }
            }
        }
        for (timer, id) in timerIds.enumerated() {
            guard let time = known.timer(id) else { continue }
            setTimer(self.record(entry)!, timer, due: time.due, at: time.at)
        }
    }

    private func length(_ entry: StateEntry) -> Int {
        entry.blob(0, of: ProcessRecords.layout).count
    }

    // MARK: timers

    /// The first timer to fire, and when; `noTime` when none is set.
    @inline(__always)
    func earliest(_ record: UnsafeMutablePointer<UInt8>) -> (timer: Int, at: Int64) {
        var first = 0
        var time = ProcessRecords.noTime
        var timer = 0
        while timer < timerCount {
            let at = UnsafeRawPointer(record + timersAt + timer * 16)
                .loadUnaligned(fromByteOffset: 8, as: Int64.self)
            if at < time {
                time = at
                first = timer
            }
            timer &+= 1
        }
        return (first, time)
    }

    func due(_ record: UnsafeMutablePointer<UInt8>, _ timer: Int) -> Int64 {
        UnsafeRawPointer(record + timersAt + timer * 16).loadUnaligned(as: Int64.self)
    }

    private func setTimer(
        _ record: UnsafeMutablePointer<UInt8>, _ timer: Int, due: Int64, at: Int64
    ) {
        let place = UnsafeMutableRawPointer(record + timersAt + timer * 16)
        place.storeBytes(of: due, as: Int64.self)
        place.storeBytes(of: at, toByteOffset: 8, as: Int64.self)
    }

    /// Sets a timer of the key.
    func setTimer(_ entry: StateEntry, _ timer: Int, due: Int64, at: Int64) {
        setTimer(madeRecord(entry), timer, due: due, at: at)
    }

    /// Cancels a timer, if the key has state.
    func cancel(_ entry: StateEntry, _ timer: Int) {
        guard let record = record(entry) else { return }
        setTimer(record, timer, due: 0, at: ProcessRecords.noTime)
    }

    // MARK: columns

    /// The values of column `column` of `count` keys.
    func read(
        _ column: Int, _ entries: UnsafePointer<StateEntry>, _ count: Int
    ) -> Column {
        let type = fields[column].type
        let result = Column(type, capacity: count)
        let first = initial[column]
        let offset = offsets[column]
        for slot in 0..<count {
            guard let record = record(entries[slot]) else {
                result.append(from: first, row: 0)
                continue
            }
            guard record[validity + column] != 0 else {
                result.appendNull()
                continue
            }
            let place = UnsafeRawPointer(record + offset)
            switch type {
            case .bool: result.append(place.loadUnaligned(as: Int64.self) != 0)
            case .int64, .timestamp, .date: result.append(place.loadUnaligned(as: Int64.self))
            case .float64: result.append(place.loadUnaligned(as: Double.self))
            case .decimal: result.append(place.loadUnaligned(as: Int128.self))
            case .interval: result.appendNull()
            case .string, .bytes:
                let view = place.loadUnaligned(as: UInt64.self)
                result.append(
                    UnsafeBufferPointer(
                        start: record + tail + ByteView.start(view), count: ByteView.length(view)))
            case .list, .structure:
                let view = place.loadUnaligned(as: UInt64.self)
                let bytes = UnsafeBufferPointer(
                    start: UnsafePointer(record + tail + ByteView.start(view)),
                    count: ByteView.length(view))
                if let row = try? BatchBytes.decode(bytes, schema: Schema([fields[column]])) {
                    result.append(from: row.columns[0], row: 0)
                } else {
                    result.append(from: first, row: 0)
                }
            }
        }
        return result
    }

    /// Gives columns of a key's state the values of row `row` of `values`.
    func write(
        _ entry: StateEntry, _ columns: [Int], _ values: [Column], row: Int
    ) {
        let record = madeRecord(entry)
        var changesBytes = false
        var index = 0
        while index < columns.count {
            let column = columns[index]
            if widths[column] == .bytes {
                changesBytes = true
            } else {
                store(record, column, values[index], row)
            }
            index &+= 1
        }
        guard changesBytes else { return }
        rewrite(entry) { column in
            guard let index = columns.firstIndex(of: column) else { return .some((nil, 0)) }
            return values[index].isValid(row) ? (values[index], row) : nil
        }
    }

    private func store(
        _ record: UnsafeMutablePointer<UInt8>, _ column: Int, _ values: Column, _ row: Int
    ) {
        guard values.isValid(row) else {
            record[validity + column] = 0
            return
        }
        record[validity + column] = 1
        let place = UnsafeMutableRawPointer(record + offsets[column])
        switch values.type.stride {
        case 1: place.storeBytes(of: Int64(values.bools[row]), as: Int64.self)
        case 8: place.storeBytes(of: values.int64s[row], as: Int64.self)
        default: place.storeBytes(of: values.decimals[row], as: Int128.self)
        }
    }

    /// Writes the strings of a record anew.
    ///
    /// - Parameter source: the column and row that a column's bytes come from; no column for those it has
    ///   already; nil for null.
    private func rewrite(_ entry: StateEntry, _ source: (Int) -> (column: Column?, row: Int)?) {
        guard let old = record(entry) else { return }
        scratch.count = 0
        for column in fields.indices where widths[column] == .bytes {
            let place = UnsafeMutableRawPointer(old + offsets[column])
            var view: UInt64 = 0
            if let (values, row) = source(column) {
                if let values {
                    old[validity + column] = 1
                    switch values.type {
                    case .string, .bytes:
                        let bytes = values.bytes(row)
                        view = scratch.append(
                            bytes.baseAddress ?? UnsafePointer(scratch.base), bytes.count)
                    default: view = nested(column, values, row)
                    }
                } else if old[validity + column] != 0 {
                    let there = place.loadUnaligned(as: UInt64.self)
                    view = scratch.append(
                        old + tail + ByteView.start(there), ByteView.length(there))
                }
            } else {
                old[validity + column] = 0
            }
            place.storeBytes(of: view, as: UInt64.self)
        }
        let record = entry.resizeBlob(0, to: tail + scratch.count, of: ProcessRecords.layout)
        memcpy(record + tail, scratch.base, scratch.count)
    }

    private func nested(_ column: Int, _ values: Column, _ row: Int) -> UInt64 {
        let single = Column(fields[column].type, capacity: 1)
        single.append(from: values, row: row)
        let batch = ColumnBatch(
            schema: Schema([fields[column]]), columns: [single],
            order: RowOrder.made(eventTime: 0, watermark: 0, origin: 0, offset: 0), count: 1)
        let bytes = BatchBytes.encode(batch)
        return scratch.append(bytes.base, bytes.count)
    }

    // MARK: records of other columns

    /// A record as it describes itself.
    private struct OldRecord {
        struct Place {
            let validity: Int
            let offset: Int
        }

        private let bytes: [UInt8]
        private var columns: [UInt32: Place] = [:]
        private var timers: [UInt32: Int] = [:]
        private var tail = 0

        init?(_ bytes: [UInt8]) {
            self.bytes = bytes
            guard bytes.count >= 8, bytes[0] == ProcessRecords.version else { return nil }
            let columnCount = Int(bytes[2]) | Int(bytes[3]) << 8
            let timerCount = Int(bytes[4]) | Int(bytes[5]) << 8
            let validity = (8 + 4 * (columnCount + timerCount) + 7) & ~7
            var at = validity + (columnCount + 7) & ~7
            guard bytes.count >= at else { return nil }
            for column in 0..<columnCount {
                let id = word32(8 + 4 * column)
                guard let width = Width(rawValue: id & 3) else { return nil }
                columns[id] = Place(validity: validity + column, offset: at)
                at += width.bytes
            }
            for timer in 0..<timerCount {
                timers[word32(8 + 4 * (columnCount + timer))] = at
                at += 16
            }
            tail = at
            guard bytes.count >= tail else { return nil }
        }

        private func word32(_ at: Int) -> UInt32 {
            bytes.withUnsafeBytes {
                UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            }
        }

        private func word64(_ at: Int) -> UInt64 {
            bytes.withUnsafeBytes {
                UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            }
        }

        func column(_ id: UInt32) -> Place? { columns[id] }

        func timer(_ id: UInt32) -> (due: Int64, at: Int64)? {
            timers[id].map {
                (Int64(bitPattern: word64($0)), Int64(bitPattern: word64($0 + 8)))
            }
        }

        /// Where a string is.
        func range(_ place: Place) -> Range<Int> {
            let view = word64(place.offset)
            let start = min(tail + ByteView.start(view), bytes.count)
            return start..<min(start + ByteView.length(view), bytes.count)
        }
    }
}
