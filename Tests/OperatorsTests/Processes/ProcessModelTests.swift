import Operators
import StreamRuntime
import Testing

/// Random state machines, against a plain program that does what they say row by row.
@Suite struct ProcessModelTests {
    @Test(arguments: (1...12).map { UInt64($0) })
    func `random state machines do what a plain model does`(seed: UInt64) throws {
        var random = Seeded(seed)
        let machine = ModelMachine(&random)
        let harness = try OperatorHarness(
            "time shop:string kind:int64 v:int64", keys: ["shop"]
        ) { schema in
            let (program, problems) = ProcessProgram.compile(
                machine.spec, input: schema, keys: [0])
            return KeyedProcess(
                program: try #require(program, "seed \(seed): \(problems)"))
        }
        var shops: [String] = []
        var kinds: [Int64] = []
        var values: [Int64] = []
        let rows = try harness.sendRandom(100, &random) { _, columns, random in
            shops.append("s\(Int.random(in: 0..<5, using: &random))")
            kinds.append(Int64.random(in: 0..<4, using: &random))
            values.append(Int64.random(in: 0..<10, using: &random))
            columns[0].append(shops.last!)
            columns[1].append(kinds.last!)
            columns[2].append(values.last!)
        }
        var results: [ModelRow] = []
        for shop in Set(shops).sorted() {
            var key = ModelKey(machine: machine, shop: shop)
            for row in rows where shops[row.index] == shop {
                key.take(row, kinds[row.index], values[row.index])
            }
            key.end()
            results += key.results
        }
        let columns = ["shop", "what", "n", "s", "at"]
        let expected = results.map(\.cells).sorted {
            $0.joined(separator: " ") < $1.joined(separator: " ")
        }
        let found = harness.rows(columns).sorted {
            $0.joined(separator: " ") < $1.joined(separator: " ")
        }
        #expect(found == expected, "seed \(seed)")
        // The same rows, in order, in every other way of running.
        try harness.expect(rows: harness.rows(columns), of: columns)
    }
}

private struct ModelRow {
    let cells: [String]
}

/// A random machine, as it is declared and as the model runs it.
private struct ModelMachine {
    struct Entry {
        var timer: String?
        var kind: Int64?
        var below: Int64?
        var addsValue = false
        var resets = false
        var text: String?
        var timers: [(name: String, after: Int64?)] = []
        var emits: [String] = []
        var clears = false
    }

    var entries: [Entry] = []
    let timeToLive: Int64?

    init(_ random: inout Seeded) {
        let isForgotten = Bool.random(using: &random)
        timeToLive = isForgotten ? Int64.random(in: 8...60, using: &random) : nil
        let names = ["a", "b", "c"]
        var used: Set<String> = []
        for index in 0..<Int.random(in: 2...5, using: &random) {
            var entry = Entry()
            entry.kind = Int64.random(in: 0..<4, using: &random)
            if Bool.random(using: &random) {
                entry.below = Int64.random(in: 1...12, using: &random)
            }
            entry.fill("row\(index)", names, timed: true, &random)
            for timer in entry.timers { used.insert(timer.name) }
            entries.append(entry)
        }
        for name in names where used.contains(name) {
            if Bool.random(using: &random) {
                var entry = Entry(timer: name)
                entry.below = Int64.random(in: 1...12, using: &random)
                entry.fill("low_\(name)", used.sorted(), timed: isForgotten, &random)
                entries.append(entry)
            }
            var entry = Entry(timer: name)
            entry.fill("timer_\(name)", used.sorted(), timed: isForgotten, &random)
            entries.append(entry)
        }
        if !entries.contains(where: { !$0.emits.isEmpty }) { entries[0].emits = ["only"] }
    }

