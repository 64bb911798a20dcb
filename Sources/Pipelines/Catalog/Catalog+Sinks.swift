import Connectors

/// Where a pipeline's rows go.
extension Catalog {
    static let topicTarget = MappingShape(
        what: "output",
        keys: [
            KeyShape(
                name: "topic", shape: .text(.topic), isRequired: true,
                meaning: "The topic to write."),
            KeyShape(name: "key", shape: columns, meaning: "Columns of the record key."),
            KeyShape(name: "connection", shape: .text(.name), meaning: "The connection it is on."),
        ])

    static let target = Shape.mapping(
        MappingShape(
            what: "output",
            keys: [
                KeyShape(
                    name: "topic", shape: .text(.topic),
                    meaning: "The topic to write; one record a row."),
                KeyShape(
                    name: "key", shape: columns, with: ["topic", "table", "blackhole"],
                    meaning:
                        "Columns of the record key; rows of one key keep their order. Of a table, a row replaces the one of its key."
                ),
                KeyShape(
                    name: "partitions", shape: .text(.integer(1...1024)), with: ["topic"],
                    meaning: "Partitions, when the topic has to be made."),
                KeyShape(
                    name: "files", shape: .either([.text(.place), files]),
                    meaning:
                        "The directory to write files to; {COLUMN} and {day}, {hour} … in it make directories by row."
                ),
                KeyShape(
                    name: "table", shape: .text(.place),
                    meaning:
                        "One file with the rows that are there when the input has ended, sorted."),
                KeyShape(
                    name: "blackhole", shape: .text(.words(["count", "checksum"])),
                    meaning:
                        "Nowhere: rows are only counted, or also summed up by hash, and told when the run ends."
                ),
                KeyShape(
                    name: "changes", shape: .text(.words(ChangeForm.allCases.map(\.rawValue))),
                    with: ["topic", "files"],
                    meaning:
                        "How rows that change are written: upsert (newest of a key, tombstones), debezium (before, after, op), changelog (each with a column op)."
                ),
                KeyShape(
                    name: "format", shape: Formats.target,
                    meaning:
                        "The format of the records: json, avro or protobuf in a topic, json or csv in files and tables; json when not given."
                ),
                KeyShape(
                    name: "connection", shape: .text(.name), meaning: "The connection it is on."),
                KeyShape(
                    name: "delivery", shape: .text(.words(["exactly_once", "at_least_once"])),
                    meaning: "What a restart may do; exactly_once wherever it is possible."),
                KeyShape(
                    name: "on_error", shape: .text(.words(["fail", "drop"])), with: ["topic"],
                    meaning:
                        "What becomes of rows whose records are too large; fail when not given."),
                KeyShape(
                    name: "call", shape: call,
                    meaning: "An HTTP request per row, once its checkpoint is whole."),
            ], oneOf: [["topic", "files", "table", "blackhole", "call"]]))

    /// A directory with settings of its own.
    static let files = Shape.mapping(
        MappingShape(
            what: "files",
            keys: [
                KeyShape(
                    name: "path", shape: .text(.place), isRequired: true,
                    meaning:
                        "The directory; {COLUMN} and {year}, {month}, {day}, {hour}, {minute} of the event time in UTC make directories by row."
                ),
                KeyShape(
                    name: "partition_by", shape: columns,
                    meaning:
                        "Columns that make directories NAME=VALUE below the path and are left out of the files."
                ),
                KeyShape(
                    name: "format", shape: .text(.words(["json", "csv"])),
                    meaning: "As format beside files."),
                KeyShape(
                    name: "roll",
                    shape: .mapping(
                        MappingShape(
                            what: "roll",
                            keys: [
                                KeyShape(
                                    name: "size", shape: .text(.size),
                                    meaning: "As soon as it has this size."),
                                KeyShape(
                                    name: "every", shape: .text(.duration),
                                    meaning: "When event time comes to the next multiple of it."),
                            ], needsOne: ["size", "every"])),
                    meaning:
                        "When a file is complete; with each checkpoint when not given."),
            ]))
}
