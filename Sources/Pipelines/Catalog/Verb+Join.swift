extension Verb {
    /// The verb `join`.
    static let join = Verb(
        name: "join",
        shape: .mapping(
            MappingShape(
                what: "join",
                keys: [
                    KeyShape(
                        name: "id", shape: .text(.name), isRequired: true,
                        meaning: "The address of the step's state; never reuse or change one."),
                    KeyShape(
                        name: "was", shape: .text(.name),
                        meaning: "The id it had before, to take over that state."),
                    KeyShape(
                        name: "with", shape: .text(.reference),
                        meaning: "The right side: a stream, a pipeline or a pipeline's route."),
                    KeyShape(
                        name: "as", shape: .text(.name),
                        meaning:
                            "What the right row is called: a struct column, NAME.FIELD. The last part of `with`, or the connection or view of a lookup, when not given."
                    ),
                    KeyShape(
                        name: "on",
                        shape: .either([
                            .text(.name), .list(of: .text(.name), min: 1),
                            .table(TableShape(what: "column", key: .name, value: .text(.name))),
                        ]), isRequired: true,
                        meaning:
                            "The columns that must be equal: names both sides have, or LEFT: RIGHT; for a lookup COLUMN: NAME."
                    ),
                    KeyShape(
                        name: "type",
                        shape: .text(
                            .words(["inner", "left", "right", "full", "semi", "anti"])),
                        meaning:
                            "inner (when not given): a row for each pair. left: also left rows without partner, with null. right, full: also right rows, or both, in a join of tables or a window. semi: left rows that have a partner. anti: left rows that have none."
                    ),
                    KeyShape(
                        name: "as_of",
                        shape: .mapping(
                            MappingShape(
                                what: "as_of",
                                keys: [
                                    KeyShape(
                                        name: "key",
                                        shape: .either([
                                            .text(.name), .list(of: .text(.name), min: 1),
                                        ]),
                                        meaning:
                                            "The table's key: of its rows the newest counts. The columns of `on` when not given."
                                    )
                                ])),
                        meaning:
                            "The right side is a table: each left row sees it as it was at its own place in the order. {} for no settings."
                    ),
                    KeyShape(
                        name: "side",
                        shape: .mapping(
                            MappingShape(
                                what: "side",
                                keys: [
                                    KeyShape(
                                        name: "key",
                                        shape: .either([
                                            .text(.name), .list(of: .text(.name), min: 1),
                                        ]),
                                        meaning:
                                            "The table's key: of its rows the last counts. The columns of `on` when not given."
                                    )
                                ])),
                        meaning:
                            "The right side is a stream of files that is read as a table before the first left row. {} for no settings."
                    ),
                    KeyShape(
                        name: "within",
                        shape: .mapping(
                            MappingShape(
                                what: "within",
                                keys: [
                                    KeyShape(
                                        name: "before", shape: .text(.duration),
                                        meaning:
                                            "How long before the left row the right one may happen; 0s when not given."
                                    ),
                                    KeyShape(
                                        name: "after", shape: .text(.duration),
                                        meaning:
                                            "How long after the left row the right one may happen; 0s when not given."
                                    ),
                                ], needsOne: ["before", "after"])),
                        meaning:
                            "Both sides are streams: rows join that happen near each other in event time."
                    ),
                    KeyShape(
                        name: "tables",
                        shape: .mapping(
                            MappingShape(
                                what: "tables",
                                keys: [
                                    KeyShape(
                                        name: "key",
                                        shape: .either([
                                            .text(.name), .list(of: .text(.name), min: 1),
                                        ]),
                                        meaning:
                                            "The key of the left table; without one each row counts for itself."
                                    ),
                                    KeyShape(
                                        name: "with_key",
                                        shape: .either([
                                            .text(.name), .list(of: .text(.name), min: 1),
                                        ]),
                                        meaning:
                                            "The key of the right table; without one each row counts for itself."
                                    ),
                                ])),
                        meaning:
                            "Both sides are tables, and the result is one: each change of a side changes the pairs it is in. {} for two streams, as SQL joins them."
                    ),
                    KeyShape(
                        name: "window",
                        shape: .mapping(
                            MappingShape(
                                what: "window",
                                keys: [
                                    KeyShape(
                                        name: "tumble", shape: .text(.duration),
                                        meaning: "Windows of this size, one after another."),
                                    KeyShape(
                                        name: "hop", shape: .text(.duration), needs: ["every"],
                                        meaning:
                                            "Windows of this size, one beginning `every` so often."
                                    ),
                                    KeyShape(
                                        name: "every", shape: .text(.duration), with: ["hop"],
                                        meaning: "The step of hop, which needs it."),
                                ], oneOf: [["tumble", "hop"]])),
                        meaning:
                            "Both sides are streams: rows join that lie in the same window, when it ends."
                    ),
                    KeyShape(
                        name: "lookup", shape: .mapping(Verb.lookup),
                        meaning:
                            "A table elsewhere is asked for each row by key: an HTTP service, Redis, or the online store. Answers are journalled."
                    ),
                    KeyShape(
                        name: "where", shape: .text(.expression), with: ["with", "lookup"],
                        meaning:
                            "What must hold for a pair besides, over the left columns and the right row."
                    ),
                    KeyShape(
                        name: "ttl", shape: .text(.duration), with: ["as_of", "tables"],
                        meaning: "How long after it came a table row is forgotten, in event time."),
                ],
                oneOf: [
                    ["with", "lookup"], ["as_of", "side", "within", "tables", "window", "lookup"],
                ])), isStateful: true,
        meaning:
            "Puts each row together with the rows of another stream or pipeline that have the same key.",
        example:
            "- join: {id: with_product, with: products, as: product, on: [product_id], type: left, as_of: {}}"
    )
}
