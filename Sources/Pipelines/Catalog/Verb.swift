import StreamRuntime

/// A verb a step can have: its form, what it does, and an example.
struct Verb: Sendable {
    let name: String
    let shape: Shape
    let isStateful: Bool
    var isLater = false
    let meaning: String
    let example: String
}

extension Verb {
    /// Every verb, in the order of the reference.
    static let all: [Verb] = [
        Verb(
            name: "filter", shape: .text(.expression), isStateful: false,
            meaning: "Keeps the rows for which the condition is true.",
            example: "- filter: amount > 10 and store_id is not null"),
        Verb(
            name: "select", shape: expressions, isStateful: false,
            meaning: "Makes rows of these columns only: NAME: EXPRESSION.",
            example: "- select:\n    store_id: count.location_id\n    source: \"'square'\""),
        Verb(
            name: "extend", shape: expressions, isStateful: false,
            meaning: "Adds columns, or puts new values in columns of the same name.",
            example: "- extend: {total: quantity * price}"),
        Verb(
            name: "unnest", shape: .text(.expression), isStateful: false,
            meaning: "One row for each element of a list, as LIST as NAME; none for an empty list."
                + " Lists that go together: unnest range(1, len(a) + 1) as place, then take a[place] and b[place].",
            example: "- unnest: counts as count"),
        Verb(
            name: "route",
            shape: .list(
                of: .mapping(
                    MappingShape(
                        what: "route",
                        keys: [
                            KeyShape(
                                name: "when", shape: .text(.expression), isRequired: true,
                                meaning: "The condition."),
                            KeyShape(
                                name: "to", shape: .mapping(Catalog.topicTarget),
                                meaning: "A topic for these rows."),
                            KeyShape(
                                name: "as", shape: .text(.name),
                                meaning: "A name: others read these rows from PIPELINE.NAME."),
                        ], oneOf: [["to", "as"]])), min: 1),
            isStateful: false,
            meaning:
                "Sends a row where the first condition that is true says; the others go on to the next step.",
            example: "- route:\n    - {when: amount > 1000, as: large}"),
        Verb(
            name: "deduplicate",
            shape: stateful(
                "deduplicate",
                [
                    by(),
                    KeyShape(
                        name: "within", shape: .text(.duration), isRequired: true,
                        meaning: "How long after the first row others of its key are dropped."),
                ]), isStateful: true,
            meaning: "Passes the first row of a key and drops the others within a time of it.",
            example: "- deduplicate: {id: seen, by: [store_id, update_id], within: 1h}"),
        Verb(
            name: "latest",
            shape: stateful(
                "latest",
                [
                    by(),
                    KeyShape(
                        name: "order", shape: .text(.expression), isRequired: true,
                        meaning: "What tells newer from older."),
                    KeyShape(
                        name: "stale",
                        shape: .either([
                            .text(.words(["drop"])),
                            .mapping(
                                MappingShape(
                                    what: "stale",
                                    keys: [
                                        KeyShape(
                                            name: "to", shape: .mapping(Catalog.topicTarget),
                                            isRequired: true, meaning: "A topic for these rows.")
                                    ])),
                        ]),
                        meaning: "What becomes of older rows; counted and dropped otherwise."),
                ]), isStateful: true,
            meaning: "Passes a row unless a newer one of its key has passed already.",
            example:
                "- latest: {id: newest, by: [store_id, product_id], order: counted_at, stale: drop}"
        ),
        Verb(
            name: "aggregate",
            shape: aggregate, isStateful: true,
            meaning:
                "A row for each key and window: the key, window_start, window_end and the results.",
            example:
                "- aggregate:\n    id: per_minute\n    by: store_id\n    window: {tumble: 1m}\n"
                + "    select: {orders: count(*), revenue: sum(amount)}\n    late: drop"),
        Verb(
            name: "rolling",
            shape: stateful(
                "rolling",
                [
                    by(),
                    KeyShape(
                        name: "over",
                        shape: .either([.text(.duration), .list(of: .text(.duration), min: 1)]),
                        isRequired: true, meaning: "The widths, each up to the row itself."),
                    KeyShape(
                        name: "select",
                        shape: .table(
                            TableShape(what: "column", key: .template, value: .text(.expression))),
                        isRequired: true,
                        meaning: "The results for each width; {over} in a name is the width."),
                    KeyShape(
                        name: "include_self", shape: .text(.boolean),
                        meaning: "Whether a row counts itself; true when not given."),
                    KeyShape(
                        name: "delay", shape: .text(.duration),
                        meaning: "How much later than it happened a row is seen by others."),
                    KeyShape(
                        name: "grain", shape: .text(.duration),
                        meaning:
                            "Keeps a key's rows only as the sums of stretches of this length: a window then begins at the start of one."
                    ),
                ]), isStateful: true,
            meaning: "Each row with results over the rows of its key in the time up to it.",
            example:
                "- rolling: {id: velocity, by: user_id, over: [1h, 1d], select: {\"orders_{over}\": count(*)}}"
        ),
        Verb(
            name: "rebatch",
            shape: stateful(
                "rebatch",
                [
                    by(),
                    KeyShape(
                        name: "size", shape: .text(.integer(1...100_000)), isRequired: true,
                        meaning: "The most rows in a batch."),
                    KeyShape(
                        name: "linger", shape: .text(.duration),
                        meaning: "The longest a row waits for others, in event time."),
                ]), isStateful: true,
            meaning:
                "A row for each batch of a key's rows: the key, batch_id, size, items, first_event_time, last_event_time.",
            example:
                "- rebatch: {id: batches, by: [retailer_id, campaign_id], size: 50, linger: 2s}"),
        process,
        join,
        match,
        top,
        later("call", "Asks a service about each row."),
    ]

