import CPlatform
import Glibc
import RocksDB
import Synchronization

/// Writes copies of entries to the database: many as sorted files that it takes over, few as one
/// batch.
///
/// Sorting and taking over a file costs a seventh of pushing the same entries through RocksDB's
/// memory.
final class StateWriter: Sendable {
    private let database: Database
    private let options: DatabaseOptions
    /// Where files are made before the database takes them over; on its disk.
    private let directory: String
    private let fileCount = Mutex(0)
    /// Below this many bytes a file is not worth it.
    private static let fileBytesMin = 256 << 10
    /// About the size of one file, before compression.
    private static let fileBytes = 64 << 20
    /// How many records before its turn a record is asked for from memory.
    private static let ahead = 16

    init(database: Database, options: DatabaseOptions, near live: String) throws(JobFailure) {
        self.database = database
        self.options = options
        directory = live + ".ingest"
        _ = FileTree.remove(directory)
        try FileTree.makeDirectory(directory)
    }

    /// Deletes the namespaces, their files at once where they hold nothing else.
    func delete(_ drops: [DroppedNamespace]) throws(RocksDBError) {
        guard !drops.isEmpty else { return }
        let batch = WriteBatch(database)
        for drop in drops {
            try database.deleteFiles(from: drop.lower, to: drop.upper)
            batch.deleteRange(from: drop.lower, to: drop.upper)
        }
        try database.write(batch)
    }

    /// Writes the entries of `pieces`, newest over what is there.
    ///
    /// - Precondition: pieces of the same state and namespace with the same lowest hash may share
    ///   no key.
    func write(_ pieces: [RecordPiece]) throws(RocksDBError) {
        guard !pieces.isEmpty else { return }
        let runs = StateWriter.runs(pieces)
        let bytes = pieces.reduce(0) { $0 + $1.records.bytes }
        let key = DiskKeyBuffer()
        if bytes < StateWriter.fileBytesMin {
            try writeBatch(runs, key)
        } else {
            try writeFiles(runs, key)
        }
    }

    /// Pieces that share a range of keys on disk, in disk order.
    private static func runs(_ pieces: [RecordPiece]) -> [[RecordPiece]] {
        let ordered = pieces.sorted {
            ($0.state, $0.namespace, $0.lowestHash) < ($1.state, $1.namespace, $1.lowestHash)
        }
        var runs: [[RecordPiece]] = []
        for piece in ordered {
            if let last = runs.last?.last, last.state == piece.state,
                last.namespace == piece.namespace, last.lowestHash == piece.lowestHash
            {
                runs[runs.count - 1].append(piece)
            } else {
                runs.append([piece])
            }
        }
        return runs
    }

    private func writeBatch(_ runs: [[RecordPiece]], _ key: DiskKeyBuffer) throws(RocksDBError) {
        let batch = WriteBatch(database)
        for piece in runs.joined() {
            piece.records.forEach { record in
                let diskKey = key.fill(piece, record)
                if StateRecord.isRemoval(record) {
                    batch.delete(diskKey)
                } else {
                    batch.put(diskKey, StateRecord.value(record))
                }
            }
        }
        try database.write(batch)
    }

    private func writeFiles(_ runs: [[RecordPiece]], _ key: DiskKeyBuffer) throws(RocksDBError) {
        var files: [String] = []
        var writer: SortedFileWriter?
        var written = 0
        for run in runs {
            var sorted = HashSort(capacity: run.reduce(0) { $0 + $1.records.count })
            for piece in run { piece.records.forEach { sorted.append($0) } }
            sorted.sort()
            let piece = run[0]
            var at = 0
            while at < sorted.count {
                if written > StateWriter.fileBytes, let full = writer.take() {
                    _ = try full.finish()
                    written = 0
                }
                if writer == nil {
                    files.append(nextFile())
                    writer = try SortedFileWriter(path: files.last!, options: options)
                }
                // In the order of keys the records lie anywhere in memory.
                if at &+ StateWriter.ahead < sorted.count {
                    let next = UnsafeRawPointer(sorted.references[at &+ StateWriter.ahead].header)
                    millrace_prefetch(next)
                    millrace_prefetch(next + 64)
                }
                let record = sorted.references[at].header
                let diskKey = key.fill(piece, record)
                if StateRecord.isRemoval(record) {
                    try writer!.delete(diskKey)
                } else {
                    try writer!.put(diskKey, StateRecord.value(record))
                }
                written &+= Int(record.pointee.size)
                at &+= 1
            }
        }
        if let last = writer.take() { _ = try last.finish() }
        try database.ingest(files)
    }

    private func nextFile() -> String {
        let number = fileCount.withLock { count in
            count += 1
            return count
        }
        return "\(directory)/\(number).sst"
    }
}

/// Memory in which keys as they are on disk are put together.
final class DiskKeyBuffer {
    private var memory = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 16)
    private var capacity = 256

    deinit { memory.deallocate() }

    func fill(
        _ piece: RecordPiece, _ record: UnsafeMutablePointer<StateEntry.Header>
    ) -> UnsafeRawBufferPointer {
        let length = StatePlace.prefixBytes + Int(record.pointee.keyLength)
        if length > capacity {
            memory.deallocate()
            capacity = length.nextPowerOfTwo
            memory = .allocate(byteCount: capacity, alignment: 16)
        }
        StatePlace.writePrefix(
            piece.state, piece.namespace, UInt64(bitPattern: record.pointee.hash), to: memory)
        memcpy(
            memory + StatePlace.prefixBytes, StateEntry.key(of: record),
            Int(record.pointee.keyLength))
        return UnsafeRawBufferPointer(start: memory, count: length)
    }
}