    var spec: ProcessSpec {
        ProcessSpec(
            state: [
                .init(name: "n", type: .int64, initial: "0"), .init(name: "s", type: .string),
            ],
            entries: entries.map { entry in
                var conditions: [String] = []
                if let kind = entry.kind { conditions.append("kind = \(kind)") }
                if let below = entry.below { conditions.append("n < \(below)") }
                var sets: [ProcessSpec.Item] = []
                if entry.resets {
                    sets.append(.init("n", "0"))
                } else if entry.addsValue {
                    sets.append(.init("n", entry.timer == nil ? "n + v" : "n + 1"))
                }
                if let text = entry.text {
                    sets.append(.init("s", "right(coalesce(s, '') || '\(text)', 6)"))
                }
                return .init(
                    cause: entry.timer.map { .timer($0) } ?? .row,
                    condition: conditions.isEmpty ? nil : conditions.joined(separator: " and "),
                    sets: sets,
                    timers: entry.timers.map { timer in
                        .init(
                            timer.name,
                            timer.after.map {
                                $0 < 0
                                    ? "now() - interval \(-$0) seconds"
                                    : "now() + interval \($0) seconds"
                            } ?? "null")
                    },
                    emits: entry.emits.map { what in
                        [
                            .init("shop", "shop"), .init("what", "'\(what)'"), .init("n", "n"),
                            .init("s", "s"), .init("at", "now()"),
                        ]
                    }, clears: entry.clears)
            }, timeToLive: timeToLive.map { .seconds($0) })
    }
}

extension ModelMachine.Entry {
    mutating func fill(
        _ name: String, _ timers: [String], timed: Bool, _ random: inout Seeded
    ) {
        addsValue = Bool.random(using: &random)
        resets = Int.random(in: 0..<6, using: &random) == 0
        if Bool.random(using: &random) { text = String(name.suffix(1)) }
        if timed {
            for timer in timers where Int.random(in: 0..<3, using: &random) == 0 {
                let isCancelled = Int.random(in: 0..<4, using: &random) == 0
                self.timers.append(
                    (timer, isCancelled ? nil : Int64.random(in: -3...25, using: &random)))
            }
        }
        for number in 0..<Int.random(in: 0...2, using: &random) {
            emits.append("\(name).\(number)")
        }
        clears = Int.random(in: 0..<6, using: &random) == 0
    }
}

/// One key of the model.
private struct ModelKey {
    let machine: ModelMachine
    let shop: String
    var results: [ModelRow] = []
    private var n: Int64 = 0
    private var s: String?
    private var timers: [String: (due: Int64, at: Int64)] = [:]
    private var touched: Int64?

    init(machine: ModelMachine, shop: String) {
        self.machine = machine
        self.shop = shop
    }

    private var expiry: Int64 {
        guard let ttl = machine.timeToLive, let touched else { return .max }
        return touched + ttl * 1_000_000
    }

    private mutating func forget() {
        n = 0
        s = nil
        timers = [:]
        touched = nil
    }

    private mutating func fire(through time: Int64) {
        while let next = timers.min(by: { ($0.value.at, $0.key) < ($1.value.at, $1.key) }),
            next.value.at <= time, next.value.at <= expiry
        {
            timers[next.key] = nil
            act(timer: next.key, 0, 0, now: next.value.due, time: next.value.at)
        }
    }

    mutating func take(_ row: RandomRow, _ kind: Int64, _ value: Int64) {
        fire(through: row.time)
        if expiry <= row.time { forget() }
        act(timer: nil, kind, value, now: row.eventTime, time: row.time)
    }

    mutating func end() { fire(through: .max) }

    private mutating func act(
        timer: String?, _ kind: Int64, _ value: Int64, now: Int64, time: Int64
    ) {
        guard
            let entry = machine.entries.first(where: { entry in
                entry.timer == timer && entry.kind.map { $0 == kind } ?? true
                    && entry.below.map { n < $0 } ?? true
            })
        else { return }
        if entry.resets { n = 0 } else if entry.addsValue { n += timer == nil ? value : 1 }
        if let text = entry.text { s = String(((s ?? "") + text).suffix(6)) }
        for what in entry.emits {
            results.append(
                ModelRow(
                    cells: [shop, what, "\(n)", s ?? "null", TableText.time(now)]))
        }
        if entry.clears { return forget() }
        for (name, after) in entry.timers {
            guard let after else {
                timers[name] = nil
                continue
            }
            let due = now + after * 1_000_000
            timers[name] = (due, max(due, time + (timer == nil ? 1 : 1000)))
        }
        if timer == nil { touched = time }
    }
}
