import Connectors
import Glibc
import Operators
import StreamRuntime

/// How fast rows are looked up by one worker: from memory, and from a service that takes a millisecond.
enum LookupBenchmarks {
    private static let rows = 4096
    private static let input = Schema([Field("customer", .int64), Field("order", .int64)])
    private static let answer = [
        RecordField("name", .string), RecordField("limit", .float64),
    ]

    static func run() throws {
        try measure("from memory, 10,000 keys", batches: 500, keys: 10_000, millis: 0, batchMax: 64)
        try measure(
            "from the journal, 10,000 keys", batches: 50, keys: 10_000, millis: 0, batchMax: 64,
            cacheRows: 64)
        try measure("a service of 1 ms, 32 requests at once", batches: 5, keys: .max, millis: 1)
        try measure(
            "a service of 1 ms, 32 requests of 50 keys", batches: 50, keys: .max, millis: 1,
            batchMax: 50)
    }

    /// A service that takes its time and knows every key.
    private final class Service: LookupTarget {
        let batchMax: Int
        let millis: UInt32

        init(batchMax: Int, millis: UInt32) {
            self.batchMax = batchMax
            self.millis = millis
        }

        func ask(_ questions: [LookupQuestion]) -> [LookupReply] {
            if millis > 0 { usleep(millis * 1000) }
            return questions.map { question in
                .found(Array(#"{"name":"customer \#(question.parts[0].text)","limit":7.5}"#.utf8))
            }
        }
    }

    private final class Count: Output {
        var rows = 0
        func emit(_ batch: ColumnBatch, port: Int) { rows += batch.count }
    }

    private static func batch(_ number: Int, keys: Int) -> ColumnBatch {
        let batch = ColumnBatch(schema: input, capacity: rows)
        var state = UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15
        for row in (number * rows)..<((number + 1) * rows) {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            batch.columns[0].append(keys == .max ? Int64(row) : Int64(state >> 33) % Int64(keys))
            batch.columns[1].append(Int64(row))
            batch.order.append(
                eventTime: Int64(row), watermark: .min, origin: 0, offset: Int64(row))
        }
        batch.count = rows
        batch.keys = KeyEncoder(columns: [0]).encode(batch)
        return batch
    }

    private static func measure(
        _ name: String, batches wanted: Int, keys: Int, millis: UInt32, batchMax: Int = 1,
        cacheRows: Int = 100_000
    ) throws {
        // A debug build shows that it runs, and no figures.
        let count = _isDebugAssertConfiguration() ? max(wanted / 25, 2) : wanted
        let directory = "/tmp/millrace-lookups-\(getpid())-\(keys)-\(batchMax)-\(cacheRows)"
        var settings = LookupSettings(name: "bench")
        settings.inFlight = 32
        settings.terms = LookupTerms(
            foundMicros: 86_400_000_000, missingMicros: 86_400_000_000)
        let terms = settings.terms
        let desk = LookupDesk(settings, target: Service(batchMax: batchMax, millis: millis)) {
            () throws(JobFailure) -> LookupJournal in
            try LookupJournal(directory, others: [], definition: 1, terms: terms)
        }
        let fields = LookupFields(answer)
        let step = LookupJoin(
            form: LookupForm(
                input: input, alias: "c", fields: fields.fields, keys: [0], type: .left,
                takesFailureAsMissing: false, cacheRows: cacheRows, onError: .fail),
            source: desk, decoder: fields.decoder())
        try step.open(
            OperatorContext(
                stepId: "bench", ordinal: 1, worker: 0, workers: 1, state: StateStore(),
                counters: StepCounters()))
        let output = Count()
        let all = (0..<count).map { batch($0, keys: keys) }
        if keys != .max {
            // Every key is asked for before.
            for number in 0..<20 { try pass(batch(count + number, keys: keys), step, output) }
        }
        output.rows = 0
        let (wall, processor) = (clock(CLOCK_MONOTONIC), clock(CLOCK_PROCESS_CPUTIME_ID))
        if millis == 0 {
            for batch in all { try pass(batch, step, output) }
        } else {
            for batch in all {
                while step.isFull { try wait(step) }
                try step.prepare(batch)
            }
            while step.answered < .endOfTime { try wait(step) }
            for batch in all { try step.process(batch, into: output) }
        }
        let seconds = clock(CLOCK_MONOTONIC) - wall
        let worked = clock(CLOCK_PROCESS_CPUTIME_ID) - processor
        step.close()
        let rate = Int(Double(output.rows) / seconds)
        let cost = (worked / Double(output.rows) * 1e7).rounded() / 10
        print("lookup \(name): \(rate) rows/s, \(cost) us of CPU a row")
        try remove(directory)
    }

    private static func pass(
        _ batch: ColumnBatch, _ step: LookupJoin, _ output: Count
    ) throws {
        try step.prepare(batch)
        while step.answered < .endOfTime { try wait(step) }
        try step.process(batch, into: output)
        _ = try step.advance(
            to: EventTime(micros: batch.order.eventTimes.int64s[rows - 1]), into: output)
    }

    private static func wait(_ step: LookupJoin) throws {
        if try !step.takeAnswers() { usleep(50) }
    }

    private static func remove(_ directory: String) throws {
        guard let stream = opendir(directory) else { return }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            unlink(directory + "/" + name)
        }
        closedir(stream)
        rmdir(directory)
    }

    private static func clock(_ which: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(which, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
