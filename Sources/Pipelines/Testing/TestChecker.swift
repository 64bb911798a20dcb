import StreamRuntime

/// Checks names and types of tests against a plan.
struct TestChecker {
    let catalog: TestCatalog
    let diagnostics: Diagnostics

    func check(_ test: TestSpec) {
        for step in test.given {
            switch step {
            case .rows(_, let all): for rows in all { check(rows, of: test) }
            case .push(_, let all): for rows in all { checkPush(rows, of: test) }
            case .expect, .advance, .killAndRestore: break
            }
        }
        for expectation in test.expectations { check(expectation, of: test) }
    }

    private func unknown(_ message: String, at position: Position, fix: String) {
        diagnostics.report(.notInTest, message, at: position, fix: fix)
    }

    private func report(_ mismatch: TestValue.Mismatch) {
        diagnostics.report(
            .testValue, mismatch.message, at: mismatch.position, fix: mismatch.fix)
    }

    private func check(_ rows: TestRows, of test: TestSpec) {
        guard let stream = catalog.streams[rows.name.value] else {
            if catalog.broken.contains(rows.name.value) { return }
            unknown(
                "there is no stream \"\(rows.name.value)\" to give rows to",
                at: rows.name.position,
                fix: NearestWord.advice(
                    rows.name.value, among: catalog.streams.keys.sorted(), what: "streams"))
            return
        }
        for row in rows.rows {
            do throws(TestValue.Mismatch) {
                _ = try TestRecords(stream, name: rows.name.value).record(row, at: 0, day: test.day)
            } catch {
                if error.isName {
                    unknown(error.message, at: error.position, fix: error.fix)
                } else {
                    report(error)
                }
            }
        }
    }

    private func checkPush(_ rows: TestRows, of test: TestSpec) {
        guard let view = catalog.pushed[rows.name.value] else {
            if catalog.broken.contains(rows.name.value) { return }
            unknown(
                "there is no view or push source \"\(rows.name.value)\" to push to",
                at: rows.name.position,
                fix: NearestWord.advice(
                    rows.name.value, among: catalog.pushed.keys.sorted(), what: "views"))
            return
        }
        let keys = catalog.entities[view.entity].keys
        for row in rows.rows {
            check(
                row, keys + view.features, what: "\"\(rows.name.value)\"", required: keys, of: test)
        }
    }

    private func check(_ expectation: TestExpectation, of test: TestSpec) {
        let name = expectation.target
        switch catalog.target(name.value) {
        case .failure(.broken): return
        case .failure(.unknown):
            unknown(
                "there is nothing called \"\(name.value)\" to expect rows of", at: name.position,
                fix: NearestWord.advice(
                    name.value, among: catalog.targetNames,
                    what: "pipelines, views, services, topics and calls"))
        case .failure(.ambiguous):
            unknown(
                "\"\(name.value)\" is a pipeline and a feature view", at: name.position,
                fix: "write pipeline:\(name.value) or view:\(name.value)")
        case .success(.rows(_, let schema)), .success(.output(_, let schema)):
            var fields = schema.fields
            if catalog.changelogs.contains(name.value) {
                for (extra, type) in [("deleted", ColumnType.bool), ("key", .string)]
                where schema.index(of: extra) == nil {
                    fields.append(Field(extra, type))
                }
            }
            for row in expectation.rows ?? [] {
                check(row, fields, what: "\"\(name.value)\"", required: [], of: test)
            }
        case .success(.lookup(_, let asked)):
            for row in expectation.rows ?? [] {
                let known = asked.inputs + asked.features.map(\.field)
                for entry in row.entries where entry.key != "statuses" {
                    guard
                        let field = asked.inputs.first(where: { $0.name == entry.key })
                            ?? asked.feature(entry.key)?.field
                    else {
                        noColumn(entry, known, "\"\(name.value)\"")
                        continue
                    }
                    check(entry.value, field.type, of: test)
                }
                for entry in row["statuses"]?.entries ?? []
                where asked.feature(entry.key) == nil {
                    noColumn(entry, asked.features.map(\.field), "\"\(name.value)\"")
                }
            }
        }
    }

    private func noColumn(_ entry: SpecNode.Entry, _ fields: [Field], _ what: String) {
        unknown(
            "\(what) has no \"\(entry.key)\"", at: entry.keyPosition,
            fix: NearestWord.advice(entry.key, among: fields.map(\.name), what: "columns"))
    }

    private func check(
        _ row: SpecNode, _ fields: [Field], what: String, required: [Field], of test: TestSpec
    ) {
        for entry in row.entries {
            guard let field = fields.first(where: { $0.name == entry.key }) else {
                noColumn(entry, fields, what)
                continue
            }
            check(entry.value, field.type, of: test)
        }
        for field in required where row.entry(field.name) == nil {
            unknown(
                "a row for \(what) has no \"\(field.name)\"", at: row.position,
                fix: "add \(field.name): its key")
        }
    }

    private func check(_ value: SpecNode, _ type: ColumnType, of test: TestSpec) {
        do throws(TestValue.Mismatch) {
            _ = try TestValue.json(value, type, day: test.day)
        } catch {
            report(error)
        }
    }
}
