import StreamRuntime

/// A field that a lookup's request has to say for what is computed.
struct RequestInput: Sendable {
    let field: Field
    let nameBytes: [UInt8]
    let defaultValue: FeatureValue?
    /// The position in the plan's join keys, when the field is one of them.
    let joinKey: Int?
    /// The view that wants it first.
    let view: String

    /// The fields of `views`, each once.
    static func inputs(
        of views: [OnDemandView], joinKeys: [ServingPlan.JoinKey]
    ) throws(LookupProblem) -> [RequestInput] {
        var inputs: [RequestInput] = []
        for view in views {
            for input in view.request {
                if let known = inputs.first(where: { $0.field.name == input.field.name }) {
                    guard known.field == input.field else {
                        throw .invalid(
                            "\(input.field.name) is \(known.field.type) in \(known.view) and "
                                + "\(input.field.type) in \(view.name): ask for them one at a time")
                    }
                    continue
                }
                inputs.append(
                    RequestInput(
                        field: input.field, nameBytes: Array(input.field.name.utf8),
                        defaultValue: input.defaultValue,
                        joinKey: joinKeys.firstIndex { $0.field == input.field },
                        view: view.name))
            }
        }
        return inputs
    }

    /// The field for every row: as the request has it, or the default.
    func column(
        _ tokens: ArraySlice<JSONToken>?, of scanner: JSONScanner, rows: Int
    ) throws(LookupProblem) -> Column {
        let column = Column(field.type, capacity: rows)
        if let tokens {
            for token in tokens { try append(token, of: scanner, to: column) }
            return column
        }
        guard let defaultValue else { throw .noRequestData([field.name], view: view) }
        for _ in 0..<rows { defaultValue.append(to: column) }
        return column
    }

    /// Appends one value of the field.
    func append(
        _ token: JSONToken, of scanner: JSONScanner, to column: Column
    ) throws(LookupProblem) {
        guard FeatureValueReader.append(token, of: scanner, type: field.type, to: column) else {
            let shown = token.kind == .composite ? "a list or an object" : scanner.text(token)
            throw .invalid(
                "\(shown.prefix(80)) is not a value of \(field.name), which is \(field.type)")
        }
    }
}
