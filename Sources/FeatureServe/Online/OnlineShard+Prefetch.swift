import CPlatform
import StreamRuntime

/// Bringing rows into the processor's cache before they are read.
///
/// A row is four places in memory, each known from the one before: its entry in the table, the row, its slot, what
/// is rendered of it. A lookup of many keys that goes from place to place for all keys together waits for memory
/// four times; one that reads key by key waits four times a key.
extension OnlineShard {
    /// The next place of a key's row to bring near.
    enum Nearing: CaseIterable {
        case entry, row, rendering
    }

    /// Asks for one place of a row that may be in memory, without waiting for it.
    func bringNear(_ what: Nearing, hash: Int64, slots: [Int], asValues: Bool) {
        lock.lock()
        defer { lock.unlock() }
        if what == .entry { return millrace_prefetch(entryPlace(hash)) }
        guard let row = likely(hash) else { return }
        var index = 0
        while index < slots.count {
            let slot = row.slots + slots[index]
            if what == .row {
                if index == 0 { millrace_prefetch(row.header) }
                millrace_prefetch(slot)
                millrace_prefetch(UnsafeRawPointer(slot) + MemoryLayout<OnlineRow.Slot>.size - 1)
            } else if let block = asValues ? slot.pointee.values : slot.pointee.rendered {
                let length = asValues ? slot.pointee.valuesLength : slot.pointee.renderedLength
                var at = 0
                while at < min(Int(length), OnlineShard.nearBytesMax) {
                    millrace_prefetch(block + at)
                    at &+= OnlineShard.lineBytes
                }
            }
            index &+= 1
        }
    }

    /// What one rendering may claim of the cache.
    private static let nearBytesMax = 2048
    private static let lineBytes = 64
}
