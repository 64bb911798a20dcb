/// Reads tests: their steps and what they expect. Names and types are checked with the plan.
struct TestReader {
    let diagnostics: Diagnostics

    func read(_ tests: SpecNode?) -> [TestSpec] {
        var seen: [String: Position] = [:]
        return (tests?.items ?? []).compactMap { node in
            guard let name = node["name"]?.located else { return nil }
            if let there = seen.updateValue(name.position, forKey: name.value) {
                diagnostics.report(
                    .repeatedName, "two tests are called \"\(name.value)\"", at: name.position,
                    notes: there.file == name.position.file
                        ? ["it is first given in line \(there.line)"] : [],
                    fix: "say what is different about this one")
            }
            return test(name, node)
        }
    }

    private func test(_ name: Located<String>, _ node: SpecNode) -> TestSpec? {
        var day = TestTime.usualDay
        if let written = node["day"] {
            guard let read = written.text.flatMap({ TestTime.date(Substring($0)) }) else {
                wrong("\"day\" is no day", at: written.position, fix: "write it as 2026-01-15")
                return nil
            }
            day = read
        }
        var cursor = day
        var given: [TestStep] = []
        var isWhole = true
        for item in node["given"]?.items ?? [] {
            if let step = step(item, day: day, cursor: &cursor) {
                given.append(step)
            } else {
                isWhole = false
            }
        }
        let expect = node["expect"].map { expectations($0, day: day) } ?? []
        var test = TestSpec(
            name: name, day: day, given: given, expect: expect, ends: node["ends"]?.text != "false")
        test.answers = (node["answers"]?.entries ?? []).map { ($0.name, $0.value.items) }
        if test.expectations.isEmpty, isWhole, node["expect"] == nil {
            wrong(
                "the test \"\(name.value)\" expects nothing", at: name.position,
                fix: "add expect: {PIPELINE: [ROW, …]}, or {none: true} for no rows")
        }
        return isWhole ? test : nil
    }

    private func wrong(_ message: String, at position: Position, fix: String) {
        diagnostics.report(.testForm, message, at: position, fix: fix)
    }

    // MARK: steps

    private static let actions = ["advance", "kill_and_restore", "expect", "push"]

    private func step(_ node: SpecNode, day: Int64, cursor: inout Int64) -> TestStep? {
        if node.text == "kill_and_restore" { return .killAndRestore(workers: nil) }
        guard case .mapping(let entries) = node.content, let first = entries.first else {
            return nil
        }
        if let action = entries.first(where: { TestReader.actions.contains($0.key) }) {
            if let other = entries.first(where: { $0.key != action.key && $0.key != "at" }) {
                wrong(
                    "\"\(other.key)\" beside \"\(action.key)\" in one step",
                    at: other.keyPosition, fix: "make it a step of its own: begin it with a dash")
                return nil
            }
        }
        if let at = node["at"] {
            guard let time = at.text.flatMap({ TestTime.parse($0, day: day) }) else {
                wrong(
                    "\"at\" is no time", at: at.position,
                    fix: "write it as \"12:00:00\" or \"2026-01-15 12:00:00\"")
                return nil
            }
            return step(entries, at: time, day: day, cursor: &cursor)
        }
        return step(entries, at: cursor, day: day, cursor: &cursor)
            ?? {
                if first.key == "at" {
                    wrong(
                        "a step without records", at: first.keyPosition, fix: "add STREAM: [ROW, …]"
                    )
                }
                return nil
            }()
    }

    private func step(
        _ entries: [SpecNode.Entry], at time: Int64, day: Int64, cursor: inout Int64
    ) -> TestStep? {
        let parts = entries.filter { $0.key != "at" }
        guard let first = parts.first else {
            wrong(
                "a step with a time and no records", at: entries[0].keyPosition,
                fix: "add STREAM: [ROW, …], or write advance: DURATION to let time pass")
            return nil
        }
        let before = cursor
        cursor = max(cursor, time)
        switch first.key {
        case "advance": return advance(first.value, from: before, day: day, cursor: &cursor)
        case "kill_and_restore":
            let workers = first.value["workers"]
            guard let workers, let number = workers.integer, (1...64).contains(number) else {
                wrong(
                    "\"kill_and_restore\" says no number of workers", at: first.value.position,
                    fix: "write - kill_and_restore, or kill_and_restore: {workers: 2}")
                return nil
            }
            return .killAndRestore(workers: number)
        case "expect": return .expect(expectations(first.value, day: day))
        case "push": return .push(at: time, first.value.entries.compactMap(rows))
        default: return .rows(at: time, parts.compactMap(rows))
        }
    }

