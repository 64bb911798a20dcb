import Connectors
import StreamRuntime

extension Planner {
    /// The directory that an output writes files to, and how they are spread below it.
    func filesPlace(
        _ path: Located<String>, _ target: TargetSpec, rows: PlannedRows
    ) -> (root: String, partitions: PlannedPartitions?)? {
        guard !rows.isBroken else { return nil }
        let isAbsolute = path.value.hasPrefix("/")
        let template =
            (isAbsolute ? "/" : "") + path.value.split(separator: "/").joined(separator: "/")
        let opening = template.firstIndex(of: "{") ?? template.endIndex
        let cut = template[..<opening].lastIndex(of: "/")
        let root =
            opening == template.endIndex ? template : cut.map { String(template[..<$0]) } ?? "."
        let below =
            opening == template.endIndex
            ? "" : String(template[(cut.map { template.index(after: $0) } ?? opening)...])
        guard
            let resolved = filesPath(
                Located(value: root, position: path.position), connection: target.connection)
        else { return nil }
        guard var pieces = pieces(of: below, at: path.position, rows: rows) else { return nil }
        let columns = keyColumns(target.partitionBy, of: rows, what: "partition_by")
        guard columns.count == target.partitionBy.count else { return nil }
        for column in columns {
            let name = rows.schema.fields[column].name
            pieces.append(.text((pieces.isEmpty ? "" : "/") + name + "="))
            pieces.append(.column(column))
        }
        if !columns.isEmpty, columns.count == rows.schema.count {
            diagnostics.report(
                .badPath, "partition_by names every column, and nothing is left for the files",
                at: target.partitionBy[0].position,
                fix:
                    "name the columns in the path instead: \(root)/{\(target.partitionBy[0].value)}"
            )
            return nil
        }
        guard !pieces.isEmpty || target.rolling != nil else { return (resolved, nil) }
        var text = template + columns.map { "/\(rows.schema.fields[$0].name)=" }.joined()
        if let rolling = target.rolling {
            if let bytes = rolling.bytes { text += ", until \(bytes) bytes" }
            if let every = rolling.everyMicros {
                text += ", every \(Duration.microseconds(every).text)"
            }
        }
        return (
            resolved,
            PlannedPartitions(
                text: text, partitioning: FilePartitioning(pieces), rolling: target.rolling,
                leftOut: columns)
        )
    }

    /// The pieces of a path below the root.
    private func pieces(
        of template: String, at position: Position, rows: PlannedRows
    ) -> [FilePartitioning.Piece]? {
        var pieces: [FilePartitioning.Piece] = []
        var rest = template[...]
        if template.hasPrefix(".") || template.contains("/.") {
            diagnostics.report(
                .badPath, "a directory below \"{…}\" that begins with a point is hidden",
                at: position, fix: "give it another name")
            return nil
        }
        while let opening = rest.firstIndex(of: "{") {
            if opening > rest.startIndex { pieces.append(.text(String(rest[..<opening]))) }
            guard let closing = rest[opening...].firstIndex(of: "}") else {
                diagnostics.report(
                    .badPath, "\"\(rest[opening...])\" has no end", at: position,
                    fix: "close it: \(rest[opening...])}")
                return nil
            }
            let name = String(rest[rest.index(after: opening)..<closing])
            rest = rest[rest.index(after: closing)...]
            if rows.poisoned.contains(name) { return nil }
            if rows.schema.index(of: name) != nil {
                let column = keyColumns(
                    [Located(value: name, position: position)], of: rows, what: "the path")
                guard let index = column.first else { return nil }
                pieces.append(.column(index))
            } else if let part = FilePartitioning.TimePart(rawValue: name) {
                pieces.append(.time(part))
            } else {
                let known =
                    rows.schema.fields.map(\.name)
                    + FilePartitioning.TimePart.allCases.map(\.rawValue)
                diagnostics.report(
                    .unknownColumn,
                    "the path names \"\(name)\", which is no column and no part of the time",
                    at: position, notes: ["columns: \(rows.columns)"],
                    fix: NearestWord.advice(name, among: known, what: "columns and parts"))
                return nil
            }
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
        return pieces
    }

    /// Files in directories are told from others by where they are: no other output may write there.
    func checkApart(
        _ place: PlannedSink.Target, isSpread: Bool, at position: Position
    ) {
        guard case .files(let root, _) = place else { return }
        for sink in sinks {
            guard case .files(let other, _) = sink.target else { continue }
            let isAbove = isSpread && (other + "/").hasPrefix(root + "/")
            let isBelow = sink.partitions != nil && (root + "/").hasPrefix(other + "/")
            guard isAbove || isBelow else { continue }
            diagnostics.report(
                .conflictingTopic,
                "two outputs write files below \(isAbove ? root : other)", at: position,
                notes: ["the other one is \(sink.id)"], fix: "give each a directory of its own")
        }
    }
}