    /// The verb called `name`.
    static func named(_ name: String) -> Verb? { all.first { $0.name == name } }

    /// The verbs of this version.
    static var present: [Verb] { all.filter { !$0.isLater } }

    private static func later(_ name: String, _ meaning: String) -> Verb {
        Verb(
            name: name, shape: .text(.any), isStateful: true, isLater: true, meaning: meaning,
            example: "")
    }

    private static let expressions = Shape.table(
        TableShape(what: "column", key: .name, value: .text(.expression)))

    static func by(isEmptyAllowed: Bool = false) -> KeyShape {
        KeyShape(
            name: "by",
            shape: .either([
                .text(.name), .list(of: .text(.name), min: isEmptyAllowed ? 0 : 1),
            ]), isRequired: true,
            meaning: "The columns that make the key"
                + (isEmptyAllowed ? "; [] puts all rows together." : "."))
    }

    static func stateful(_ what: String, _ keys: [KeyShape]) -> Shape {
        .mapping(statefulMapping(what, keys))
    }

    private static func statefulMapping(_ what: String, _ keys: [KeyShape]) -> MappingShape {
        MappingShape(
            what: what,
            keys: [
                KeyShape(
                    name: "id", shape: .text(.name), isRequired: true,
                    meaning: "The address of the step's state; never reuse or change one."),
                KeyShape(
                    name: "was", shape: .text(.name),
                    meaning: "The id it had before, to take over that state."),
            ] + keys)
    }

    private static let aggregate: Shape = {
        var mapping = statefulMapping(
            "aggregate",
            [
                by(isEmptyAllowed: true),
                KeyShape(
                    name: "window", shape: window, isRequired: true,
                    meaning: "Which rows belong together."),
                KeyShape(
                    name: "select", shape: expressions, isRequired: true,
                    meaning: "The results: NAME: EXPRESSION over aggregates."),
                KeyShape(
                    name: "having", shape: .text(.expression),
                    meaning:
                        "Which results come out: a condition over them, or over aggregates."),
                KeyShape(
                    name: "changelog", shape: .text(.words(Changelog.allCases.map(\.rawValue))),
                    meaning:
                        "With window: none: the results are a table, and those that are replaced are told too (full) or only what replaces them (upsert). Otherwise each is a row that stays."
                ),
                KeyShape(
                    name: "late",
                    shape: .either([
                        .text(.words(["drop"])),
                        .mapping(
                            MappingShape(
                                what: "late",
                                keys: [
                                    KeyShape(
                                        name: "allow", shape: .text(.duration),
                                        meaning: "How long after its end a window takes rows."),
                                    KeyShape(
                                        name: "then",
                                        shape: .either([
                                            .text(.words(["drop"])),
                                            .mapping(Catalog.topicTarget),
                                        ]), isRequired: true,
                                        meaning: "What becomes of later rows."),
                                ])),
                    ]),
                    meaning: "What becomes of late rows. Always needed, except with window: none."),
            ])
        mapping.requiredUnless = .init(key: "late", other: "window", word: "none")
        return .mapping(mapping)
    }()

    private static let window = Shape.either([
        .text(.words(["none"])),
        .mapping(
            MappingShape(
                what: "window",
                keys: [
                    KeyShape(
                        name: "tumble", shape: .text(.duration),
                        meaning: "Windows of this size, one after another."),
                    KeyShape(
                        name: "hop", shape: .text(.duration), needs: ["every"],
                        meaning: "Windows of this size, one beginning `every` so often."),
                    KeyShape(
                        name: "cumulate", shape: .text(.duration), needs: ["every"],
                        meaning: "Windows of this size with a result `every` so often on the way."),
                    KeyShape(
                        name: "session", shape: .text(.duration),
                        meaning: "Rows less than this apart."),
                    KeyShape(
                        name: "of", shape: .text(.name),
                        meaning:
                            "The windows of the aggregate before: the column that says when they end, window_end."
                    ),
                    KeyShape(
                        name: "every", shape: .text(.duration), with: ["hop", "cumulate"],
                        meaning: "The step of hop and cumulate, which need it."),
                    KeyShape(
                        name: "time", shape: .text(.words(["event", "processing"])),
                        with: ["tumble", "hop", "cumulate", "session"],
                        meaning:
                            "Of which time windows are: event (when not given), or processing, which is when records were appended to the log."
                    ),
                ], oneOf: [["tumble", "hop", "cumulate", "session", "of"]])),
    ])
}
