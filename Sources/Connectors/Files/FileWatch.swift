import Glibc
import StreamRuntime

/// A directory into which files are put while it is watched: tells which files are whole, and reads what is
/// new of them.
///
/// A file is whole when it has rested for a while, or when a file that says so lies beside it. One that has
/// grown is read on; one whose content was read already, under its own or another name, is counted and not
/// read again; one with other content is a new file.
///
/// - Shape: `ledger` is what has to be kept between two processes: one line a file.
/// - Note: used by one thread at a time. The decisions depend on the directory and on `nowMicros` alone.
public final class FileWatch {
    /// When a file is whole, and which comes first.
    public struct Rules: Equatable, Sendable {
        /// A directory, or a pattern with `*`, `?` or `[…]`.
        public var path: String
        /// Where records end.
        public var layout: FileLayout
        /// How long a file must not have changed; without a marker.
        public var quietMicros: Int64 = 5_000_000
        /// What a file's name has at its end when it says that the file without it is whole.
        public var marker: String?
        /// Whether older files come first; otherwise they come by name.
        public var isByTime = false

        /// The rules of `path`.
        public init(path: String, layout: FileLayout) {
            self.path = path
            self.layout = layout
        }
    }

    /// A file whose records are handed over.
    public struct Delivery: Equatable, Sendable {
        /// Its name, without the directory.
        public let name: String
        /// When it was changed, in microseconds since 1970.
        public let modifiedMicros: Int64
        /// The first line that is new; 0 unless it has grown.
        public let firstLine: Int64
    }

    /// What was counted since the watch was made.
    public struct Figures: Equatable, Sendable {
        /// Files whose records were taken.
        public var files: Int64 = 0
        /// Files that had grown, and were read on.
        public var grown: Int64 = 0
        /// Files with a content that had been read already.
        public var repeats: Int64 = 0
        /// Files with other content under a known name.
        public var replaced: Int64 = 0
        /// Files that could not be read.
        public var failed: Int64 = 0
        /// Files that are not whole yet.
        public var waiting: Int64 = 0

        /// Nothing yet.
        public init() {}
    }

    /// Files whose names end so are being written.
    static let unfinished = [".tmp", ".part", ".partial", ".filepart", ".crdownload", "~"]
    /// Files that are remembered; the oldest that are gone are forgotten first.
    static let filesMax = 20_000

    /// What was counted.
    public private(set) var figures = Figures()
    private let rules: Rules
    private var known: [String: WatchedFile] = [:]
    private var names: [Int64: String] = [:]
    /// Since when each file that is not taken yet has looked as it does.
    private var resting: [String: (bytes: Int64, modified: Int64, since: Int64)] = [:]

    private struct Found {
        let name: String
        let path: String
        let inode: UInt64
        let bytes: Int64
        let modifiedMicros: Int64
    }

    /// A watch that goes on where `ledger` stands; empty for a fresh one.
    public init(_ rules: Rules, ledger: String = "") {
        self.rules = rules
        for line in ledger.split(separator: "\n") {
            guard let file = WatchedFile(line) else { continue }
            known[file.name] = file
            names[file.hash] = file.name
        }
    }

    /// What the next watch has to know.
    public var ledger: String {
        known.values.sorted { $0.name < $1.name }.map { $0.text + "\n" }.joined()
    }

    /// Looks once, and hands over the records of every file that is whole, one file after the other.
    ///
    /// - Parameters:
    ///   - nowMicros: since 1970.
    ///   - take: gets the records, batch by batch.
    ///   - end: called behind the last of a file, when `ledger` has it; what it does not finish is done again.
    /// - Returns: whether any file is not whole yet.
    /// - Throws: what `take` and `end` throw, and when the directory cannot be listed.
    public func look(
        nowMicros: Int64, take: (RecordBatch, Delivery) throws(JobFailure) -> Void,
        end: (Delivery) throws(JobFailure) -> Void
    ) throws(JobFailure) -> Bool {
        let all = try list()
        figures.waiting = 0
        var ready: [Found] = []
        for file in all {
            if let before = known[file.name], before.bytes == file.bytes,
                before.modifiedMicros == file.modifiedMicros, before.inode == file.inode
            {
                continue
            }
            if isWhole(file, nowMicros) { ready.append(file) } else { figures.waiting += 1 }
        }
        if rules.isByTime {
            ready.sort { ($0.modifiedMicros, $0.name) < ($1.modifiedMicros, $1.name) }
        }
        for file in ready { try read(file, take, end) }
        forget(all)
        return figures.waiting > 0
    }

    // MARK: what is there

