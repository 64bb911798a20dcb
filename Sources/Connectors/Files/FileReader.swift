import Glibc
import StreamRuntime

/// Reads the records of one file, plain or gzip.
///
/// - Shape: a record's offset is the number of lines before it, so that offset + 1 is its line in an
///   editor; header and blank lines count but make no records. Its time is that of the file's last
///   change. CSV rows carry the file's header line in a record header (`CSVDialect.headerName`).
final class FileReader: PartitionReader {
    /// The longest record there may be.
    static let recordBytesMax = 256 << 20
    /// The record header that has the file's name.
    static let nameHeader = "file.name"
    /// Bytes asked of the file at once, half of them usually a batch of 4 K records.
    static let roomBytes = 1 << 20

    /// The file's place in the list of files.
    let partition: Int32
    /// The file's name.
    let name: String
    /// The number of lines before the next record.
    private(set) var position: Int64 = 0
    /// Whether the last record was the file's last and had no line end.
    private(set) var isLastUnended = false

    private let path: String
    private let layout: FileLayout
    private var bytes: FileBytes?
    /// What was read from the file and not yet handed on: [at, filled) of `room`. Batches lend from it:
    /// what a batch may view is never written again.
    private var room: ByteArena
    private var isLent = false
    /// Bytes of a record and its line end, about, of the batch before.
    private var usualBytes = 128
    private var at = 0
    private var filled = 0
    private var isAtEnd = false
    private var failure: JobFailure?
    private var header: [UInt8] = []
    private let tellsName: Bool
    private var needsHeader = false

    /// - Parameter tellsName: whether records carry the file's name in a header (`nameHeader`).
    init(path: String, partition: Int32, layout: FileLayout, tellsName: Bool = false) {
        self.tellsName = tellsName
        self.path = path
        self.partition = partition
        self.layout = layout
        name = String(
            path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
        room = ByteArena(capacity: FileReader.roomBytes)
    }

    /// Continues at line `offset`.
    ///
    /// - Throws: when the file has fewer lines: it was cut or replaced.
    func seek(to offset: Int64) throws(JobFailure) {
        if bytes == nil || offset < position { try start() }
        while position < offset {
            guard try next() != nil else { break }
        }
        // A place among blank lines counts: nothing is between it and the next record.
        guard position >= offset else {
            throw JobFailure(
                .source,
                "the file ends at line \(position), before line \(offset) where reading "
                    + "was to continue", at: path,
                remedy: "put the file back as it was, or start without the checkpoint")
        }
    }

    /// Reads whole records; `.ended` at the end of the file.
    ///
    /// - Throws: when the file cannot be read on, after every whole record before that place.
    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        if bytes == nil { try start() }
        // A batch ends with the room, so what is left of it had better be enough.
        let records = min(max(maxRecords, 1), 1 << 16)
        let wanted = min(records * usualBytes, maxBytes, FileReader.roomBytes / 2)
        while filled - at < wanted, !isAtEnd { try refill() }
        let batch = RecordBatch(partition: partition, capacity: records)
        guard let first = try next() else { return .ended }
        let offsets = batch.offsets.int64s
        let views = batch.values.views
        let origin = first.start
        views[0] = ByteView.pack(start: first.start, length: first.length)
        offsets[0] = first.line
        var size = first.length
        var count = 1
        while count < records, size < maxBytes {
            guard let record = try next(inRoom: true) else { break }
            views[count] = ByteView.pack(start: record.start, length: record.length)
            offsets[count] = record.line
            size &+= record.length
            count &+= 1
        }
        usualBytes = (at - origin) / count + 1
        lend(views, count, from: origin, to: batch.values)
        batch.values.setCount(count)
        batch.offsets.setCount(count)
        batch.keys.appendNulls(count)
        batch.timestamps.int64s.update(repeating: bytes!.modifiedMicros, count: count)
        batch.timestamps.setCount(count)
        attachHeader(to: batch)
        return .records(batch)
    }

