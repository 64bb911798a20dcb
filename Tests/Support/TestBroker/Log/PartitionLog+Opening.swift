import Glibc

extension PartitionLog {
    /// Reads what the directory has; a torn end is cut off.
    func open() throws(BrokerFailure) {
        try Directory.make(directory)
        let bases = try Directory.names(in: directory).compactMap { name -> Int64? in
            name.hasSuffix(".log") ? Int64(name.dropLast(4)) : nil
        }.sorted()
        for (index, base) in bases.enumerated() {
            let path = Segment.path(directory, base)
            let file = try LogFile(path: path, capacity: segmentBytes)
            var segment = Segment(base: base, file: file)
            end = max(end, base)
            let isWhole = read(&segment, verifies: index == bases.count - 1)
            segments.append(segment)
            if !isWhole {
                try file.cut(to: segment.byteCount)
                // What follows a tear was written before what is missing: it cannot stay.
                for later in bases[(index + 1)...] { unlink(Segment.path(directory, later)) }
                break
            }
        }
        if segments.isEmpty { try roll() }
        start = max(segments[0].base, try savedStart())
        end = max(end, start)
        leaderEpoch = max(leaderEpoch, epochs.last?.epoch ?? 0)
        producers.forgetAborted(below: start)
    }

    /// Notes the batches of a file; false when it ends with something that is no batch.
    private func read(_ segment: inout Segment, verifies: Bool) -> Bool {
        let size = segment.file.byteCount
        while segment.byteCount < size {
            let bytes = segment.file.memory + segment.byteCount
            let available = size - segment.byteCount
            guard let batch = BatchHeader(bytes, available: available), batch.magic == 2,
                batch.totalBytes <= available, batch.baseOffset >= end,
                !verifies || batch.isWhole(bytes, available: available)
            else { return false }
            segment.note(batch)
            noteEpoch(batch)
            end = batch.lastOffset + 1
            if !batch.isControl {
                producers.note(batch)
            } else if let isCommit = RecordBatch.isCommit(batch, at: bytes) {
                producers.noteMarker(
                    batch.producer, epoch: batch.epoch, offset: batch.baseOffset,
                    isCommit: isCommit)
            }
        }
        return true
    }

    private var startPath: String { directory + "/start" }

    private func savedStart() throws(BrokerFailure) -> Int64 {
        guard let text = try Directory.text(of: startPath) else { return 0 }
        return Int64(text) ?? 0
    }

    func saveStart() throws(BrokerFailure) {
        try Directory.replace(startPath, with: String(start))
    }
}