    private func list() throws(JobFailure) -> [Found] {
        var status = stat()
        var paths: [String]
        if stat(rules.path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            let directory = rules.path.hasSuffix("/") ? rules.path : rules.path + "/"
            paths = try Directory.names(rules.path).map { directory + $0 }
        } else {
            paths = FileSource.matches(rules.path).sorted {
                $0.utf8.lexicographicallyPrecedes($1.utf8)
            }
        }
        var found: [Found] = []
        for path in paths {
            let name = String(path.split(separator: "/").last ?? "")
            guard !name.hasPrefix("."), stat(path, &status) == 0,
                status.st_mode & S_IFMT == S_IFREG,
                !FileWatch.unfinished.contains(where: { name.lowercased().hasSuffix($0) })
            else { continue }
            if let marker = rules.marker, name.hasSuffix(marker) { continue }
            found.append(
                Found(
                    name: name, path: path, inode: UInt64(status.st_ino),
                    bytes: Int64(status.st_size), modifiedMicros: FileWatch.micros(status)))
        }
        return found
    }

    private static func micros(_ status: stat) -> Int64 {
        Int64(status.st_mtim.tv_sec) * 1_000_000 + Int64(status.st_mtim.tv_nsec) / 1000
    }

    /// Whether nobody writes to the file any more.
    private func isWhole(_ file: Found, _ now: Int64) -> Bool {
        if let marker = rules.marker {
            var status = stat()
            return stat(file.path + marker, &status) == 0
        }
        if now - file.modifiedMicros >= rules.quietMicros, file.modifiedMicros <= now {
            return true
        }
        // A clock elsewhere may date files ahead of ours.
        if let seen = resting[file.name], seen.bytes == file.bytes,
            seen.modified == file.modifiedMicros
        {
            return now - seen.since >= rules.quietMicros
        }
        resting[file.name] = (file.bytes, file.modifiedMicros, now)
        return rules.quietMicros == 0
    }

    /// Forgets the oldest files that are gone, once there are too many.
    private func forget(_ there: [Found]) {
        let present = Set(there.map(\.name))
        resting = resting.filter { present.contains($0.key) }
        guard known.count > FileWatch.filesMax else { return }
        let gone = known.values.filter { !present.contains($0.name) }
            .sorted { ($0.modifiedMicros, $0.name) < ($1.modifiedMicros, $1.name) }
        for file in gone.prefix(known.count - FileWatch.filesMax) {
            known[file.name] = nil
            if names[file.hash] == file.name { names[file.hash] = nil }
        }
    }

    // MARK: reading

    private func read(
        _ file: Found, _ take: (RecordBatch, Delivery) throws(JobFailure) -> Void,
        _ end: (Delivery) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        let before = known[file.name]
        let hashes: (first: Int64?, whole: Int64, bytes: Int64)
        do throws(JobFailure) {
            hashes = try FileHash.of(file.path, first: before?.bytes ?? 0)
        } catch {
            // One that nobody may read must not stop the others; it is tried again.
            figures.failed += 1
            figures.waiting += 1
            return
        }
        // Written to just now: it was not whole.
        guard hashes.bytes == file.bytes else {
            figures.waiting += 1
            return
        }
        var noted = WatchedFile(
            name: file.name, inode: file.inode, bytes: file.bytes,
            modifiedMicros: file.modifiedMicros, hash: hashes.whole, lines: before?.lines ?? 0,
            unended: before?.unended ?? 0, isRepeat: false)
        var firstLine: Int64 = 0
        if let before, hashes.first == before.hash, !before.isRepeat || file.bytes == before.bytes {
            guard file.bytes > before.bytes else {
                noted.isRepeat = before.isRepeat
                return try finish(noted, isRepeat: true, end)
            }
            if rules.layout != .whole { firstLine = before.lines - before.unended }
            figures.grown += 1
        } else if file.bytes > 0, let other = names[hashes.whole], known[other] != nil {
            noted.isRepeat = true
            noted.lines = known[other]!.lines
            noted.unended = known[other]!.unended
            return try finish(noted, isRepeat: true, end)
        } else if before != nil {
            figures.replaced += 1
        }
        let delivery = Delivery(
            name: file.name, modifiedMicros: file.modifiedMicros, firstLine: firstLine)
        let reader = FileReader(
            path: file.path, partition: 0, layout: rules.layout, tellsName: true)
        try reader.seek(to: firstLine)
        while case .records(let batch) = try reader.read(maxRecords: 4096, maxBytes: 4 << 20) {
            try take(batch, delivery)
        }
        noted.lines = reader.position
        noted.unended = reader.isLastUnended ? 1 : 0
        known[file.name] = noted
        names[noted.hash] = file.name
        resting[file.name] = nil
        figures.files += 1
        try end(delivery)
    }

    private func finish(
        _ file: WatchedFile, isRepeat: Bool, _ end: (Delivery) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        known[file.name] = file
        resting[file.name] = nil
        figures.repeats += 1
        try end(
            Delivery(
                name: file.name, modifiedMicros: file.modifiedMicros, firstLine: file.lines))
    }
}
