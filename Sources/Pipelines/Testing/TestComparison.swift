import FeatureServe
import StreamRuntime

/// What a test expects, compared with what its job has given so far.
struct TestComparison {
    let test: TestSpec
    let planned: TestPlan
    let catalog: TestCatalog
    /// The features; nil when the job has none.
    let online: OnlineStore?

    /// What is not as expected at event time `now`, in microseconds.
    func check(
        _ expectation: TestExpectation, now: Int64
    ) throws(JobFailure) -> [TestFailure] {
        guard case .success(let target) = catalog.target(expectation.target.value) else {
            return []
        }
        switch target {
        case .rows(let name, let schema):
            return try check(expectation, sink: name, schema)
        case .output(let name, let schema):
            return try check(expectation, sink: name, schema)
        case .lookup(_, let asked): return try check(expectation, asked, now)
        }
    }

    private func check(
        _ expectation: TestExpectation, sink name: String, _ schema: Schema
    ) throws(JobFailure) -> [TestFailure] {
        guard let index = planned.captures[name] else { return [] }
        let (log, topic) = planned.output(index)
        let got = try TestRow.all(of: topic, in: log, schema: planned.plan.sinks[index].schema)
        return compare(expectation, try expected(expectation, schema), got, schema.fields)
    }

    /// The expected rows, read as the job's own are.
    private func expected(
        _ expectation: TestExpectation, _ schema: Schema
    ) throws(JobFailure) -> [TestRow] {
        let reader = TestRowReader(schema)
        var rows: [TestRow] = []
        for node in expectation.rows ?? [] {
            var members: [(String, JSONTree)] = []
            var cells: [String: String?] = [:]
            for entry in node.entries {
                guard let field = schema.fields.first(where: { $0.name == entry.key }) else {
                    cells[entry.key] = .some(entry.value.text)
                    continue
                }
                members.append((entry.key, json(entry.value, field.type)))
                cells[entry.key] = .some(nil)
            }
            let read = try reader.row(JSONTree.object(members).text)
            for (name, _) in members { cells[name] = read.cells[name] ?? nil }
            rows.append(TestRow(cells: cells))
        }
        return rows
    }

    private func json(_ node: SpecNode, _ type: ColumnType) -> JSONTree {
        (try? TestValue.json(node, type, day: test.day)) ?? .leaf("null")
    }

    private func check(
        _ expectation: TestExpectation, _ asked: TestCatalog.Asked, _ now: Int64
    ) throws(JobFailure) -> [TestFailure] {
        guard let online else { return [] }
        var expected: [TestRow] = []
        var got: [TestRow] = []
        var columns: [Field] = []
        for node in expectation.rows ?? [] {
            var inputs: [(name: String, json: String)] = []
            var wanted: [(name: String, feature: TestCatalog.Asked.Feature, value: SpecNode?)] = []
            var row = TestRow(cells: [:])
            var found = TestRow(cells: [:])
            for entry in node.entries where entry.key != "statuses" {
                if let input = asked.inputs.first(where: { $0.name == entry.key }) {
                    inputs.append((input.name, json(entry.value, input.type).text))
                    found.cells[entry.key] = .some(entry.value.text)
                    columns.append(Field(entry.key, .string))
                } else if let feature = asked.feature(entry.key) {
                    wanted.append((entry.key, feature, entry.value))
                }
            }
            for entry in node["statuses"]?.entries ?? [] {
                if let feature = asked.feature(entry.key) {
                    wanted.append(("status of \(entry.key)", feature, nil))
                    row.cells["status of \(entry.key)"] = .some(entry.value.text)
                }
            }
            var references: [String] = []
            for want in wanted where !references.contains(want.feature.reference) {
                references.append(want.feature.reference)
            }
            let answers = try Lookup.inStore(
                online, references: references, inputs: inputs,
                nowMicros: now)
            for want in wanted {
                guard let place = references.firstIndex(of: want.feature.reference),
                    place < answers.count
                else { continue }
                let answer = answers[place]
                guard let value = want.value else {
                    found.cells[want.name] = .some(answer.status)
                    columns.append(Field(want.name, .string))
                    continue
                }
                let field = Field(want.name, want.feature.field.type)
                columns.append(field)
                let reader = TestRowReader(Schema([field]))
                let isThere = answer.status == "PRESENT"
                func cell(_ json: String) throws(JobFailure) -> String? {
                    try reader.row(
                        JSONTree.object([(field.name, .leaf(json))]).text
                    ).cells[field.name] ?? nil
                }
                row.cells[want.name] = .some(try cell(json(value, field.type).text))
                found.cells[want.name] = .some(isThere ? try cell(answer.value) : nil)
            }
            expected.append(row)
            got.append(found)
        }
        return compare(expectation, expected, got, columns)
    }

    private func compare(
        _ expectation: TestExpectation, _ expected: [TestRow], _ got: [TestRow], _ fields: [Field]
    ) -> [TestFailure] {
        var failures: [TestFailure] = []
        let name = expectation.target
        if let count = expectation.count, count.value != got.count {
            failures.append(
                TestFailure(
                    position: count.position,
                    message:
                        "\(name.value): \(got.count) rows came out, \(count.value) were expected",
                    table: ""))
        }
        guard let rows = expectation.rows else { return failures }
        var types: [String: ColumnType] = [:]
        for field in fields { types[field.name] = field.type }
        let match = TestMatch(
            expected: expected, got: got, mode: expectation.mode, types: types)
        if match.isEqual { return failures }
        var columns: [String] = []
        let named = Set(expected.flatMap(\.cells.keys))
        for field in fields
        where !columns.contains(field.name)
            && (named.contains(field.name) || named.isEmpty
                || got.contains { $0.cells.count < fields.count && $0.cells[field.name] != nil })
        {
            columns.append(field.name)
        }
        columns += named.subtracting(columns).sorted()
        if got.contains(where: { $0.cells["deleted"] != nil }) {
            columns += ["deleted", "key"].filter { !columns.contains($0) }
        }
        failures.append(
            TestFailure(
                position: match.place(among: rows) ?? name.position,
                message: "\(name.value): " + match.summary,
                table: match.table(expected: expected, got: got, columns: columns, types: types)))
        return failures
    }
}
