/// How long answers hold, and for which rows.
///
/// Event time is cut into cells; all rows of a key in one cell have the same answer, whoever of them asked for
/// it. So the answer of a row is a function of its key and its event time once it is written down: order,
/// batches and workers do not matter. Cells of different keys begin at different moments. Those of misses lie in one of
/// what was found each: a miss that is written down later covers no row that was given something.
public struct LookupTerms: Equatable, Sendable {
    /// What kind of answer a cell has.
    public enum Kind: UInt8, Sendable {
        case found, missing, failed
    }

    /// How long what was found holds, in microseconds; 0 for rows of the same time only.
    public var foundMicros: Int64
    /// How long it holds that nothing is known of a key; no longer than what was found.
    public var missingMicros: Int64

    /// How far behind the event time of its partition a row is asked for at most; `Int64.max` for as far as it lies.
    ///
    /// So what lies further behind is never asked for again, and its answers can be forgotten.
    public var keepMicros: Int64

    /// What was found holds `foundMicros`, that there is nothing `missingMicros`.
    public init(foundMicros: Int64, missingMicros: Int64, keepMicros: Int64 = .max) {
        self.keepMicros = max(keepMicros, 0)
        self.foundMicros = max(foundMicros, 1)
        self.missingMicros = min(max(missingMicros, 1), self.foundMicros)
    }

    /// How long answers of `kind` hold; a failure is that of the very moment.
    public func micros(_ kind: Kind) -> Int64 {
        switch kind {
        case .found: foundMicros
        case .missing: missingMicros
        case .failed: 1
        }
    }

    /// The event time that a row is asked for: its own, or `keepMicros` behind its partition's where that is later.
    ///
    /// It is a function of the log, as both times of the row are.
    @inline(__always)
    public func moment(event: Int64, watermark: Int64) -> Int64 {
        if keepMicros == .max || watermark < .min &+ keepMicros { return event }
        return max(event, watermark &- keepMicros)
    }

    /// When the cell begins that `time` lies in, of keys with this hash.
    @inline(__always)
    public func cell(_ kind: Kind, hash: Int64, time: Int64) -> Int64 {
        if kind == .failed || foundMicros == 1 { return time }
        let length = foundMicros
        let shift = Int64(truncatingIfNeeded: UInt64(bitPattern: hash) % UInt64(length))
        let rest = (time &- shift) % length
        let into = rest < 0 ? rest &+ length : rest
        return time &- (kind == .found ? into : into % missingMicros)
    }
}
