extension Catalog {
    private static let path = Shape.either([.text(.any), .list(of: .text(.any), min: 1)])

    /// How a directory is watched.
    static let watch = Shape.mapping(
        MappingShape(
            what: "watch",
            keys: [
                KeyShape(
                    name: "every", shape: .text(.duration),
                    meaning: "How often it is looked at; 1s when not given."),
                KeyShape(
                    name: "quiet", shape: .text(.duration),
                    meaning: "How long a file must not have changed to be whole; 5s when not given."
                ),
                KeyShape(
                    name: "marker", shape: .text(.any),
                    meaning:
                        "A file is whole, instead, when one of its name and this ending is there, such as .done."
                ),
                KeyShape(
                    name: "order", shape: .text(.words(["name", "time"])),
                    meaning: "Which of several files comes first; name when not given."),
            ]))

    /// How a service is polled.
    static let poll = Shape.mapping(
        MappingShape(
            what: "poll",
            keys: [
                KeyShape(
                    name: "url", shape: .text(.place),
                    meaning:
                        "The address; {since}, {since_ms}, {since_s}, {now} and {cursor} are filled in."
                ),
                KeyShape(
                    name: "http", shape: .text(.name), needs: ["path"],
                    meaning: "The connection of kind http that the path is on."),
                KeyShape(
                    name: "path", shape: .text(.place), needs: ["http"],
                    meaning: "The path and query on that connection, filled in as url."),
                KeyShape(
                    name: "method", shape: .text(.words(["get", "post"])),
                    meaning: "get, or post when there is a body."),
                KeyShape(
                    name: "headers",
                    shape: .table(
                        TableShape(what: "header", key: .any, value: .text(.any), min: 0)),
                    meaning: "Header fields; secrets by reference."),
                KeyShape(
                    name: "body", shape: .text(.any),
                    meaning: "The body of a post, filled in as url."
                ),
                KeyShape(
                    name: "every", shape: .text(.duration),
                    meaning: "Time between the beginnings of two polls; 5m when not given."),
                KeyShape(
                    name: "items", shape: path,
                    meaning:
                        "The path of the array whose elements are the records ($ for the answer itself); without it the answer is one record."
                ),
                KeyShape(
                    name: "key", shape: path, meaning: "The path of the record key in an item."),
                KeyShape(
                    name: "paging",
                    shape: .mapping(
                        MappingShape(
                            what: "paging",
                            keys: [
                                KeyShape(
                                    name: "cursor", shape: path,
                                    meaning: "The path of the cursor in an answer."),
                                KeyShape(
                                    name: "parameter", shape: .text(.any), with: ["cursor"],
                                    meaning: "What it is called in the next request; cursor."),
                                KeyShape(
                                    name: "in", shape: .text(.words(["query", "body"])),
                                    with: ["cursor"],
                                    meaning:
                                        "Where it goes, unless {cursor} stands somewhere; query."
                                ),
                                KeyShape(
                                    name: "next", shape: path,
                                    meaning:
                                        "The path of the next address in an answer, or header:Link."
                                ),
                                KeyShape(
                                    name: "page", shape: .text(.any),
                                    meaning: "The parameter that counts pages."),
                                KeyShape(
                                    name: "first", shape: .text(.integer(0...1)), with: ["page"],
                                    meaning: "The number of the first page; 1 when not given."),
                                KeyShape(
                                    name: "offset", shape: .text(.any),
                                    meaning: "The parameter that counts items, such as $skip."),
                            ], oneOf: [["cursor", "next", "page", "offset"]])),
                    meaning: "How an answer leads to the next one; one answer is all otherwise."),
                KeyShape(
                    name: "overlap", shape: .text(.duration),
                    meaning: "How much before the last poll {since} is; 0s when not given."),
                KeyShape(
                    name: "max_answer", shape: .text(.size),
                    meaning: "The largest answer; 64MiB when not given."),
                KeyShape(
                    name: "topic", shape: .text(.topic),
                    meaning:
                        "The topic of the records, on the connection; one in the state directory when not given."
                ),
                KeyShape(
                    name: "partitions", shape: .text(.integer(1...256)),
                    meaning: "Partitions of the topic, when it has to be made; 1 when not given."),
            ], oneOf: [["url", "http"]]))
}
