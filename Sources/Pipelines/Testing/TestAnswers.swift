import Connectors
import StreamRuntime

/// What lookups are answered in a test.
enum TestAnswers {
    /// The key of an answer that says why there is none.
    static let fails = "fails"

    /// The answers of `test` to the lookups of `plan`, by the step's id.
    static func given(_ test: TestSpec, _ plan: JobPlan) -> [String: GivenAnswers] {
        var given: [String: GivenAnswers] = [:]
        for step in plan.steps {
            guard case .lookup(let shape) = step.operation else { continue }
            var answers: [[LookupKey]: LookupReply] = [:]
            for row in test.answers.filter({ $0.step.value == step.id }).flatMap(\.rows) {
                let parts = zip(shape.keyNames, step.keys).map { name, column -> LookupKey in
                    let text = row[name]?.text ?? ""
                    return step.inputSchema.fields[column].type == .int64
                        ? .integer(Int64(text) ?? 0) : .text(text)
                }
                if let reason = row[fails]?.text {
                    answers[parts] = .refused(reason)
                    continue
                }
                let members = shape.columns.compactMap { field -> (String, JSONTree)? in
                    guard let node = row[field.name],
                        let value = try? TestValue.json(node, field.type, day: test.day)
                    else { return nil }
                    return (field.name, value)
                }
                answers[parts] = .found(Array(JSONTree.object(members).text.utf8))
            }
            given[step.id] = GivenAnswers(answers)
        }
        return given
    }
}
