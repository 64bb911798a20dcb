extension Catalog {
    /// What people say about a definition.
    private static let notes = [
        KeyShape(name: "description", shape: .text(.any), meaning: "What it means."),
        KeyShape(name: "owner", shape: .text(.any), meaning: "Who answers for it."),
        KeyShape(
            name: "tags",
            shape: .table(TableShape(what: "tag", key: .any, value: .text(.any), min: 0)),
            meaning: "Anything else: NAME: VALUE."),
    ]

    private static let degrade = KeyShape(
        name: "degrade", shape: .list(of: .text(.words(["last_known", "default"])), min: 0),
        meaning:
            "What stands in for a value that is not there in time, first choice first, null after all; [last_known, default] when not given."
    )

    static let entities = Shape.table(
        TableShape(
            what: "entity", key: .name,
            value: .mapping(
                MappingShape(
                    what: "entity",
                    keys: [
                        KeyShape(
                            name: "keys",
                            shape: .table(
                                TableShape(what: "key", key: .name, value: .text(.type))),
                            isRequired: true, meaning: "The parts of the key: NAME: TYPE.")
                    ] + notes))))

    /// A feature with more than its name.
    static let feature = Shape.mapping(
        MappingShape(
            what: "feature",
            keys: [
                KeyShape(
                    name: "name", shape: .text(.name), isRequired: true,
                    meaning: "Its name, and the column it is made from."),
                KeyShape(
                    name: "type", shape: .text(.type),
                    meaning: "Its type: needed in a view without from, checked in others."),
                KeyShape(
                    name: "default", shape: .text(.expression),
                    meaning: "A constant that stands in for a value that was never written."),
                degrade,
            ] + notes))

    /// Where a view's entities are.
    static let geo = Shape.mapping(
        MappingShape(
            what: "geo",
            keys: [
                KeyShape(
                    name: "latitude", shape: .text(.name), isRequired: true,
                    meaning: "A feature of type double: degrees north."),
                KeyShape(
                    name: "longitude", shape: .text(.name), isRequired: true,
                    meaning: "A feature of type double: degrees east."),
                KeyShape(
                    name: "entities", shape: .text(.integer(1...100_000_000)),
                    meaning:
                        "The most entities that can be found, 1,000,000 when not given; some 100 bytes of memory each."
                ),
            ]))

    static let featureViews = Shape.table(
        TableShape(
            what: "feature view", key: .name,
            value: .mapping(
                MappingShape(
                    what: "feature view",
                    keys: [
                        KeyShape(
                            name: "entity", shape: .text(.name), isRequired: true,
                            meaning: "The entity the features are about."),
                        KeyShape(
                            name: "from", shape: .text(.reference),
                            meaning:
                                "The stream or pipeline whose rows fill it; without it the view is filled by pushes."
                        ),
                        KeyShape(
                            name: "ttl", shape: .text(.duration),
                            meaning: "The age at which a value no longer counts; never otherwise."),
                        KeyShape(
                            name: "history", shape: .text(.duration),
                            meaning:
                                "How far back lookups may ask (as_of); past versions are kept for that long."
                        ),
                        KeyShape(
                            name: "geo", shape: geo,
                            meaning:
                                "Which features say where the entities are: lookups then find those near a place."
                        ),
                        KeyShape(
                            name: "features",
                            shape: .list(of: .either([.text(.name), feature]), min: 1),
                            meaning:
                                "The columns, by name or with more about them; all that are not keys otherwise."
                        ),
                        degrade,
                    ] + notes))))

    static let pushSources = Shape.table(
        TableShape(
            what: "push source", key: .name,
            value: .mapping(
                MappingShape(
                    what: "push source",
                    keys: [
                        KeyShape(
                            name: "view", shape: .text(.name), isRequired: true,
                            meaning: "The feature view that the rows go to."),
                        KeyShape(
                            name: "description", shape: .text(.any), meaning: "What it means."),
                    ]))))

    /// VIEW, VIEW:FEATURE, or VIEW: [FEATURE, …].
    private static let reference = Shape.either([
        .text(.any),
        .table(
            TableShape(
                what: "view", key: .name,
                value: .either([.text(.name), .list(of: .text(.name), min: 1)]))),
    ])

    static let services = Shape.table(
        TableShape(what: "service", key: .name, value: .list(of: reference, min: 1)))

    static let onDemand = Shape.table(
        TableShape(
            what: "on-demand view", key: .name,
            value: .mapping(
                MappingShape(
                    what: "on-demand view",
                    keys: [
                        KeyShape(
                            name: "request",
                            shape: .table(
                                TableShape(
                                    what: "request field", key: .name,
                                    value: .either([.text(.type), requestField]), min: 0)),
                            meaning: "What a request has to say: NAME: TYPE, or a mapping."),
                        KeyShape(
                            name: "sources", shape: .list(of: reference, min: 1),
                            meaning:
                                "Stored views or features it reads; what its expressions name as VIEW.FEATURE is found without."
                        ),
                        KeyShape(
                            name: "select",
                            shape: .table(
                                TableShape(what: "feature", key: .name, value: .text(.expression))),
                            isRequired: true,
                            meaning: "The features: NAME: EXPRESSION; later ones may use earlier."),
                        KeyShape(
                            name: "rank",
                            shape: .mapping(
                                MappingShape(
                                    what: "rank",
                                    keys: [
                                        KeyShape(
                                            name: "by", shape: .text(.name), isRequired: true,
                                            meaning: "The feature whose largest value is first."),
                                        KeyShape(
                                            name: "where", shape: .text(.name),
                                            meaning:
                                                "The bool feature that is true of candidates only."
                                        ),
                                        KeyShape(
                                            name: "top", shape: .text(.integer(1...65536)),
                                            meaning:
                                                "How many are answered when the request does not say."
                                        ),
                                    ])),
                            meaning: "How candidates are ranked by it."),
                    ] + notes))))

    private static let requestField = Shape.mapping(
        MappingShape(
            what: "request field",
            keys: [
                KeyShape(
                    name: "type", shape: .text(.type), isRequired: true, meaning: "Its type."),
                KeyShape(
                    name: "default", shape: .text(.expression),
                    meaning: "A constant for requests that do not say; they must otherwise."),
                KeyShape(name: "description", shape: .text(.any), meaning: "What it means."),
            ]))
}
