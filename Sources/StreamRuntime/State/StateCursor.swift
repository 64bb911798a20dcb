import CPlatform
import Glibc
import RocksDB

/// A walk over a table's entries in hash order, a chunk at a time.
///
/// Entries on disk come into memory for as long as their chunk is used.
public final class StateCursor {
    private let table: StateTable
    private var sorted: HashSort
    private var at = 0
    private var disk: DiskWalk?
    /// Entries the last chunk brought in from disk.
    private var lent: [UnsafeMutablePointer<StateEntry.Header>] = []
    private var isPinned = true

    init(_ table: StateTable) {
        self.table = table
        table.pins += 1
        sorted = HashSort(capacity: table.resident)
        for number in table.log.order {
            table.log.forEach(in: number) { header in
                if header.pointee.flags & StateEntry.Flag.removed == 0 { sorted.append(header) }
            }
        }
        sorted.sort()
        if table.spilled > 0, let backend = table.place.backend {
            disk = DiskWalk(
                backend.database.cursor(from: table.place.lower, to: table.place.upper))
        }
    }

    deinit { unpin() }

    /// Writes the next entries into `chunk`, at most `limit`; 0 at the end.
    ///
    /// An entry is the caller's until the next call; to change it, call `StateTable.markChanged`.
    public func next(
        _ limit: Int, into chunk: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) -> Int {
        giveBackLent()
        var count = 0
        if disk == nil {
            count = min(limit, sorted.count - at)
            let body = table.layout.bodyBytes
            for slot in 0..<count {
                let header = sorted.references[at + slot].header
                chunk[slot].header = header
                // In the order of hashes entries lie anywhere: all of them are asked for at once.
                var line = 0
                while line <= body {
                    millrace_prefetch(UnsafeRawPointer(header) + line)
                    line &+= 64
                }
            }
            at += count
        } else {
            while count < limit, let header = try nextMerged() {
                chunk[count].header = header
                count += 1
            }
        }
        if count == 0 { unpin() }
        return count
    }

    /// The lesser of the next entry in memory and the next that is only on disk.
    private func nextMerged() throws(JobFailure) -> UnsafeMutablePointer<StateEntry.Header>? {
        guard let disk else { return nil }
        while disk.cursor.isValid {
            let key = disk.cursor.key
            let hash = Int64(bitPattern: StatePlace.hash(of: key))
            let start = (key.baseAddress! + StatePlace.prefixBytes)
                .assumingMemoryBound(to: UInt8.self)
            let length = key.count - StatePlace.prefixBytes
            if at < sorted.count, memoryComesFirst(hash, start, length) { break }
            // What is in memory, or removed there, is newer than what the disk says.
            if table.index.slot(of: start, length, hash: hash) >= 0 {
                disk.cursor.next()
                continue
            }
            let header = try table.insertLoaded(start, length, hash, value: disk.cursor.value)
            table.spilled -= 1
            lent.append(header)
            disk.cursor.next()
            return header
        }
        if !disk.cursor.isValid {
            do { try disk.cursor.check() } catch { throw JobFailure(error) }
        }
        guard at < sorted.count else { return nil }
        at += 1
        return sorted.references[at - 1].header
    }

    private func memoryComesFirst(
        _ hash: Int64, _ key: UnsafePointer<UInt8>, _ length: Int
    ) -> Bool {
        let next = sorted.references[at]
        let theirs = UInt64(bitPattern: hash)
        guard next.hash == theirs else { return next.hash < theirs }
        return HashSort.keyOrder(
            StateEntry.key(of: next.header), Int(next.header.pointee.keyLength), key, length) < 0
    }

    /// Lets entries that came from disk and were not changed leave memory again.
    private func giveBackLent() {
        for header in lent
        where header.pointee.flags & (StateEntry.Flag.dirty | StateEntry.Flag.dead) == 0 {
            StateEntry(header: header).freeBlobs(table.layout)
            table.forget(header)
            table.resident -= 1
            table.spilled += 1
        }
        lent.removeAll(keepingCapacity: true)
    }

    private func unpin() {
        guard isPinned else { return }
        isPinned = false
        table.pins -= 1
    }
}

/// A database cursor that an optional property can hold.
private final class DiskWalk {
    let cursor: DatabaseCursor
    init(_ cursor: consuming DatabaseCursor) { self.cursor = cursor }
}
