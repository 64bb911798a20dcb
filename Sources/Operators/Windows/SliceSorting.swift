import StreamRuntime

/// Sorts the rows of a batch by what is to be done with them: into which slice, or late, or deferred.
struct SliceSorting {
    /// A slice that rows of the batch lie in.
    struct Bin {
        let end: Int64
        var count = 0
    }

    /// What to do with a row that goes into no slice now.
    enum Verdict {
        static let deferred: Int32 = -1
        static let late: Int32 = -2
        static let unplaceable: Int32 = -3
    }

    private let shape: SliceShape
    private var bins: [Bin] = []
    private var binOf: [Int64: Int32] = [:]
    /// The bin of each row, or a verdict.
    private(set) var slots: [Int32] = []
    private(set) var isPlain = false

    init(_ shape: SliceShape) { self.shape = shape }

    var binCount: Int { bins.count }

    func bin(_ index: Int) -> Bin { bins[index] }

    /// Sorts the rows of `order`; windows that ended at or before `fired` have fired.
    mutating func sort(_ order: RowOrder, count: Int, fired: Int64) {
        bins.removeAll(keepingCapacity: true)
        binOf.removeAll(keepingCapacity: true)
        if slots.count < count { slots = [Int32](repeating: 0, count: count) }
        isPlain = true
        let times = UnsafePointer(order.eventTimes.int64s)
        let watermarks = UnsafePointer(order.watermarks.int64s)
        let shape = shape
        // Around a window's end rows go to and fro between two slices: the last two are at hand.
        var gate = Gate()
        var other = Gate()
        // Taken out for the loop, so that making a gate may change the rest of the struct.
        var verdicts: [Int32] = []
        swap(&verdicts, &slots)
        verdicts.withUnsafeMutableBufferPointer { slots in
            var row = 0
            while row < count {
                let time = times[row]
                if time < gate.start || time >= gate.end {
                    swap(&gate, &other)
                    if time < gate.start || time >= gate.end {
                        if !shape.contains(time) {
                            slots[row] = Verdict.unplaceable
                            isPlain = false
                            row &+= 1
                            continue
                        }
                        if gate.inBin > 0 { bins[Int(gate.bin)].count += gate.inBin }
                        gate = makeGate(shape.sliceEnd(of: time), fired: fired)
                    }
                }
                let watermark = watermarks[row]
                if watermark >= gate.deferredFrom {
                    slots[row] = watermark >= gate.lateFrom ? Verdict.late : Verdict.deferred
                    isPlain = false
                } else {
                    slots[row] = gate.bin
                    gate.inBin &+= 1
                }
                row &+= 1
            }
        }
        swap(&verdicts, &slots)
        for gate in [gate, other] where gate.inBin > 0 { bins[Int(gate.bin)].count += gate.inBin }
    }

    /// What decides about the rows of one slice.
    private struct Gate {
        var start = Int64.max
        var end = Int64.max
        /// Rows with at least this W wait for their time; with at least `lateFrom` they are late.
        var deferredFrom = Int64.min
        var lateFrom = Int64.min
        var bin: Int32 = 0
        var inBin = 0
    }

    private mutating func makeGate(_ end: Int64, fired: Int64) -> Gate {
        let first = shape.firstEnd(ofSlice: end)
        let closing = shape.closing(ofSlice: end)
        var gate = Gate(start: end - shape.slice, end: end)
        gate.lateFrom = closing <= fired ? .min : closing
        gate.deferredFrom = first <= fired ? .min : first
        if let known = binOf[end] {
            gate.bin = known
        } else {
            gate.bin = Int32(bins.count)
            bins.append(Bin(end: end))
            binOf[end] = gate.bin
        }
        return gate
    }

    /// The rows in slot `wanted`, ascending.
    func rows(_ wanted: Int32, count: Int) -> [Int32] {
        var rows: [Int32] = []
        for row in 0..<count where slots[row] == wanted { rows.append(Int32(row)) }
        return rows
    }

    /// The rows that go into slices, ascending.
    func placed(count: Int) -> [Int32] {
        var rows: [Int32] = []
        for row in 0..<count where slots[row] >= 0 { rows.append(Int32(row)) }
        return rows
    }

    /// Writes the rows of each bin one bin after the other, ascending.
    func group(count: Int, into rows: UnsafeMutablePointer<Int32>) {
        var next = [Int](repeating: 0, count: bins.count)
        var start = 0
        for bin in bins.indices {
            next[bin] = start
            start += bins[bin].count
        }
        next.withUnsafeMutableBufferPointer { next in
            slots.withUnsafeBufferPointer { slots in
                var row = 0
                while row < count {
                    let bin = Int(slots[row])
                    if bin >= 0 {
                        rows[next[bin]] = Int32(truncatingIfNeeded: row)
                        next[bin] &+= 1
                    }
                    row &+= 1
                }
            }
        }
    }
}
