import StreamRuntime
import Synchronization
import Testing

@testable import Operators

/// Lookup joins alone: what they ask, and that answers depend on key, time and journal only.
@Suite struct LookupJoinTests {
    /// A table elsewhere with a journal in memory; it answers at once, or when it is told to.
    private final class Table: LookupSource {
        typealias Service = @Sendable (LookupQuestion) -> LookupAnswer.Outcome?

        /// What was answered in a cell.
        private struct Cell {
            var found: LookupAnswer.Outcome?
            var exceptions: [LookupException] = []
        }

        let terms: LookupTerms
        private let journal = Mutex<[String: Cell]>([:])
        private let asked = Mutex(0)
        private let held = Mutex<[(LookupQuestion, LookupInbox)]>([])
        private let service: Mutex<Service>

        init(_ terms: LookupTerms, _ service: @escaping Service) {
            self.terms = terms
            self.service = Mutex(service)
        }

        var questions: Int { asked.withLock { $0 } }
        func open() throws(JobFailure) {}
        func close() {}
        func noteHits(_ count: Int) {}
        func become(_ other: @escaping Service) { service.withLock { $0 = other } }

        func ask(_ questions: [LookupQuestion], for inbox: LookupInbox) {
            for question in questions { answer(question, inbox) }
        }

        private func answer(_ question: LookupQuestion, _ inbox: LookupInbox) {
            func start(_ kind: LookupTerms.Kind) -> Int64 {
                terms.cell(kind, hash: question.hash, time: question.time)
            }
            let cell = "\(question.key) \(start(.found))"
            let known = journal.withLock { $0[cell] ?? Cell() }
            func put(_ outcome: LookupAnswer.Outcome) {
                inbox.put([
                    LookupAnswer(
                        number: question.number, outcome: outcome, exceptions: known.exceptions)
                ])
            }
            for kind in [LookupTerms.Kind.failed, .missing] {
                for exception in known.exceptions
                where exception.kind == kind && exception.time == start(kind) {
                    return put(kind == .failed ? .failed(exception.reason) : .missing)
                }
            }
            if let found = known.found { return put(found) }
            guard let outcome = service.withLock({ $0 })(question) else {
                return held.withLock { $0.append((question, inbox)) }
            }
            asked.withLock { $0 += 1 }
            var next = known
            switch outcome {
            case .missing where terms.missingMicros < terms.foundMicros:
                next.exceptions.append(LookupException(kind: .missing, time: start(.missing)))
            case .failed(let reason):
                next.exceptions.append(
                    LookupException(kind: .failed, time: question.time, reason: reason))
            case .found, .missing: next.found = outcome
            }
            let written = next
            journal.withLock { $0[cell] = written }
            put(outcome)
        }

        /// Answers what was held.
        func release() {
            let all = held.withLock { held in
                defer { held = [] }
                return held
            }
            for (question, inbox) in all { answer(question, inbox) }
        }
    }

    /// Reads an answer that is a number.
    private final class Numbers: RecordDecoder {
        let schema = Schema([Field("value", .int64)])

        func decode(
            _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
        ) {
            for index in 0..<records.count {
                let text = String(decoding: records.values.bytes(index), as: UTF8.self)
                guard let value = Int64(text) else {
                    rejects.append(row: index, column: "value", reason: "no number")
                    continue
                }
                rows.columns[0].append(value)
                rows.records.append(Int64(index))
            }
        }
    }

    private final class Rows: Output {
        var values: [Int64: Int64?] = [:]
        var failed = 0

        func emit(_ batch: ColumnBatch, port: Int) {
            if port > 0 {
                failed += batch.count
                return
            }
            guard batch.columns.count > 2 else {
                for row in 0..<batch.count { values[batch.columns[1].int64s[row]] = .some(nil) }
                return
            }
            let answer = batch.columns[2]
            for row in 0..<batch.count {
                values[batch.columns[1].int64s[row]] =
                    .some(answer.isValid(row) ? answer.children[0].int64s[row] : nil)
            }
        }
    }

    private static let input = Schema([Field("key", .string), Field("row", .int64)])

