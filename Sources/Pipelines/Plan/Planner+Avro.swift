import Connectors

extension Planner {
    /// The format of a stream, with the text of its Avro schema in place of the file's name, and the
    /// registry its records' schemas are in.
    func avroFormat(
        of stream: StreamSpec, near: [String]
    ) -> (format: PlannedFormat, registry: PlannedRegistry?) {
        let format = stream.format
        guard format.isAvro else { return (format, nil) }
        let position = stream.formatPosition
        if case .files = stream.origin {
            if format.kind == .debezium {
                diagnostics.report(
                    .wrongFormat, "files are not read as Debezium's Avro", at: position,
                    fix: "read it from a topic, or write json")
            } else if format.option("schema") != nil {
                diagnostics.report(
                    .wrongFormat, "an Avro file brings its schema with it", at: position,
                    fix: "write format: avro")
            }
            return (format, nil)
        }
        if let path = format.option("schema") {
            return (schemaFormat(format, path, at: position), nil)
        }
        let connection = near.first.flatMap { name in connections.first { $0.name == name } }
        guard let connection else { return (format, nil) }
        guard let registry = connection.registry else {
            var fix = "name the file of its schema: {avro: {schema: FILE.avsc}}"
            if case .kafka = connection.kind {
                fix +=
                    ", or the registry: connections: {\(connection.name): {kafka: {…, registry: "
                    + "{url: …}}}}"
            }
            diagnostics.report(
                .wrongFormat,
                "it is not known where the Avro schemas of stream \"\(stream.name.value)\" are",
                at: position, fix: fix)
            return (format, nil)
        }
        return (format, registry)
    }

    private func schemaFormat(
        _ format: PlannedFormat, _ path: String, at position: Position
    ) -> PlannedFormat {
        let file = Planner.resolve(path, in: directory)
        guard case .text(let text) = FileText.read(file) else {
            diagnostics.report(
                .wrongFormat, "the schema \"\(path)\" cannot be read", at: position,
                fix: "name a file of Avro's JSON; paths are relative to the pipelines file")
            return format
        }
        do throws(AvroSchema.Problem) { _ = try AvroSchema(json: text) } catch {
            diagnostics.report(
                .wrongFormat, "the schema \"\(path)\" is none: \(error.reason)", at: position,
                fix: "correct the file")
        }
        return format.setting("schema", text)
    }
}
