extension Catalog {
    /// `tests:`; what is in steps and expectations depends on names, and is checked with them.
    static let tests = Shape.list(
        of: .mapping(
            MappingShape(
                what: "test",
                keys: [
                    KeyShape(
                        name: "name", shape: .text(.any), isRequired: true,
                        meaning: "What must be true, in a sentence."),
                    KeyShape(
                        name: "day", shape: .text(.any),
                        meaning:
                            "The day of times that are given without one; 2026-01-01 when not given."
                    ),
                    KeyShape(
                        name: "answers",
                        shape: .table(
                            TableShape(
                                what: "lookup", key: .any,
                                value: .list(
                                    of: .table(
                                        TableShape(what: "answer", key: .name, value: .anything)),
                                    min: 0))),
                        meaning:
                            "What lookups are answered, by the step's id: the names of the key with the fields of the answer, or fails: REASON. Of other keys nothing is known; nobody is asked."
                    ),
                    KeyShape(
                        name: "given",
                        shape: .list(
                            of: .either([
                                .text(.words(["kill_and_restore"])),
                                .table(
                                    TableShape(what: "step", key: .name, value: .anything)),
                            ]), min: 1),
                        meaning:
                            "What happens, in order: {at: TIME, STREAM: [ROW, …]}, {advance: DURATION}, {push: {VIEW: [ROW, …]}}, {expect: …}, kill_and_restore."
                    ),
                    KeyShape(
                        name: "expect",
                        shape: .table(
                            TableShape(what: "expectation", key: .any, value: .anything)),
                        meaning:
                            "What comes out in the end, by pipeline, pipeline.route, topic:NAME, feature view, on-demand view or service."
                    ),
                    KeyShape(
                        name: "ends", shape: .text(.boolean),
                        meaning:
                            "Whether the inputs end after the last step, so that all windows, lingers and timers come out; true when not given."
                    ),
                ])), min: 1)
}
