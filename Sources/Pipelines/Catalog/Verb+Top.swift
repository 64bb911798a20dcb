import Operators
import StreamRuntime

extension Verb {
    /// The first rows of a key.
    static let top = Verb(
        name: "top",
        shape: stateful(
            "top",
            [
                by(isEmptyAllowed: true),
                KeyShape(
                    name: "order", shape: .text(.expression), isRequired: true,
                    meaning:
                        "What comes first: expressions apart by commas, each with asc or desc and nulls first or nulls last behind it; nulls come last when not given."
                ),
                KeyShape(
                    name: "n", shape: .text(.integer(1...10_000)), isRequired: true,
                    meaning: "The largest number a row may have to be kept."),
                KeyShape(
                    name: "ties", shape: .text(.words(TopTies.allCases.map(\.rawValue))),
                    meaning:
                        "How rows equal by the order are numbered: one after another as they came (row_number, when not given), or alike (rank, dense_rank)."
                ),
                KeyShape(
                    name: "rank", shape: .text(.name),
                    meaning: "A column with the row's number, if wanted."),
                KeyShape(
                    name: "window", shape: endedWindow,
                    meaning:
                        "Once for each window of the aggregate before, when it has ended; each change of the first rows otherwise."
                ),
                KeyShape(
                    name: "changelog", shape: .text(.words(Changelog.allCases.map(\.rawValue))),
                    meaning:
                        "Whether rows that are replaced are told too (full, when not given) or only what replaces them (upsert)."
                ),
                KeyShape(
                    name: "ttl", shape: .text(.duration),
                    meaning:
                        "A key is forgotten so long after its first rows changed last; never when not given."
                ),
                KeyShape(
                    name: "late", shape: lateRows, with: ["window"],
                    meaning: "What becomes of late rows; counted and dropped when not given."),
            ]), isStateful: true,
        meaning:
            "Keeps the first rows of each key by an order: a changelog of what comes among them and leaves.",
        example: """
            - top: {id: dearest, by: store_id, order: "price desc, ts", n: 10, rank: place}
            """)

    /// Windows that another step has made.
    static let endedWindow = Shape.mapping(
        MappingShape(
            what: "window",
            keys: [
                KeyShape(
                    name: "of", shape: .text(.name), isRequired: true,
                    meaning:
                        "The column that says when a row's window ends: window_end of the aggregate before."
                )
            ]))

    private static let lateRows = Shape.either([
        .text(.words(["drop"])),
        .mapping(
            MappingShape(
                what: "late",
                keys: [
                    KeyShape(
                        name: "then",
                        shape: .either([
                            .text(.words(["drop"])), .mapping(Catalog.topicTarget),
                        ]), isRequired: true, meaning: "What becomes of late rows.")
                ])),
    ])
}
