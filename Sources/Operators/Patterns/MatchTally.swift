import StreamRuntime

/// A measure over the rows so far; each further row changes it at once.
struct MatchTally {
    private var count = 0
    /// The row whose value it is, counted from the first one of the match; less than 0 without one.
    private(set) var row = -1
    private var whole: Int128 = 0
    private var real = 0.0

    /// A tally that has taken nothing.
    init() {}

    /// The tally of the rows before those that a `last` passes over, of which this is the tally with them.
    ///
    /// - Parameter before: what the measure's tally was before a row of the match.
    func passing(_ measure: MatchMeasure, _ before: (Int) -> MatchTally) -> MatchTally {
        guard measure.function == .last else { return self }
        var tally = self
        var left = measure.offset
        while left > 0, tally.row >= 0 {
            tally = before(tally.row)
            left -= 1
        }
        return tally
    }

    /// Takes row `start + row`, which has the measure's name.
    ///
    /// - Parameter values: the measure's column; nil to count rows.
    mutating func add(_ measure: MatchMeasure, _ values: Column?, _ start: Int, _ row: Int) {
        guard let values else {
            count += 1
            return
        }
        let place = start + row
        switch measure.function {
        case .first:
            if count == measure.offset { self.row = row }
            count += 1
        case .last: self.row = row
        case .count: if values.isValid(place) { count += 1 }
        case .min, .max:
            guard values.isValid(place) else { return }
            guard self.row >= 0 else {
                self.row = row
                return
            }
            let order = RowComparison.compare(values, place, values, start + self.row)
            if measure.function == .min ? order < 0 : order > 0 { self.row = row }
        case .sum, .avg:
            guard values.isValid(place) else { return }
            count += 1
            switch values.type {
            case .float64: real += values.float64s[place]
            case .decimal: whole &+= values.decimals[place]
            default: whole &+= Int128(values.int64s[place])
            }
        }
    }

    /// Appends the measure's value to `target`.
    func append(to target: Column, _ measure: MatchMeasure, _ values: Column?, _ start: Int) {
        guard let values, measure.function != .count else { return target.append(Int64(count)) }
        switch measure.function {
        case .first, .last, .min, .max:
            if row < 0 {
                target.appendNull()
            } else {
                target.append(from: values, row: start + row)
            }
        case .count: target.append(Int64(count))
        case .sum, .avg:
            if count == 0 { return target.appendNull() }
            if measure.function == .sum {
                if values.type == .float64 { target.append(real) } else { target.append(whole) }
                return
            }
            var total = real
            if values.type != .float64 { total = Double(whole) }
            if case .decimal(_, let scale) = values.type {
                for _ in 0..<scale { total /= 10 }
            }
            target.append(total / Double(count))
        }
    }
}