    private func advance(
        _ node: SpecNode, from before: Int64, day: Int64, cursor: inout Int64
    ) -> TestStep? {
        if let duration = node.duration {
            cursor = before + duration.micros
            return .advance(to: cursor)
        }
        guard let time = node.text.flatMap({ TestTime.parse($0, day: day) }) else {
            wrong(
                "\"advance\" is no duration and no time", at: node.position,
                fix: "write advance: 10m, or advance: \"12:30:00\"")
            return nil
        }
        guard time >= before else {
            wrong(
                "\"advance\" goes back in time", at: node.position,
                fix: "write a time after \(TestTime.iso(before))")
            return nil
        }
        cursor = time
        return .advance(to: time)
    }

    private func rows(_ entry: SpecNode.Entry) -> TestRows? {
        switch entry.value.content {
        case .list(let items): return TestRows(name: entry.name, rows: items)
        case .mapping, .scalar: return TestRows(name: entry.name, rows: [entry.value])
        }
    }

    // MARK: expectations

    private func expectations(_ node: SpecNode, day: Int64) -> [TestExpectation] {
        guard case .mapping(let entries) = node.content else {
            wrong(
                "\"expect\" is \(node.kindName)", at: node.position,
                fix: "write expect: {PIPELINE: [ROW, …]}")
            return []
        }
        return entries.compactMap { expectation($0, day: day) }
    }

    private static let words = [
        "exactly", "any_order", "contains", "lookup", "count", "none", "at",
    ]

    private func expectation(_ entry: SpecNode.Entry, day: Int64) -> TestExpectation? {
        switch entry.value.content {
        case .list(let rows): return made(entry, .exactly, rows)
        case .scalar(let scalar):
            guard scalar.text == "none" else {
                wrong(
                    "what is expected of \"\(entry.key)\" is \(entry.value.kindName)",
                    at: entry.value.position, fix: "write [ROW, …], or none")
                return nil
            }
            return made(entry, .exactly, [])
        case .mapping: return mapping(entry, day: day)
        }
    }

    private func made(
        _ entry: SpecNode.Entry, _ mode: TestExpectation.Mode, _ rows: [SpecNode]?,
        count: Located<Int>? = nil, at: Int64? = nil
    ) -> TestExpectation? {
        for row in rows ?? [] {
            guard case .mapping = row.content else {
                wrong(
                    "an expected row of \"\(entry.key)\" is \(row.kindName)", at: row.position,
                    fix: "write {COLUMN: VALUE, …}")
                return nil
            }
        }
        return TestExpectation(target: entry.name, mode: mode, rows: rows, count: count, at: at)
    }

    private func mapping(_ entry: SpecNode.Entry, day: Int64) -> TestExpectation? {
        let node = entry.value
        for part in node.entries where !TestReader.words.contains(part.key) {
            wrong(
                "unknown word \"\(part.key)\" in what is expected of \"\(entry.key)\"",
                at: part.keyPosition,
                fix: NearestWord.advice(part.key, among: TestReader.words, what: "words")
                    + "; rows are a list: [{COLUMN: VALUE}, …]")
            return nil
        }
        let lists = node.entries.filter {
            ["exactly", "any_order", "contains", "lookup"].contains($0.key)
        }
        if lists.count > 1 {
            wrong(
                "\"\(lists[1].key)\" beside \"\(lists[0].key)\"", at: lists[1].keyPosition,
                fix: "keep one of them")
            return nil
        }
        var at: Int64?
        if let written = node["at"] {
            at = written.text.flatMap { TestTime.parse($0, day: day) }
            if at == nil {
                wrong(
                    "\"at\" is no time", at: written.position,
                    fix: "write it as \"12:00:00\" or \"2026-01-15 12:00:00\"")
                return nil
            }
        }
        var count: Located<Int>?
        if let written = node["count"] {
            guard let number = written.integer, number >= 0 else {
                wrong("\"count\" is no number of rows", at: written.position, fix: "write count: 3")
                return nil
            }
            count = Located(value: number, position: written.position)
        }
        if node["none"]?.text == "true" { return made(entry, .exactly, []) }
        guard let list = lists.first else {
            if count != nil { return made(entry, .contains, nil, count: count) }
            wrong(
                "it is not said which rows are expected of \"\(entry.key)\"", at: node.position,
                fix: "add exactly, any_order, contains or lookup: [ROW, …]; count: N; or none: true"
            )
            return nil
        }
        let mode: TestExpectation.Mode =
            switch list.key {
            case "any_order": .anyOrder
            case "contains": .contains
            default: .exactly
            }
        let rows: [SpecNode]
        if case .list(let items) = list.value.content { rows = items } else { rows = [list.value] }
        return made(entry, mode, rows, count: count, at: at)
    }
}