    private func join(
        _ table: Table, type: JoinType = .left, cacheRows: Int = 1000, asMissing: Bool = false,
        where condition: String? = nil
    ) throws -> LookupJoin {
        var form = LookupForm(
            input: Self.input, alias: "a", fields: [Field("value", .int64)], keys: [0],
            type: type, takesFailureAsMissing: asMissing, cacheRows: cacheRows,
            onError: .deadLetter(port: 1))
        form.condition = try condition.map {
            try ExpressionCompiler(schema: form.pairSchema).compile($0)
        }
        let join = LookupJoin(form: form, source: table, decoder: Numbers())
        try join.open(
            OperatorContext(
                stepId: "lookup", ordinal: 1, worker: 0, workers: 1, state: StateStore(),
                counters: StepCounters()))
        return join
    }

    private func batch(
        _ rows: [(key: String?, row: Int64, time: Int64)], watermark: Int64 = .min
    ) -> ColumnBatch {
        let batch = ColumnBatch(schema: Self.input, capacity: rows.count)
        for row in rows {
            if let key = row.key {
                batch.columns[0].append(key)
            } else {
                batch.columns[0].appendNull()
            }
            batch.columns[1].append(row.row)
            batch.order.append(
                eventTime: row.time, watermark: watermark, origin: 0, offset: row.row)
        }
        batch.count = rows.count
        batch.keys = KeyEncoder(columns: [0]).encode(batch)
        return batch
    }

    @Test func `rows wait for the first of them that has no answer`() throws {
        let table = Table(LookupTerms(foundMicros: 100, missingMicros: 100)) { _ in nil }
        let join = try join(table)
        let rows = batch([("a", 1, 1000), ("b", 2, 2000), (nil, 3, 500)])
        try join.prepare(rows)
        // A null is no question, and waits for nothing.
        #expect(join.answered == EventTime(micros: 1000))
        table.become { question in question.parts == [.text("a")] ? .found(Array("7".utf8)) : nil }
        table.release()
        #expect(try join.takeAnswers())
        #expect(join.answered == EventTime(micros: 2000))
        table.become { _ in .missing }
        table.release()
        #expect(try join.takeAnswers())
        #expect(join.answered == .endOfTime)
        let output = Rows()
        try join.process(rows, into: output)
        #expect(output.values == [1: 7, 2: nil, 3: nil])
        #expect(try !join.takeAnswers())
    }

    @Test func `rows of one cell share a question, and a miss holds for its own cell only`() throws
    {
        let count = Mutex<Int64>(0)
        let table = Table(LookupTerms(foundMicros: 1_000_000_000_000, missingMicros: 10)) { _ in
            let ask = count.withLock { count in
                count += 1
                return count
            }
            return ask == 1 ? .missing : .found(Array("\(ask)".utf8))
        }
        let join = try join(table)
        // The first question is answered with nothing; rows of later cells of misses ask again.
        let rows = batch((0..<50).map { ("a", Int64($0), Int64($0)) })
        try join.prepare(rows)
        let output = Rows()
        try join.process(rows, into: output)
        #expect(table.questions == 2)
        let missing = output.values.filter { $0.value == nil }.count
        #expect(missing >= 1 && missing <= 10)
        #expect(output.values.values.allSatisfy { $0 == nil || $0 == 2 })
    }

    @Test func `a failure is that of its moment, and other rows ask again`() throws {
        let count = Mutex(0)
        let table = Table(LookupTerms(foundMicros: 1_000_000_000_000, missingMicros: 10)) { _ in
            let ask = count.withLock { count in
                count += 1
                return count
            }
            return ask == 1 ? .failed("down") : .found(Array("5".utf8))
        }
        let join = try join(table)
        let rows = batch([("a", 1, 100), ("a", 2, 100), ("a", 3, 101)])
        try join.prepare(rows)
        let output = Rows()
        try join.process(rows, into: output)
        #expect(output.failed == 2)
        #expect(output.values == [3: 5])
    }

