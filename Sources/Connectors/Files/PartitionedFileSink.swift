import Glibc
import StreamRuntime

/// Writes rows to files in directories by their values, each row exactly once.
///
/// A file is written hidden, in `.staged` below the root, and gets its place and name by the commit of a
/// checkpoint: `part-0000000001.jsonl` and so on, numbered over all directories. Without rolling every
/// checkpoint ends the files. With it a file ends by its size and by event time alone, so that the files
/// are the same ones wherever the job was killed or took checkpoints; a file that a checkpoint finds open goes on
/// from there.
///
/// - Shape: a token is a `FilePartList`. Rows without a value and the old side of updates are not written.
public final class PartitionedFileSink: Sink {
    /// A file in the making.
    private final class Part {
        let number: Int
        let directory: String
        let pending = ByteWriter(capacity: 4096)
        var descriptor: Int32 = -1
        /// What is in the file; `pending` comes behind.
        var written = 0
        var lastRow: Int64 = 0

        init(number: Int, directory: String) {
            self.number = number
            self.directory = directory
        }

        deinit { if descriptor >= 0 { Glibc.close(descriptor) } }
    }

    private let root: String
    private let staged: String
    private let suffix: String
    private let header: [UInt8]?
    private let encoder: any RecordEncoder
    private let depth: Int
    private let rolling: FileRolling?
    private var path: PartitionPath
    private let values = Column(.bytes, capacity: 4096)
    private var parts: [[UInt8]: Part] = [:]
    private var list = FilePartList()
    private var current: (path: [UInt8], part: Part)?
    private var spanEnd = Int64.min
    private var rowsSeen: Int64 = 0
    private var pendingBytes = 0
    private var openFiles = 0

    /// The bound of what waits in memory for its file, over all files.
    private static let pendingBytesMax = 16 << 20
    /// What waits for one file.
    private static let flushBytes = 1 << 18
    /// Files that are open at once; others are opened again when they get rows.
    private static let openFilesMax = 256
    /// Parts in the making at once; beyond it the one that got no row for the most rows ends.
    private static let partsMax = 4096
    /// Checkpoints whose lists are kept, as many as may be kept at all.
    private static let listsKept: Int64 = 1024

    /// A sink into directories of `root` by `partitioning`.
    ///
    /// - Parameters:
    ///   - rolling: when files end; nil with each checkpoint.
    ///   - header: the first line of every file, if any.
    public init(
        root: String, partitioning: FilePartitioning, rolling: FileRolling?, suffix: String,
        header: [UInt8]? = nil, encoder: any RecordEncoder
    ) {
        self.root = root
        staged = root + "/.staged"
        self.suffix = suffix
        self.header = header
        self.encoder = encoder
        self.rolling = rolling
        depth = partitioning.depth
        path = PartitionPath(partitioning)
    }

    // MARK: recovery

