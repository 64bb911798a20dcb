import StreamRuntime

/// Puts the rows of a window and key together, tests the condition on many pairs at once, and hands out what the
/// type of the join asks for.
final class WindowMatches {
    typealias Emit = (ColumnBatch) -> Void

    /// A left row and the right rows it may be paired with; without a left row the end of a key.
    private struct Job {
        let left: UnsafeMutableRawPointer?
        let rights: Range<Int>
        let truth: Int
        let key: Int32
        let hash: Int64
    }

    private let form: JoinForm
    private let pairs: JoinPairs
    private let tested: JoinPairs?
    private var rejection: Rejection
    private let lefts = FoundRows()
    private let rights = FoundRows()
    private var isMatched: [Bool] = []
    private var jobs: [Job] = []
    private var truths: [Bool] = []
    private var hashes = Column(.int64, capacity: JoinPairs.pairsMax)
    private var key: Int32 = 0

    init(_ form: JoinForm, left: RowPacking, right: RowPacking) {
        self.form = form
        rejection = Rejection(policy: form.onError)
        pairs = JoinPairs(form, left: left, right: right, readsRight: form.type.showsRight)
        tested =
            form.condition == nil
            ? nil : JoinPairs(form, left: left, right: right, readsRight: true)
    }

    func open(_ context: OperatorContext) { rejection.open(context) }

    /// Begins with a window.
    func begin() {
        pairs.begin()
        key = 0
    }

    /// Adds the rows of a key of the window.
    func join(
        _ entry: StateEntry, hasNull: Bool, _ emit: Emit, into output: any Output
    ) throws(JobFailure) {
        let left = entry.blob(0, of: WindowJoin.layout)
        let right = entry.blob(1, of: WindowJoin.layout)
        if left.isEmpty, !form.type.showsUnmatchedRight { return }
        if right.isEmpty, !form.type.showsUnmatched { return }
        key &+= 1
        lefts.removeAll()
        WindowMatches.sort(left, into: lefts)
        let first = rights.count
        WindowMatches.sort(right, into: rights)
        let all = first..<rights.count
        for _ in all { isMatched.append(false) }
        let partners = hasNull ? first..<first : all
        for slot in 0..<lefts.count {
            let place = lefts.places[slot]
            let job = Job(
                left: place, rights: partners, truth: tested?.count ?? 0, key: key,
                hash: entry.hash)
            guard let tested else {
                tell(job, emit)
                continue
            }
            if !partners.isEmpty {
                let start = tested.copy(WindowMatches.content(place))
                for right in partners {
                    tested.add(
                        start, tested.copy(WindowMatches.content(rights.places[right])), .insert,
                        cause: 0)
                }
            }
            jobs.append(job)
            if tested.isFull { try test(emit, into: output) }
        }
        if form.type.showsUnmatchedRight {
            let job = Job(left: nil, rights: all, truth: 0, key: key, hash: entry.hash)
            if tested == nil { tell(job, emit) } else { jobs.append(job) }
        }
    }

    /// Hands out what is left; the entries are not looked at any more.
    func finish(_ emit: Emit, into output: any Output) throws(JobFailure) {
        try test(emit, into: output)
        handOut(emit)
        rights.removeAll()
        isMatched.removeAll(keepingCapacity: true)
    }

    private func test(_ emit: Emit, into output: any Output) throws(JobFailure) {
        guard let tested, let condition = form.condition else { return }
        truths.removeAll(keepingCapacity: true)
        if tested.count > 0 {
            let order = RowOrder(capacity: tested.count)
            for _ in 0..<tested.count {
                order.append(eventTime: 0, watermark: 0, origin: 0, offset: 0)
            }
            let rows = tested.take(places: order)
            var errors = RejectedRows()
            let values = condition.evaluate(rows, errors: &errors)
            _ = try rejection.settle(errors, of: rows, into: output)
            for row in 0..<rows.count {
                truths.append(values.isValid(row) && values.bools[row] != 0)
            }
        }
        for job in jobs { tell(job, emit) }
        jobs.removeAll(keepingCapacity: true)
    }

    // MARK: telling

    private func tell(_ job: Job, _ emit: Emit) {
        guard let left = job.left else {
            for slot in job.rights where !isMatched[slot] {
                add(nil, rights.places[slot], job, emit)
            }
            return
        }
        var isAlone = true
        for slot in job.rights {
            if tested != nil, !truths[job.truth + slot - job.rights.lowerBound] { continue }
            isAlone = false
            isMatched[slot] = true
            if form.type.showsRight { add(left, rights.places[slot], job, emit) }
        }
        let comes = isAlone ? form.type.showsUnmatched : form.type == .semi
        if comes { add(left, nil, job, emit) }
    }

    private func add(
        _ left: UnsafeMutableRawPointer?, _ right: UnsafeMutableRawPointer?, _ job: Job,
        _ emit: Emit
    ) {
        let mine = left.map { pairs.copy(WindowMatches.content($0)) } ?? -1
        let theirs = right.map { pairs.copy(WindowMatches.content($0)) } ?? -1
        pairs.add(mine, theirs, .insert, cause: job.key)
        hashes.append(job.hash)
        if pairs.isFull { handOut(emit) }
    }

    private func handOut(_ emit: Emit) {
        let count = pairs.count
        if count == 0 { return }
        var order = RowOrder(capacity: count)
        let elements = Column(.int64, capacity: count)
        for slot in 0..<count {
            order.append(
                eventTime: 0, watermark: .min, origin: 0, offset: hashes.int64s[slot])
            elements.append(pairs.elements[slot])
        }
        order.elements = elements
        hashes.removeAll()
        emit(pairs.take(places: order))
    }

    // MARK: rows

    private static func content(
        _ place: UnsafeMutableRawPointer
    ) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(
            start: UnsafePointer((place + WindowJoin.head).assumingMemoryBound(to: UInt8.self)),
            count: Int(place.loadUnaligned(as: UInt32.self)) - WindowJoin.head)
    }

    /// Adds where the rows of `content` begin to `found`, in their total order.
    private static func sort(_ content: UnsafeBufferPointer<UInt8>, into found: FoundRows) {
        guard let start = content.baseAddress else { return }
        let first = found.count
        let base = UnsafeMutableRawPointer(mutating: start)
        var isSorted = true
        var at = 0
        while at < content.count {
            let row = base + at
            if found.count > first, precedes(row, found.places[found.count - 1]) {
                isSorted = false
            }
            found.add(row)
            at &+= Int(row.loadUnaligned(as: UInt32.self))
        }
        if isSorted { return }
        var rows = UnsafeMutableBufferPointer(
            start: found.places + first, count: found.count - first)
        rows.sort(by: precedes)
    }

    private static func precedes(
        _ left: UnsafeMutableRawPointer, _ right: UnsafeMutableRawPointer
    ) -> Bool {
        func word(_ row: UnsafeMutableRawPointer, _ at: Int) -> Int64 {
            row.loadUnaligned(fromByteOffset: at, as: Int64.self)
        }
        if word(left, 8) != word(right, 8) { return word(left, 8) < word(right, 8) }
        if word(left, 16) != word(right, 16) { return word(left, 16) < word(right, 16) }
        if word(left, 24) != word(right, 24) {
            return UInt64(bitPattern: word(left, 24)) < UInt64(bitPattern: word(right, 24))
        }
        return word(left, 32) < word(right, 32)
    }
}
