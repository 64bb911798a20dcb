import Connectors

extension PlannedFormat.Kind {
    /// Whether decoders are made by `DecoderFactory.exchanged`.
    var isExchanged: Bool {
        switch self {
        case .xml, .fixedWidth, .x12, .edifact, .canal, .maxwell, .ogg: true
        case .json, .csv, .debezium, .avro, .protobuf, .raw: false
        }
    }
}

extension Planner {
    /// Tells of every field whose path the stream's format cannot follow, and of its options.
    func checkExchanged(_ stream: StreamSpec, _ fields: [PlannedField]) {
        do throws(FormatProblem) {
            _ = try DecoderFactory.exchanged(stream.format, fields: [])
        } catch {
            diagnostics.report(
                .badPath, error.reason, at: stream.formatPosition,
                fix: "docs/RECORDS.md shows how \(stream.format.kind.rawValue) is declared")
            return
        }
        for field in fields {
            do throws(FormatProblem) {
                _ = try DecoderFactory.exchanged(stream.format, fields: [field])
            } catch {
                let spec = stream.fields.first { $0.name.value == field.name }
                let columns = stream.format.options.filter { $0.name.hasPrefix("columns.") }
                    .map { String($0.name.dropFirst(8)) }
                diagnostics.report(
                    .badPath, error.reason, at: spec?.name.position ?? stream.timeField.position,
                    fix: stream.format.kind == .fixedWidth
                        ? NearestWord.advice(
                            field.path.joined(separator: "."), among: columns, what: "columns")
                        : "docs/RECORDS.md shows the paths of \(stream.format.kind.rawValue)")
            }
        }
    }
}
