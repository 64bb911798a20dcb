import Connectors

/// The whole file format, part by part.
enum Catalog {
    static let file = Shape.mapping(
        MappingShape(
            what: "file",
            keys: [
                KeyShape(
                    name: "version", shape: .text(.integer(1...1)), isRequired: true,
                    missing: .version, meaning: "The version of the file format: 1."),
                KeyShape(
                    name: "include", shape: .list(of: .text(.place), min: 1),
                    meaning:
                        "More files, relative to this one: what they declare belongs to the job as if it stood here."
                ),
                KeyShape(name: "job", shape: job, meaning: "How the job as a whole runs."),
                KeyShape(
                    name: "connections", shape: connections,
                    meaning: "The places topics and files are in, by name."),
                KeyShape(
                    name: "streams", shape: streams,
                    meaning: "What is read, by name."),
                KeyShape(
                    name: "pipelines", shape: pipelines,
                    meaning: "What happens to rows, by name."),
                KeyShape(
                    name: "online", shape: online,
                    meaning: "Where features are kept besides the job's own disk."),
                KeyShape(name: "entities", shape: entities, meaning: "What features are about."),
                KeyShape(
                    name: "feature_views", shape: featureViews,
                    meaning: "Features kept for lookups, by name."),
                KeyShape(
                    name: "push_sources", shape: pushSources,
                    meaning: "Names under which rows are pushed into views."),
                KeyShape(
                    name: "on_demand", shape: onDemand,
                    meaning: "Features computed at lookup, by name."),
                KeyShape(
                    name: "services", shape: services,
                    meaning:
                        "Named sets of features; an entry is VIEW, VIEW:FEATURE or VIEW: [FEATURE, …]."
                ),
                KeyShape(
                    name: "tests", shape: tests,
                    meaning: "What `millrace test` checks of the pipelines."),
            ], needsOne: ["pipelines", "feature_views", "on_demand", "include"]))

    /// The keys that only the file given to a command may have.
    static let entryOnly = ["version", "include", "job", "online"]

    /// A file that another one includes.
    static var includedFile: Shape {
        guard case .mapping(var shape) = file else { return file }
        shape = MappingShape(
            what: "file", keys: shape.keys.filter { !entryOnly.contains($0.name) })
        return .mapping(shape)
    }

    static let onError = Shape.either([
        .text(.words(["fail", "drop"])),
        .mapping(
            MappingShape(
                what: "on_error",
                keys: [
                    KeyShape(
                        name: "dead_letter", shape: .text(.topic), isRequired: true,
                        meaning: "The topic that tells of them.")
                ])),
    ])

    static let columns = Shape.either([.text(.name), .list(of: .text(.name), min: 1)])

    static let fields = Shape.table(
        TableShape(
            what: "field", key: .name,
            value: .either([
                .text(.type),
                .mapping(
                    MappingShape(
                        what: "field",
                        keys: [
                            KeyShape(
                                name: "type", shape: .text(.type), isRequired: true,
                                meaning: "The column's type."),
                            KeyShape(
                                name: "path", shape: .text(.any),
                                meaning:
                                    "Where in the record it is: a.b.c, the CSV column, or as the format has it."
                            ),
                            KeyShape(
                                name: "required", shape: .text(.boolean),
                                meaning: "Whether a record without it is an error; false otherwise."
                            ),
                            KeyShape(
                                name: "unit",
                                shape: .text(
                                    .words(PlannedField.TimeUnit.allCases.map(\.rawValue))),
                                meaning: "How a timestamp is written."),
                            KeyShape(
                                name: "zone", shape: .text(.any),
                                meaning:
                                    "The time zone of times that are written without one, such as Europe/Berlin; UTC when not given."
                            ),
                            KeyShape(
                                name: "from", shape: .text(.fieldOrigin),
                                meaning: "A part of the record other than its value."),
                        ])),
            ])))

    static let pipelines = Shape.table(
        TableShape(
            what: "pipeline", key: .name,
            value: .mapping(
                MappingShape(
                    what: "pipeline",
                    keys: [
                        KeyShape(
                            name: "from",
                            shape: .either([
                                .text(.reference), .list(of: .text(.reference), min: 1),
                            ]), isRequired: true,
                            meaning:
                                "Streams or pipelines; several are put together by column name."),
                        KeyShape(
                            name: "steps", shape: .list(of: .step, min: 0),
                            meaning: "What happens to the rows, in order."),
                        KeyShape(
                            name: "to", shape: .either([target, .list(of: target, min: 1)]),
                            meaning: "Where the rows go."),
                        KeyShape(
                            name: "on_error", shape: onError,
                            meaning:
                                "What becomes of rows a step fails on; that of its streams otherwise."
                        ),
                    ]))))
}
