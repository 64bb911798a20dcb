import StreamRuntime

/// How far windows have fired, kept with every key group so that it survives a change of workers.
final class FiringProgress {
    private let state: KeyedState
    private let groups: Range<Int>
    private var written = Int64.min

    init(_ context: OperatorContext) throws(JobFailure) {
        state = try context.state.state(
            "progress", of: context.stepId, layout: StateLayout(fixedBytes: 8))
        groups = context.keyGroups
    }

    /// What the groups of this worker had reached; `.min` for a new step.
    func load() throws(JobFailure) -> Int64 {
        var reached = Int64.min
        try each { entry in
            if entry.exists {
                reached = max(reached, entry.value.assumingMemoryBound(to: Int64.self).pointee)
            }
        } fetch: { table, keys, entries throws(JobFailure) in
            try table.find(keys, rows: nil, count: keys.count, into: entries)
        }
        written = reached
        return reached
    }

    func save(_ reached: Int64) throws(JobFailure) {
        if reached == written { return }
        try each { entry in
            entry.value.assumingMemoryBound(to: Int64.self).pointee = reached
        } fetch: { table, keys, entries throws(JobFailure) in
            try table.resolve(keys, rows: nil, count: keys.count, into: entries)
        }
        written = reached
    }

    private func each(
        _ body: (StateEntry) -> Void,
        fetch: (StateTable, KeyColumn, UnsafeMutablePointer<StateEntry>) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        let bytes = Column(.bytes, capacity: groups.count)
        let hashes = Column(.int64, capacity: groups.count)
        for group in groups {
            withUnsafeBytes(of: UInt16(group).bigEndian) {
                bytes.append($0.assumingMemoryBound(to: UInt8.self))
            }
            hashes.append(Int64(bitPattern: UInt64(group) << 54))
        }
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: groups.count)
        defer { entries.deallocate() }
        try fetch(try state.table(0), KeyColumn(bytes: bytes, hashes: hashes), entries)
        for slot in 0..<groups.count { body(entries[slot]) }
    }
}
