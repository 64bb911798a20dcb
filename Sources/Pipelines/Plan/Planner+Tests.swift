import StreamRuntime

extension Planner {
    /// What tests may name, of a planner that has planned all.
    func testCatalog(_ views: [PlannedFeatureView]) -> TestCatalog {
        TestCatalog(
            self, views: views, onDemand: onDemand, services: planServices(views, onDemand))
    }

    /// Checks names and types of the file's tests.
    func checkTests(_ views: [PlannedFeatureView]) {
        if spec.tests.isEmpty { return }
        let checker = TestChecker(catalog: testCatalog(views), diagnostics: diagnostics)
        for test in spec.tests {
            checker.check(test)
            checkAnswers(of: test)
        }
    }

    /// Tells of answers that no lookup can have.
    private func checkAnswers(of test: TestSpec) {
        var known: [String: LookupShape] = [:]
        for step in steps {
            if case .lookup(let shape) = step.operation { known[step.id] = shape }
        }
        for (step, rows) in test.answers {
            guard let shape = known[step.value] else {
                diagnostics.report(
                    .notInTest, "there is no lookup \"\(step.value)\"", at: step.position,
                    fix: NearestWord.advice(
                        step.value, among: known.keys.sorted(), what: "lookups"))
                continue
            }
            let names = shape.keyNames + shape.columns.map(\.name) + [TestAnswers.fails]
            for entry in rows.flatMap(\.entries) where !names.contains(entry.key) {
                diagnostics.report(
                    .notInTest,
                    "an answer to \"\(step.value)\" has no \"\(entry.key)\"",
                    at: entry.keyPosition,
                    fix: NearestWord.advice(entry.key, among: names, what: "fields"))
            }
            for row in rows {
                for field in shape.columns {
                    guard let node = row[field.name] else { continue }
                    do throws(TestValue.Mismatch) {
                        _ = try TestValue.json(node, field.type, day: test.day)
                    } catch {
                        diagnostics.report(
                            .testValue, error.message, at: node.position,
                            fix: "write a value of type \(field.type)")
                    }
                }
            }
        }
    }

    /// The catalog of a file that has been planned without a problem before.
    static func testCatalog(_ spec: PipelinesSpec, file: String) -> TestCatalog {
        let planner = Planner(spec, Diagnostics(), file: file, needed: nil)
        return planner.testCatalog(planner.planAll())
    }

    /// The plan of `spec`, made out of one that has been planned without a problem before: nothing is
    /// checked again, so that parts may be left out.
    static func planPart(_ spec: PipelinesSpec, file: String) -> JobPlan? {
        let diagnostics = Diagnostics()
        let full = Planner(spec, diagnostics, file: file, needed: [:], keepsAllFields: true)
        let views = full.planAll()
        let needed = Projection.needed(of: full, views: views)
        let projected = Planner(
            spec, diagnostics, file: file, needed: needed.fields, neededItems: needed.items)
        let planned = projected.planAll()
        return diagnostics.isEmpty ? projected.finish(planned) : nil
    }
}
