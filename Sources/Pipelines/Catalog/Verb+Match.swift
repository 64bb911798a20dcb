extension Verb {
    /// Patterns of rows.
    static let match = Verb(
        name: "match",
        shape: stateful(
            "match",
            [
                by(),
                KeyShape(
                    name: "pattern", shape: .text(.expression), isRequired: true,
                    meaning:
                        "Names of rows in their order, with ?, *, +, {n}, {n,}, {n,m}, | and brackets; a ? behind means as few as possible."
                ),
                KeyShape(
                    name: "define",
                    shape: .table(
                        TableShape(what: "name", key: .name, value: .text(.expression))),
                    meaning: "The condition of each name; one without a condition is any row."),
                KeyShape(
                    name: "within", shape: .text(.duration), isRequired: true,
                    meaning: "How long after its first row a match may go on, in event time."),
                KeyShape(
                    name: "skip",
                    shape: .either([
                        .text(.words(["past_last", "to_next", "past_last_row", "to_next_row"])),
                        .mapping(
                            MappingShape(
                                what: "skip",
                                keys: [
                                    KeyShape(
                                        name: "to_first", shape: .text(.name),
                                        meaning: "Begins at the first row of this name."),
                                    KeyShape(
                                        name: "to_last", shape: .text(.name),
                                        meaning: "Begins at the last row of this name."),
                                ], oneOf: [["to_first", "to_last"]])),
                    ]),
                    meaning:
                        "Where the next match may begin: behind the last row (when not given), at the second one, or at the first or last row of a name."
                ),
                KeyShape(
                    name: "max_rows", shape: .text(.integer(2...100_000)),
                    meaning: "How many rows of a key are kept at most; 1000 when not given."),
                KeyShape(
                    name: "select",
                    shape: .table(
                        TableShape(what: "column", key: .name, value: .text(.expression))),
                    isRequired: true,
                    meaning:
                        "What is told of a match: NAME: EXPRESSION over first, last, count, sum, avg, min, max of NAME.COLUMN."
                ),
            ]), isStateful: true,
        meaning:
            "A row for each occurrence of a pattern among a key's rows: the key and what is selected.",
        example: """
            - match:
                id: tested
                by: user_id
                pattern: small{3,} large
                define: {small: amount < 2, large: amount > 10 * max(small.amount)}
                within: 10m
                select: {tries: count(small.*), amount: last(large.amount), began: first(ts)}
            """)
}
