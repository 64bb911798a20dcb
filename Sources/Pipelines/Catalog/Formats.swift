import Connectors
import StreamRuntime

/// The formats of records, with their options.
enum Formats {
    static let options: [(format: PlannedFormat.Kind, keys: [KeyShape], meaning: String)] = [
        (
            .json,
            [], "A JSON object a record; the whole document is checked."
        ),
        (
            .csv,
            [
                KeyShape(
                    name: "delimiter", shape: .text(.any),
                    meaning: "The character between fields; a comma when not given."),
                KeyShape(
                    name: "quote", shape: .text(.any),
                    meaning: "The character around fields; \" when not given."),
                KeyShape(
                    name: "escape", shape: .text(.any),
                    meaning: "The character before a quote in a field; the quote itself otherwise."),
                KeyShape(
                    name: "header",
                    shape: .either([.text(.boolean), .list(of: .text(.any), min: 1)]),
                    meaning: "Whether the first line names the columns (true), or their names."),
                KeyShape(
                    name: "null", shape: .text(.any),
                    meaning: "Text that stands for no value; an empty field otherwise."),
                KeyShape(
                    name: "encoding", shape: .text(.words(["utf-8", "latin-1"])),
                    meaning: "The encoding of the text."),
            ], "A CSV row a record."
        ),
        (
            .avro,
            [
                KeyShape(
                    name: "schema", shape: .text(.place),
                    meaning:
                        "The file of the schema all records are written with; without it, records name their schema in the connection's registry."
                )
            ], "An Avro record a record."
        ),
        (
            .debezium,
            [
                KeyShape(
                    name: "encoding", shape: .text(.words(["json", "avro"])),
                    meaning: "How the change is written; json when not given."),
                KeyShape(
                    name: "schema", shape: .text(.place), with: ["encoding"],
                    meaning: "As with avro: the file of the schema, where there is no registry."),
                KeyShape(
                    name: "changelog",
                    shape: .text(.words(Changelog.allCases.map(\.rawValue))),
                    meaning:
                        "Rows update and delete earlier ones: upsert by key, or full with the rows before updates; each change is a row of its own when not given."
                ),
                KeyShape(
                    name: "decimals",
                    shape: .text(.words(DebeziumDecimals.allCases.map(\.rawValue))),
                    meaning: "The connector's decimal.handling.mode: bytes is precise, the default."
                ),
            ],
            "A change of a table row; columns of the row, and op, ts_ms and the like by path."
        ),
        (
            .protobuf,
            [
                KeyShape(
                    name: "descriptor", shape: .text(.any), isRequired: true,
                    meaning: "The descriptor file that protoc --descriptor_set_out writes."),
                KeyShape(
                    name: "message", shape: .text(.any), isRequired: true,
                    meaning: "The full name of the message: package.Name."),
                KeyShape(
                    name: "framing",
                    shape: .text(.words(ProtobufRecordDecoder.Framing.allCases.map(\.rawValue))),
                    meaning: "What stands before the message; none when not given."),
            ], "A Protobuf message a record."
        ),
        (
            .xml,
            [
                KeyShape(
                    name: "record", shape: .text(.any),
                    meaning:
                        "The element that makes a row, by its path from the root: a/b/c; the root when not given."
                )
            ], "An XML document a record, a row for each of its elements of one kind."
        ),
        (
            .fixedWidth,
            [
                KeyShape(
                    name: "columns",
                    shape: .table(
                        TableShape(
                            what: "column", key: .any,
                            value: .either([
                                .text(.any),
                                .mapping(
                                    MappingShape(
                                        what: "column",
                                        keys: [
                                            KeyShape(
                                                name: "at", shape: .text(.any), isRequired: true,
                                                meaning: "Its positions, counted from 1: 20-28."),
                                            KeyShape(
                                                name: "decimals", shape: .text(.integer(0...18)),
                                                meaning:
                                                    "How many of its digits stand behind a point that is not written."
                                            ),
                                        ])),
                            ]))), isRequired: true,
                    meaning: "The columns: NAME: \"1-6\", or a mapping."),
                KeyShape(
                    name: "record", shape: .text(.any),
                    meaning:
                        "The lines that are rows, by the text they have at a place: 1-2=10; all when not given."
                ),
                KeyShape(
                    name: "encoding", shape: .text(.words(["utf-8", "latin-1"])),
                    meaning: "The encoding of the text."),
            ], "A line a record, its columns at fixed positions."
        ),
        (
            .x12, segments(message: "846"),
            "ANSI X12 interchanges, a row for each segment of one kind."
        ),
        (
            .edifact, segments(message: "INVRPT"),
            "UN/EDIFACT interchanges, a row for each segment of one kind."
        ),
        (.canal, changes, "Changes of table rows as Alibaba Canal writes them."),
        (.maxwell, changes, "Changes of table rows as Maxwell writes them."),
        (.ogg, changes, "Changes of table rows as Oracle GoldenGate writes them."),
        (.raw, [], "The record's bytes as they are."),
    ]

    private static func segments(message: String) -> [KeyShape] {
        [
            KeyShape(
                name: "record", shape: .text(.any),
                meaning: "The segment that begins a row: LIN; without it a message is one."),
            KeyShape(
                name: "group", shape: .text(.any),
                meaning:
                    "The segment that begins a group of rows within a message, whose fields they share."
            ),
            KeyShape(
                name: "message", shape: .text(.any),
                meaning: "The kind of message to read: \(message); others are passed over."),
        ]
    }

    private static let changes: [KeyShape] = [
        KeyShape(
            name: "changelog", shape: .text(.words(Changelog.allCases.map(\.rawValue))),
            meaning: "As with debezium: rows update and delete earlier ones.")
    ]

    /// The formats of outputs.
    static let target = Shape.either([
        .text(.words(["json", "csv", "avro"])),
        .mapping(
            MappingShape(
                what: "output format",
                keys: [
                    KeyShape(
                        name: "protobuf",
                        shape: .mapping(
                            MappingShape(
                                what: "protobuf output format",
                                keys: [
                                    KeyShape(
                                        name: "descriptor", shape: .text(.any), isRequired: true,
                                        meaning:
                                            "The descriptor file that protoc --descriptor_set_out writes."
                                    ),
                                    KeyShape(
                                        name: "message", shape: .text(.any), isRequired: true,
                                        meaning: "The full name of the message: package.Name."),
                                    KeyShape(
                                        name: "framing",
                                        shape: .text(
                                            .words(
                                                ProtobufRecordDecoder.Framing.allCases.map(
                                                    \.rawValue))),
                                        meaning:
                                            "What stands before the message: nothing when not given; confluent registers its file in the connection's registry."
                                    ),
                                ])), isRequired: true,
                        meaning: "A Protobuf message a row; columns are its fields by name.")
                ])),
    ])

    static let shape = Shape.either([
        .text(.words(options.map(\.format.rawValue))),
        .mapping(
            MappingShape(
                what: "format",
                keys: options.map { format in
                    KeyShape(
                        name: format.format.rawValue,
                        shape: .mapping(
                            MappingShape(
                                what: "\(format.format.rawValue) format", keys: format.keys)),
                        meaning: format.meaning)
                }, oneOf: [options.map(\.format.rawValue)])),
    ])
}
