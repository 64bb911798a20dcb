import Glibc
import StreamRuntime

/// Rows that are added one after another, the result after each being wanted.
struct TracedRows {
    /// Which rows of the batch.
    let range: Range<Int>
    /// 1 for a row that takes one back; nil when none does.
    let takenBack: UnsafePointer<UInt8>?
    /// An entry of the same layout, for what a row adds to nothing.
    let scratch: StateEntry
}

extension Accumulator {
    /// Adds rows, or takes them back, each to the entry of its slot, and appends the result after each.
    func trace(
        _ rows: AggregateRows, _ traced: TracedRows, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        var failures = RejectedRows()
        for row in traced.range {
            if let takenBack = traced.takenBack, takenBack[row] != 0 {
                takeBack(rows, row, traced.scratch, at: place)
            } else {
                update(rows, row..<(row + 1), at: place)
            }
            finish(
                rows.entries + row, count: 1, into: column, at: place, errors: &failures,
                text: text)
            if failures.rejects.isEmpty { continue }
            for reject in failures.rejects {
                errors.append(row: row, column: reject.column, reason: reject.reason)
            }
            failures = RejectedRows()
        }
    }

    /// Takes back a row: what it adds to nothing is subtracted.
    func takeBack(
        _ rows: AggregateRows, _ row: Int, _ scratch: StateEntry, at place: AccumulatorPlace
    ) {
        initial.withUnsafeBytes {
            if let base = $0.baseAddress {
                (scratch.value + place.offset).copyMemory(from: base, byteCount: $0.count)
            }
        }
        for blob in 0..<blobs { place.resize(scratch, blob, to: 0) }
        var part = scratch
        var value = scratch.value
        withUnsafePointer(to: &part) { entries in
            withUnsafePointer(to: &value) { values in
                update(
                    AggregateRows(
                        arguments: rows.arguments, order: rows.order, entries: entries - row,
                        values: values - row), row..<(row + 1), at: place)
            }
        }
        let isDone = subtract(scratch, from: rows.entries[row], at: place)
        assert(isDone, "the planner lets nothing be taken back that cannot be")
    }
}

extension CountAccumulator {
    func trace(
        _ rows: AggregateRows, _ traced: TracedRows, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        let numbers = column.int64s
        let values = rows.values
        let offset = place.offset
        let mask = rows.mask
        let takenBack = traced.takenBack
        let end = traced.range.upperBound
        var row = traced.range.lowerBound
        while row < end {
            let word = (values[row] + offset).assumingMemoryBound(to: Int64.self)
            var more: Int64 = 1
            if let mask { more = Int64(mask[row]) }
            if let takenBack, takenBack[row] != 0 { more = 0 &- more }
            let count = word.pointee &+ more
            word.pointee = count
            numbers[row] = count
            row &+= 1
        }
        column.setCount(end)
    }
}

extension IntegerSumAccumulator {
    func trace(
        _ rows: AggregateRows, _ traced: TracedRows, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        let inputs = UnsafePointer(rows.arguments.columns[0].int64s)
        let values = rows.values
        let offset = place.offset
        let mask = rows.mask
        let takenBack = traced.takenBack
        let end = traced.range.upperBound
        let isNarrow = result == .int64
        let numbers = column.int64s
        var row = traced.range.lowerBound
        while row < end {
            let words = (values[row] + offset).assumingMemoryBound(to: Int64.self)
            if mask == nil || mask.unsafelyUnwrapped[row] != 0 {
                var number = Int128(inputs[row])
                var more: Int64 = 1
                if let takenBack, takenBack[row] != 0 {
                    number = 0 &- number
                    more = -1
                }
                words[0] &+= more
                WideWords.store(WideWords.load(words + 1) &+ number, words + 1)
            }
            // The usual result lies in one word.
            if isNarrow, words[0] > 0, words[2] == words[1] &>> 63 {
                numbers[row] = words[1]
                if column.validity != nil { column.validity.unsafelyUnwrapped[row] = 1 }
                column.setCount(row &+ 1)
            } else {
                var failures = RejectedRows()
                finish(
                    rows.entries + row, count: 1, into: column, at: place, errors: &failures,
                    text: text)
                for reject in failures.rejects {
                    errors.append(row: row, column: reject.column, reason: reject.reason)
                }
            }
            row &+= 1
        }
    }
}

extension DistinctWordAccumulator {
    func trace(
        _ rows: AggregateRows, _ traced: TracedRows, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        let words = UnsafePointer(rows.arguments.columns[0].int64s)
        let numbers = column.int64s
        let mask = rows.mask
        let takenBack = traced.takenBack
        let end = traced.range.upperBound
        if isCompact { return traceCompact(rows, traced, into: column, at: place) }
        // Sets are larger than any cache: the slots of rows to come are read while these are worked on.
        let ahead = 8
        var touched: Int64 = 0
        var row = traced.range.lowerBound
        while row < end {
            let later = row &+ ahead
            if later < end, mask == nil || mask.unsafelyUnwrapped[later] != 0 {
                touched |= self.set(rows.entries[later], place).touch(words[later])
            }
            let members = self.set(rows.entries[row], place)
            if mask == nil || mask.unsafelyUnwrapped[row] != 0 {
                if let takenBack, takenBack[row] != 0 {
                    members.remove(words[row], times: 1)
                } else {
                    members.insert(words[row])
                }
            }
            numbers[row] = members.count
            row &+= 1
        }
        column.setCount(end)
        // Kept somewhere, so that the reading is not left out; whoever uses the scratch entry writes it first.
        (traced.scratch.value + place.offset).storeBytes(of: touched, as: Int64.self)
    }

    private func traceCompact(
        _ rows: AggregateRows, _ traced: TracedRows, into column: Column,
        at place: AccumulatorPlace
    ) {
        let words = UnsafePointer(rows.arguments.columns[0].int64s)
        let numbers = column.int64s
        let mask = rows.mask
        let end = traced.range.upperBound
        let ahead = 8
        var touched: Int64 = 0
        var row = traced.range.lowerBound
        while row < end {
            let later = row &+ ahead
            if later < end, mask == nil || mask.unsafelyUnwrapped[later] != 0 {
                touched |= compact(rows.entries[later], place).touch(words[later])
            }
            let members = compact(rows.entries[row], place)
            if mask == nil || mask.unsafelyUnwrapped[row] != 0 { members.insert(words[row]) }
            numbers[row] = members.count
            row &+= 1
        }
        column.setCount(end)
        (traced.scratch.value + place.offset).storeBytes(of: touched, as: Int64.self)
    }

    func takeBack(
        _ rows: AggregateRows, _ row: Int, _ scratch: StateEntry, at place: AccumulatorPlace
    ) {
        guard rows.counts(row) else { return }
        let entry = rows.entries[row]
        WordSet(words: place.words(entry), entry: entry, place: place)
            .remove(rows.arguments.columns[0].int64s[row], times: 1)
    }
}

extension DistinctBytesAccumulator {
    func takeBack(
        _ rows: AggregateRows, _ row: Int, _ scratch: StateEntry, at place: AccumulatorPlace
    ) {
        guard rows.counts(row), let keys = rows.arguments.keys else { return }
        let entry = rows.entries[row]
        BytesSet(words: place.words(entry), entry: entry, place: place)
            .remove(keys.bytes.bytes(row), hash: keys.hashes.int64s[row], times: 1)
    }
}