    /// Commits the parts that `token` names, brings open ones back to where they were, and removes all
    /// later ones; without a token it goes on behind the parts that are there.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        try Directory.make(staged)
        parts = [:]
        current = nil
        spanEnd = .min
        list = FilePartList()
        var expected: Set<String> = []
        if let token {
            list = try FilePartList(token: token, staged: staged, place: root)
            try publish(list.closed)
            list.closed = []
            for part in list.open {
                try reopen(part)
                expected.insert(name(part.number))
            }
            list.open = []
        } else {
            var last = 0
            try forEachPublished { number, _ in last = max(last, number) }
            list.next = last + 1
        }
        for name in try Directory.names(staged) where !expected.contains(name) {
            if token != nil, FilePartList.checkpoint(ofName: name) != nil { continue }
            try remove(staged + "/" + name)
        }
        try Directory.sync(staged)
        guard token != nil else { return }
        var later: [String] = []
        try forEachPublished { number, path in if number >= list.next { later.append(path) } }
        for path in later { try remove(path) }
    }

    private func reopen(_ part: FilePartList.Part) throws(JobFailure) {
        let path = stagedPath(part.number)
        var status = stat()
        if stat(path, &status) != 0 {
            // It was complete already when the job went on without what the checkpoint does not cover.
            if rename(published(part), path) == 0 { try Directory.sync(directory(part.directory)) }
        }
        guard stat(path, &status) == 0, Int(status.st_size) >= part.bytes else {
            throw JobFailure(
                .corruption,
                "a part in the making is missing or has less than its \(part.bytes) bytes",
                at: path, remedy: "restore an older checkpoint")
        }
        if truncate(path, off_t(part.bytes)) != 0 {
            throw FileBytes.failure("cut", path, kind: .sink)
        }
        let open = Part(number: part.number, directory: part.directory)
        open.written = part.bytes
        parts[Array(part.directory.utf8)] = open
    }

    private func remove(_ path: String) throws(JobFailure) {
        if unlink(path) != 0, errno != ENOENT {
            throw FileBytes.failure("remove", path, kind: .sink)
        }
    }

    /// Calls `body` with the number and path of every published part.
    private func forEachPublished(_ body: (Int, String) -> Void) throws(JobFailure) {
        try visit(root, depth, body)
    }

    private func visit(
        _ directory: String, _ below: Int, _ body: (Int, String) -> Void
    ) throws(JobFailure) {
        for name in try Directory.names(directory) where !name.hasPrefix(".") {
            let path = directory + "/" + name
            if below == 0 {
                if let number = number(ofName: name) { body(number, path) }
                continue
            }
            var status = stat()
            if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
                try visit(path, below - 1, body)
            }
        }
    }

    // MARK: rows

    /// Appends each row to the part of its directory.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        values.removeAll()
        encoder.encode(batch, into: values)
        if let failure = encoder.failure { throw failure }
        let columns = batch.columns
        let changes = batch.changes?.bools
        let times = batch.order.eventTimes.int64s
        var row = 0
        while row < batch.count {
            defer { row += 1 }
            guard values.isValid(row) else { continue }
            if let changes, changes[row] == RowChange.updateBefore.rawValue { continue }
            if rolling?.everyMicros != nil, batch.order.time(row) >= spanEnd {
                try enter(batch.order.time(row))
            }
            path.make(columns, time: times[row], row: row)
            let part = try self.part()
            rowsSeen += 1
            part.lastRow = rowsSeen
            let before = part.pending.count
            part.pending.append(values.bytes(row))
            part.pending.append(byte: 0x0A)
            pendingBytes += part.pending.count - before
            if let bytes = rolling?.bytes, part.written + part.pending.count >= bytes {
                try end(part)
            } else if part.pending.count >= PartitionedFileSink.flushBytes {
                try flush(part)
            }
            if pendingBytes >= PartitionedFileSink.pendingBytesMax {
                for part in parts.values { try flush(part) }
            }
        }
    }

    /// Event time has come to another multiple of `roll: every`.
    private func enter(_ time: Int64) throws(JobFailure) {
        let every = rolling!.everyMicros!
        let span = time >= 0 ? time / every : (time - every + 1) / every
        let (end, isBeyond) = ((span + 1).multipliedReportingOverflow(by: every))
        spanEnd = isBeyond ? .max : end
        guard list.span != span else { return }
        list.span = span
        try endAll()
    }

    /// The part of the directory `path`.
    private func part() throws(JobFailure) -> Part {
        if let current, current.path == path.path { return current.part }
        if let known = parts[path.path] {
            current = (path.path, known)
            return known
        }
        if parts.count >= PartitionedFileSink.partsMax,
            let longest = parts.values.min(by: { $0.lastRow < $1.lastRow })
        {
            try end(longest)
        }
        let part = Part(
            number: list.next, directory: String(decoding: path.path, as: UTF8.self))
        list.next += 1
        if let header {
            part.pending.append(header)
            part.pending.append(byte: 0x0A)
            pendingBytes += part.pending.count
        }
        parts[path.path] = part
        current = (path.path, part)
        return part
    }

    private func flush(_ part: Part) throws(JobFailure) {
        let waiting = part.pending
        guard waiting.count > 0 || part.written == 0 else { return }
        let path = stagedPath(part.number)
        if part.descriptor < 0 {
            if openFiles >= PartitionedFileSink.openFilesMax { closeFiles() }
            // A part that begins is made anew: what has its name was left by a run that was killed.
            let mode = part.written == 0 ? O_TRUNC : O_APPEND
            part.descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | mode, 0o644)
            guard part.descriptor >= 0 else {
                throw FileBytes.failure("create", path, kind: .sink)
            }
            openFiles += 1
        }
        try FileBytes.write(
            UnsafeBufferPointer(start: waiting.base, count: waiting.count), to: part.descriptor,
            path)
        part.written += waiting.count
        pendingBytes -= waiting.count
        waiting.removeAll()
    }

    private func closeFiles() {
        for part in parts.values where part.descriptor >= 0 {
            Glibc.close(part.descriptor)
            part.descriptor = -1
        }
        openFiles = 0
    }

    private func sync(_ part: Part) throws(JobFailure) {
        let path = stagedPath(part.number)
        if part.descriptor < 0 {
            part.descriptor = open(path, O_WRONLY | O_CLOEXEC)
            guard part.descriptor >= 0 else {
                throw FileBytes.failure("open", path, kind: .sink)
            }
            openFiles += 1
        }
        guard fsync(part.descriptor) == 0 else {
            throw FileBytes.failure("sync", path, kind: .sink)
        }
        Glibc.close(part.descriptor)
        part.descriptor = -1
        openFiles = max(openFiles - 1, 0)
    }

    /// The part is complete.
    private func end(_ part: Part) throws(JobFailure) {
        try flush(part)
        try sync(part)
        list.closed.append(
            FilePartList.Part(
                number: part.number, bytes: part.written, directory: part.directory))
        parts[Array(part.directory.utf8)] = nil
        current = nil
    }

    private func endAll() throws(JobFailure) {
        for part in parts.values.sorted(by: { $0.number < $1.number }) { try end(part) }
    }

    // MARK: checkpoints

    /// Ends every part: there will be no more rows.
    public func end() throws(JobFailure) { try endAll() }

    /// Makes the parts durable, under their hidden names.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        if rolling == nil { try endAll() }
        list.open = []
        for part in parts.values.sorted(by: { $0.number < $1.number }) {
            try flush(part)
            try sync(part)
            list.open.append(
                FilePartList.Part(
                    number: part.number, bytes: part.written, directory: part.directory))
        }
        let token = try list.save(checkpoint: checkpoint, staged: staged)
        list.closed = []
        list.open = []
        try Directory.sync(staged)
        return token
    }

    /// Gives the complete parts their places.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        try publish(try FilePartList(token: token, staged: staged, place: root).closed)
        for name in try Directory.names(staged) {
            guard let old = FilePartList.checkpoint(ofName: name),
                old < checkpoint - PartitionedFileSink.listsKept
            else { continue }
            try remove(staged + "/" + name)
        }
    }

    /// Leaves the parts in the making unpublished.
    public func close() { closeFiles() }

    private func publish(_ closed: [FilePartList.Part]) throws(JobFailure) {
        var touched: Set<String> = []
        for part in closed {
            let target = published(part)
            if touched.insert(part.directory).inserted {
                try Directory.make(directory(part.directory))
            }
            if rename(stagedPath(part.number), target) == 0 { continue }
            guard errno == ENOENT else {
                throw FileBytes.failure("rename", stagedPath(part.number), kind: .sink)
            }
            var status = stat()
            guard stat(target, &status) == 0, Int(status.st_size) == part.bytes else {
                throw JobFailure(
                    .corruption,
                    "the checkpoint's part is missing or not of its \(part.bytes) bytes",
                    at: target, remedy: "restore an older checkpoint")
            }
        }
        // The directories themselves are entries of those above them.
        var all: Set<String> = touched.isEmpty ? [] : [""]
        for name in touched {
            var above = name[...]
            while !above.isEmpty {
                all.insert(String(above))
                above = above.lastIndex(of: "/").map { above[..<$0] } ?? ""
            }
        }
        for name in all.sorted() { try Directory.sync(directory(name)) }
    }

    // MARK: names

    private func name(_ number: Int) -> String {
        let digits = String(number)
        return "part-" + String(repeating: "0", count: max(10 - digits.count, 0)) + digits + suffix
    }

    private func directory(_ name: String) -> String { name.isEmpty ? root : root + "/" + name }

    private func published(_ part: FilePartList.Part) -> String {
        directory(part.directory) + "/" + name(part.number)
    }

    private func stagedPath(_ number: Int) -> String { staged + "/" + name(number) }

    private func number(ofName name: String) -> Int? {
        guard name.hasPrefix("part-"), name.hasSuffix(suffix) else { return nil }
        return Int(name.dropFirst(5).dropLast(suffix.count))
    }
}
