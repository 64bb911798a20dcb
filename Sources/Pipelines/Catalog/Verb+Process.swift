extension Verb {
    private static let values = Shape.table(
        TableShape(what: "column", key: .name, value: .text(.expressionOrNull)))
    private static let timers = Shape.table(
        TableShape(what: "timer", key: .name, value: .text(.expressionOrNull)))

    /// A state machine for each key.
    static let process = Verb(
        name: "process",
        shape: stateful(
            "process",
            [
                by(),
                KeyShape(
                    name: "state",
                    shape: .table(
                        TableShape(
                            what: "state", key: .name,
                            value: .either([
                                .text(.type),
                                .mapping(
                                    MappingShape(
                                        what: "state",
                                        keys: [
                                            KeyShape(
                                                name: "type", shape: .text(.type),
                                                isRequired: true, meaning: "What it holds."),
                                            KeyShape(
                                                name: "initial", shape: .text(.expression),
                                                meaning:
                                                    "A constant: its value for a key without state."
                                            ),
                                        ])),
                            ]))),
                    meaning: "What a key remembers: NAME: TYPE; null unless `initial` is given."),
                KeyShape(
                    name: "on", shape: .list(of: .mapping(entry), min: 1), isRequired: true,
                    meaning:
                        "What rows and timers do: the first entry whose conditions hold is taken."),
                KeyShape(
                    name: "ttl", shape: .text(.duration),
                    meaning:
                        "How long after the last row that an entry took a key is forgotten, in event time."
                ),
            ]), isStateful: true,
        meaning:
            "A state machine for each key: rows and timers change its state, set timers, and give rows out.",
        example: """
            - process:
                id: waiting
                by: store_id
                state: {orders: {type: int64, initial: 0}, since: timestamp}
                on:
                  - when: amount > 0
                    set: {orders: orders + 1, since: "coalesce(since, ts)"}
                    timer: {too_long: "coalesce(since, ts) + interval 10 minutes"}
                  - when: amount = 0
                    timer: {too_long: null}
                    clear: true
                  - timer: too_long
                    emit: {store_id: store_id, orders: orders, since: since, at: now()}
                ttl: 1d
            """)

    private static let entry = MappingShape(
        what: "entry",
        keys: [
            KeyShape(
                name: "when", shape: .text(.expression),
                meaning: "A condition over the row, the key and the state."),
            KeyShape(
                name: "timer", shape: .either([.text(.name), timers]),
                meaning:
                    "A name: the entry is about that timer and sees key and state only. A mapping: as `timers`."
            ),
            KeyShape(
                name: "set", shape: values,
                meaning: "New values of states; every expression sees the state from before."),
            KeyShape(
                name: "timers", shape: timers,
                meaning:
                    "Timers to set, NAME: TIMESTAMP, in place of one that is set; null cancels."),
            KeyShape(
                name: "emit", shape: .either([values, .list(of: values, min: 1)]),
                meaning: "A row out, or several: COLUMN: EXPRESSION over the state after `set`."),
            KeyShape(
                name: "clear", shape: .text(.boolean),
                meaning: "Forgets the key in the end: its state and its timers."),
        ])
}
