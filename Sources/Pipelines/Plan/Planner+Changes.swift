import Connectors
import StreamRuntime

extension Planner {
    /// How the changes of `rows` are written to `target`; tells of what cannot be.
    func changeForm(
        _ target: TargetSpec, rows: PlannedRows, hasKey: Bool, of owner: String,
        at position: Position
    ) -> ChangeForm? {
        guard let declared = target.changes else {
            return usualForm(target, rows: rows, hasKey: hasKey, of: owner, at: position)
        }
        var isTopic = false
        if case .topic = target.place { isTopic = true }
        switch declared.value {
        case .upsert where !isTopic:
            diagnostics.report(
                .changelog, "files only grow, and an upsert replaces what was written",
                at: declared.position,
                fix: "write changes: changelog, changes: debezium, or table: FILE for what is left")
        case .upsert where !hasKey:
            diagnostics.report(
                .changelog, "without a key nobody knows which row an upsert replaces",
                at: declared.position, fix: "add the table's key: key: [COLUMN, …]")
        case .upsert: break
        case .debezium where target.format.map { $0.value != .json } ?? false:
            diagnostics.report(
                .wrongFormat, "debezium's changes are written as json", at: declared.position,
                fix: "leave format out, or write changes: changelog")
        case .changelog where target.format?.value == .protobuf:
            diagnostics.report(
                .wrongFormat, "a protobuf message has no column op for changes",
                at: declared.position, fix: "write format: json or avro")
        case .changelog where rows.schema.index(of: ChangeForm.column) != nil:
            diagnostics.report(
                .repeatedColumn,
                "the rows of \"\(owner)\" have a column op already", at: declared.position,
                fix: "give it another name in a select before")
        case .debezium, .changelog:
            if isTopic, !hasKey, let partitions = target.partitions, partitions > 1 {
                diagnostics.report(
                    .changelog,
                    "the changes of one row would go to any of \(partitions) partitions",
                    at: declared.position,
                    fix: "add the table's key: key: [COLUMN, …], or leave partitions out")
            }
        }
        return declared.value
    }

    /// What is done where the file does not say how changes are written.
    private func usualForm(
        _ target: TargetSpec, rows: PlannedRows, hasKey: Bool, of owner: String,
        at position: Position
    ) -> ChangeForm? {
        guard let changelog = rows.changelog else { return nil }
        switch target.place {
        case .topic:
            guard hasKey else {
                diagnostics.report(
                    .changelog, "deleted rows of \"\(owner)\" cannot be told of without a key",
                    at: position,
                    fix:
                        "add the table's key: key: [COLUMN, …], or write every change: changes: changelog"
                )
                return nil
            }
            return changelog == .full ? .upsert : nil
        case .files:
            diagnostics.report(
                .changelog,
                "\"\(owner)\" gives rows that are changed and deleted later, and files only grow",
                at: position,
                fix:
                    "write every change: changes: changelog, or table: FILE for the rows that are left"
            )
        case .blackhole(let isSummed) where !isSummed.value: break
        case .table, .blackhole:
            guard changelog == .upsert, !hasKey else { break }
            diagnostics.report(
                .changelog,
                "without a key it is not known which rows the changes of \"\(owner)\" replace",
                at: position, fix: "add the table's key: key: [COLUMN, …]")
        case .call: break
        }
        return nil
    }
}