    /// Lets `column` view the room, or a copy of a small part of it, which must not keep all of it.
    private func lend(
        _ views: UnsafeMutablePointer<UInt64>, _ count: Int, from origin: Int, to column: Column
    ) {
        let length = at - origin
        if length >= filled / 4 {
            column.arena = room
            isLent = true
            return
        }
        column.arena!.append(room.base + origin, length)
        for row in 0..<count { views[row] &-= UInt64(origin) }
    }

    private func attachHeader(to batch: RecordBatch) {
        guard !header.isEmpty || tellsName else { return }
        let headers = Column(.bytes, capacity: batch.count)
        var all: [RecordHeaders.Header] = []
        if !header.isEmpty { all.append(.init(CSVDialect.headerName, header)) }
        if tellsName { all.append(.init(FileReader.nameHeader, Array(name.utf8))) }
        let encoded = RecordHeaders.encode(all)
        let view = encoded.withUnsafeBufferPointer {
            headers.arena!.append($0.baseAddress!, $0.count)
        }
        for _ in 0..<batch.count { headers.append(view: view) }
        batch.headers = headers
    }

    /// Opens the file at its beginning, past a byte order mark and the header.
    private func start() throws(JobFailure) {
        bytes = try FileBytes(path: path)
        position = 0
        at = 0
        filled = 0
        isAtEnd = false
        isLastUnended = false
        failure = nil
        header = []
        while filled < 3, !isAtEnd { try refill() }
        let text = room.base
        if filled >= 3, text[0] == 0xEF, text[1] == 0xBB, text[2] == 0xBF { at = 3 }
        guard case .csv(let dialect) = layout, dialect.header == .firstLine else { return }
        guard let record = try next() else { return }
        header = Array(UnsafeBufferPointer(start: room.base + record.start, count: record.length))
    }

    /// The next record that is not blank, its line end left out; nil at the end.
    ///
    /// - Parameter inRoom: looks only at the bytes at hand and throws nothing, so that the records found
    ///   before stay where they are; nil then also means that more bytes are needed.
    /// - Throws: what had stopped reading, once every whole record before it was handed on.
    private func next(
        inRoom: Bool = false
    ) throws(JobFailure) -> (start: Int, length: Int, line: Int64)? {
        while true {
            let room = room.base
            var lines = 0
            var end = layout.recordEnd(room, from: at, to: filled, lines: &lines)
            if end < 0 {
                guard isAtEnd else {
                    guard !inRoom else { return nil }
                    try refill()
                    continue
                }
                if let failure {
                    guard !inRoom else { return nil }
                    throw failure
                }
                guard at < filled else { return nil }
                end = filled
                lines = 1
                for byte in at..<filled where room[byte] == 0x0A { lines += 1 }
                if room[filled - 1] == 0x0A { lines -= 1 }
                isLastUnended = room[filled - 1] != 0x0A
            }
            let start = at
            let line = position
            at = end
            position += Int64(lines)
            if layout != .whole {
                if end > start, room[end - 1] == 0x0A { end -= 1 }
                if end > start, room[end - 1] == 0x0D { end -= 1 }
            }
            var first = start
            while first < end, room[first] == 0x20 || room[first] == 0x09 { first += 1 }
            if first < end { return (start, end - start, line) }
        }
    }

    /// Reads on behind what is there, in ever larger steps while one record fills the room.
    private func refill() throws(JobFailure) {
        let left = filled - at
        guard left < FileReader.recordBytesMax else {
            throw JobFailure(
                .source, "a record is longer than \(FileReader.recordBytesMax >> 20) MiB",
                at: "\(path) line \(position + 1)",
                remedy: "check the file's line ends and quotes")
        }
        let isFull = left > room.capacity / 2
        if isLent || isFull {
            let next = ByteArena(capacity: max(left * 2, FileReader.roomBytes))
            memcpy(next.base, room.base + at, left)
            room = next
            isLent = false
        } else if at > 0 {
            memmove(room.base, room.base + at, left)
        }
        filled = left
        at = 0
        do throws(JobFailure) {
            let got = try bytes!.read(into: room.base + filled, room.capacity - filled)
            filled += got
            isAtEnd = got == 0
        } catch {
            failure = error
            isAtEnd = true
        }
        room.count = filled
    }
}