    @Test(arguments: [
        (JoinType.inner, String?.none, [1, 2]), (.left, nil, [1, 2, 3, 4]), (.semi, nil, [1, 2]),
        (.anti, nil, [3, 4]), (.inner, "a.value > row", [1]),
        (.left, "a.value > row", [1, 2, 3, 4]), (.semi, "a.value > row", [1]),
        (.anti, "a.value > row", [2, 3, 4]),
    ])
    func `the type says which rows come out, and the condition what an answer must hold`(
        type: JoinType, condition: String?, rows: [Int64]
    ) throws {
        let known = ["a": "5", "b": "1"]
        let table = Table(LookupTerms(foundMicros: 100, missingMicros: 100)) { question in
            known[question.parts[0].text].map { .found(Array($0.utf8)) } ?? .missing
        }
        let join = try join(table, type: type, where: condition)
        let all = batch([("a", 1, 10), ("b", 2, 20), ("c", 3, 30), (nil, 4, 40)])
        try join.prepare(all)
        let output = Rows()
        try join.process(all, into: output)
        #expect(output.values.keys.sorted() == rows)
        #expect(output.failed == 0)
        if type == .left {
            #expect(output.values[1] == .some(5))
            #expect(output.values[2] == .some(condition == nil ? 1 : nil))
        }
    }

    @Test func `a row the condition fails on is settled, and comes out of no join`() throws {
        let table = Table(LookupTerms(foundMicros: 100, missingMicros: 100)) { _ in
            .found(Array("0".utf8))
        }
        for type in [JoinType.left, .anti] {
            let join = try join(table, type: type, where: "cast(key as int64) > a.value")
            let all = batch([("a", 1, 10), ("7", 2, 20)])
            try join.prepare(all)
            let output = Rows()
            try join.process(all, into: output)
            #expect(output.failed == 1)
            #expect(output.values.keys.sorted() == (type == .left ? [2] : []))
        }
    }

    @Test func `a row is asked for no further behind its partition than answers are kept`() throws {
        let asked = Mutex<[Int64]>([])
        let terms = LookupTerms(foundMicros: 1, missingMicros: 1, keepMicros: 100)
        let table = Table(terms) { question in
            asked.withLock { $0.append(question.time) }
            return .found(Array("\(question.time)".utf8))
        }
        let join = try join(table)
        let output = Rows()
        for (watermark, times) in [(Int64.min, [Int64(5)]), (1000, [899, 900, 901, 1200])] {
            let rows = batch(
                times.map { ("a", $0, $0) }, watermark: watermark)
            try join.prepare(rows)
            try join.process(rows, into: output)
        }
        #expect(output.values == [5: 5, 899: 900, 900: 900, 901: 901, 1200: 1200])
        #expect(asked.withLock { $0 } == [5, 900, 901, 1200])
    }

    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8])
    func
        `answers are the same in any order, in any batches, with any cache, and when nobody answers`(
            seed: UInt64
        ) throws
    {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let count = Mutex<Int64>(0)
        let table = Table(
            LookupTerms(
                foundMicros: [1, 50, 400][random(3)], missingMicros: [1, 30, 400][random(3)])
        ) { question in
            let ask = count.withLock { count in
                count += 1
                return count
            }
            switch ask % 5 {
            case 0: return .missing
            case 1: return ask % 3 == 0 ? .failed("down") : .found(Array("\(ask)".utf8))
            default: return .found(Array("\(ask)".utf8))
            }
        }
        let all = (0..<400).map { row in
            (key: Optional("k\(random(12))"), row: Int64(row), time: Int64(random(1000)))
        }
        var first: [Int64: Int64?]?
        for cacheRows in [1000, 2, 64] {
            let join = try join(table, cacheRows: cacheRows)
            let output = Rows()
            var open = all.sorted { $0.time < $1.time }
            // Rows come out of order within a stretch of time, and are processed in order.
            var ready: [(key: String?, row: Int64, time: Int64)] = []
            while !open.isEmpty {
                let size = min(1 + random(40), open.count)
                var part = Array(open[..<size])
                open.removeFirst(size)
                for index in part.indices { part.swapAt(index, random(part.count)) }
                try join.prepare(batch(part))
                ready += part
                if random(2) == 0 || open.isEmpty {
                    ready.sort { $0.time < $1.time }
                    try join.process(batch(ready), into: output)
                    ready = []
                    let reached = open.first?.time ?? .max
                    _ = try join.advance(to: EventTime(micros: reached), into: output)
                }
            }
            if let first {
                #expect(output.values == first, "seed \(seed)")
            } else {
                first = output.values
                // From here on the journal alone answers.
                table.become { _ in .failed("nobody is there") }
            }
        }
    }
}
