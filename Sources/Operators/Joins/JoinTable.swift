import StreamRuntime

/// One side of a join of two tables: how its rows are kept and what becomes of those without partner.
final class JoinTable {
    let isRight: Bool
    /// Whether rows are kept by a key of the table's own, so that one takes the place of another.
    let isKeyed: Bool
    /// Whether it is noted of each row how many partners it has.
    let keepsNotes: Bool
    private var opened: JoinMap?

    init(isRight: Bool, isKeyed: Bool, keepsNotes: Bool) {
        self.isRight = isRight
        self.isKeyed = isKeyed
        self.keepsNotes = keepsNotes
    }

    /// The rows.
    var map: JoinMap {
        guard let opened else { preconditionFailure("a step is opened first") }
        return opened
    }

    /// Both tables' part of an entry: counts and numbers, the fields' fingerprint, what is at work on the key.
    static let layout = StateLayout(fixedBytes: 48, blobs: 4)
    static let fingerprintAt = 32
    static let stampAt = 40

    func open(
        _ context: OperatorContext, in state: KeyedState, fingerprint: Int64
    ) throws(JobFailure) {
        opened = try JoinMap(
            context, in: state,
            form: .init(
                count: isRight ? 16 : 0, fingerprint: JoinTable.fingerprintAt,
                blob: isRight ? 2 : 0, head: 24),
            fingerprint: fingerprint, name: isRight ? "right" : "left")
    }

    /// Brings a row that came in form of the table (behind its key, if it has one) in.
    func put(
        _ bytes: UnsafeBufferPointer<UInt8>, at time: Int64, partners: Int, into entry: StateEntry
    ) throws(JobFailure) {
        if isKeyed {
            _ = try map.put(bytes, at: time, note: Int64(partners), into: entry)
        } else {
            try map.append(bytes, at: time, note: Int64(partners), to: entry)
        }
    }

    /// The row that a change takes the place of, or away, if it is there and came after `limit`.
    func old(
        _ bytes: UnsafeBufferPointer<UInt8>, isRemoval: Bool, after limit: Int64,
        in entry: StateEntry
    ) throws(JobFailure) -> JoinMap.Row? {
        if !isKeyed {
            return isRemoval ? try map.row(equal: bytes, after: limit, in: entry) : nil
        }
        guard let row = try map.row(of: bytes, in: entry), row.time > limit else { return nil }
        return row
    }

    /// Takes that row away.
    func remove(
        _ bytes: UnsafeBufferPointer<UInt8>, after limit: Int64, from entry: StateEntry
    ) throws(JobFailure) {
        if isKeyed {
            _ = try map.remove(bytes, from: entry)
        } else {
            try map.remove(equal: bytes, after: limit, from: entry)
        }
    }

    /// The row itself in bytes as they came.
    func content(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        guard isKeyed else { return bytes }
        let key = Int(UnsafeRawPointer(bytes.baseAddress!).loadUnaligned(as: UInt32.self))
        return UnsafeBufferPointer(rebasing: bytes[(4 + key)...])
    }
}
