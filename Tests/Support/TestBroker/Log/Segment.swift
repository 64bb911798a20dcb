/// One file of a partition's log, with a sparse index in memory.
struct Segment {
    /// A place in the file: the batches from here to the next place.
    struct Place {
        var offset: Int64
        var position: Int
        /// The largest timestamp of all batches of the file up to the next place.
        var timestampMax: Int64
    }

    /// Places are this far apart at least.
    static let placeBytes = 1 << 14

    /// The offset that the file is named by.
    let base: Int64
    var file: LogFile
    private(set) var byteCount = 0
    private(set) var timestampMax: Int64 = .min
    private(set) var places: [Place] = []

    init(base: Int64, file: LogFile) {
        self.base = base
        self.file = file
    }

    static func path(_ directory: String, _ base: Int64) -> String {
        let digits = String(base)
        return directory + "/" + String(repeating: "0", count: 20 - digits.count) + digits + ".log"
    }

    /// Notes a batch at the end of the file.
    mutating func note(_ batch: BatchHeader) {
        timestampMax = max(timestampMax, batch.maxTimestamp)
        if let last = places.last, byteCount - last.position < Segment.placeBytes {
            places[places.count - 1].timestampMax = timestampMax
        } else {
            places.append(
                Place(
                    offset: batch.baseOffset, position: byteCount, timestampMax: timestampMax))
        }
        byteCount += batch.totalBytes
    }

    /// The header of the batch at `position`; nil at the end.
    func batch(at position: Int) -> BatchHeader? {
        BatchHeader(file.memory + position, available: byteCount - position)
    }

    /// The position of the batch that holds `offset` or, if none does, of the next one.
    func position(of offset: Int64) -> Int {
        var low = 0
        var high = places.count
        while low < high {
            let middle = (low + high) / 2
            if places[middle].offset <= offset { low = middle + 1 } else { high = middle }
        }
        var position = low == 0 ? 0 : places[low - 1].position
        while let batch = batch(at: position), batch.lastOffset < offset {
            position += batch.totalBytes
        }
        return position
    }

    /// The position of the first batch with a timestamp at or after `timestamp`; nil: no batch has one.
    func position(ofTime timestamp: Int64) -> Int? {
        guard timestampMax >= timestamp else { return nil }
        guard var position = places.first(where: { $0.timestampMax >= timestamp })?.position
        else { return nil }
        while let batch = batch(at: position) {
            if batch.maxTimestamp >= timestamp { return position }
            position += batch.totalBytes
        }
        return nil
    }

    /// The last batch boundary that is known to be at or before `position` and after `start`.
    func boundary(after start: Int, atOrBefore position: Int) -> Int? {
        var low = 0
        var high = places.count
        while low < high {
            let middle = (low + high) / 2
            if places[middle].position <= position { low = middle + 1 } else { high = middle }
        }
        guard low > 0, places[low - 1].position > start else { return nil }
        return places[low - 1].position
    }
}
