extension Verb {
    /// `lookup` of a join: the table elsewhere and how it is asked.
    static let lookup = MappingShape(
        what: "lookup",
        keys: [
            KeyShape(
                name: "http", shape: .mapping(lookupHTTP),
                meaning: "An HTTP service that answers with JSON."),
            KeyShape(
                name: "redis", shape: .mapping(lookupRedis), meaning: "A Redis or Valkey server."),
            KeyShape(
                name: "features", shape: .mapping(lookupFeatures),
                meaning:
                    "The online store of this process. `on` names the entity's keys; of each feature there is its value and NAME_status."
            ),
            KeyShape(
                name: "answer", shape: Catalog.fields, with: ["http", "redis"],
                meaning:
                    "The fields of an answer: NAME: TYPE, or a mapping with the path in the document, or the field of the hash."
            ),
            KeyShape(
                name: "cache",
                shape: .mapping(
                    MappingShape(
                        what: "cache",
                        keys: [
                            KeyShape(
                                name: "ttl", shape: .text(.duration), isRequired: true,
                                meaning:
                                    "How long an answer holds, in event time; each key has cells of this length."
                            ),
                            KeyShape(
                                name: "missing_ttl", shape: .text(.duration),
                                meaning:
                                    "How long it holds that nothing is known of a key, at most ttl; ttl when not given."
                            ),
                            KeyShape(
                                name: "size", shape: .text(.integer(1...100_000_000)),
                                meaning:
                                    "Answers in memory; 100000 when not given. Others are read from the journal."
                            ),
                        ])),
                meaning:
                    "How long answers hold. Without it only rows of one key and one time share an answer."
            ),
            KeyShape(
                name: "timeout", shape: .text(.duration),
                meaning: "The longest a request may take; the connection's, or 5s, when not given."),
            KeyShape(
                name: "retries", shape: .text(.integer(0...100)),
                meaning:
                    "How often a request that failed is repeated, after waits that double; 3 when not given."
            ),
            KeyShape(
                name: "give_up", shape: .text(.duration),
                meaning:
                    "How long a service that cannot be reached is waited for; rows wait meanwhile. 1m when not given."
            ),
            KeyShape(
                name: "in_flight", shape: .text(.integer(1...1024)),
                meaning: "Requests under way at once; 16 when not given."),
            KeyShape(
                name: "rate_limit", shape: Catalog.rateLimit(by: false),
                meaning:
                    "How often requests are made at most. What the journal answers does not count."
            ),
            KeyShape(
                name: "breaker", shape: Catalog.breaker,
                meaning:
                    "When nothing is asked for a while; rows wait meanwhile, until give_up. Without it every question is tried."
            ),
            KeyShape(
                name: "keep", shape: .text(.duration),
                meaning:
                    "How far answers are kept behind the event time of the oldest checkpoint; 90d when not given. Later rows are asked for as of then."
            ),
            KeyShape(
                name: "on_error",
                shape: .either([
                    .text(.words(["fail", "drop", "as_missing"])),
                    .mapping(
                        MappingShape(
                            what: "on_error",
                            keys: [
                                KeyShape(
                                    name: "dead_letter", shape: .text(.topic), isRequired: true,
                                    meaning: "The topic that tells of them.")
                            ])),
                ]),
                meaning:
                    "What becomes of rows without an answer; as_missing: they go on like rows of a key nothing is known of. The pipeline's on_error when not given."
            ),
        ], oneOf: [["http", "redis", "features"]])

    private static let lookupHTTP = MappingShape(
        what: "http",
        keys: [
            KeyShape(
                name: "connection", shape: .text(.name), isRequired: true,
                meaning: "A connection of kind http."),
            KeyShape(
                name: "path", shape: .text(.any), isRequired: true,
                meaning: "The path behind its address; {NAME} stands for a key of `on`."),
            KeyShape(
                name: "method", shape: .text(.words(["GET", "POST"])),
                meaning: "GET when not given, POST with a body."),
            KeyShape(
                name: "headers",
                shape: .table(TableShape(what: "header", key: .any, value: .text(.any), min: 0)),
                meaning: "Headers besides the connection's; secrets by reference."),
            KeyShape(
                name: "body",
                shape: .table(TableShape(what: "member", key: .any, value: .text(.any))),
                meaning: "Members of a JSON body: texts in which {NAME} stands for a key of `on`."),
            KeyShape(
                name: "missing", shape: .list(of: .text(.integer(200...599)), min: 1),
                meaning:
                    "Statuses that say that nothing is known of the key; 404, 410 and 204 when not given."
            ),
            KeyShape(
                name: "batch",
                shape: .mapping(
                    MappingShape(
                        what: "batch",
                        keys: [
                            KeyShape(
                                name: "size", shape: .text(.integer(1...10_000)), isRequired: true,
                                meaning: "Keys of a request at most."),
                            KeyShape(
                                name: "keys", shape: .text(.any), isRequired: true,
                                meaning:
                                    "The member of the body that lists them, or of the query of a GET, with commas between."
                            ),
                            KeyShape(
                                name: "answers", shape: .text(.any),
                                meaning:
                                    "Where the answer lists what there is: $.items; the answer itself when not given."
                            ),
                            KeyShape(
                                name: "key", shape: .text(.any), isRequired: true,
                                meaning: "The member of each item that is its key."),
                        ])),
                meaning: "Many keys in one request; `on` has one column then."),
        ])

    private static let lookupRedis = MappingShape(
        what: "redis",
        keys: [
            KeyShape(
                name: "connection", shape: .text(.name), isRequired: true,
                meaning: "A connection of kind redis."),
            KeyShape(
                name: "key", shape: .text(.any), isRequired: true,
                meaning: "The key there; {NAME} stands for a key of `on`."),
            KeyShape(
                name: "read", shape: .text(.words(["hash", "json"])),
                meaning:
                    "hash (when not given): fields of a hash (HMGET). json: a document (GET)."),
        ])

    private static let lookupFeatures = MappingShape(
        what: "features",
        keys: [
            KeyShape(
                name: "view", shape: .text(.name), isRequired: true,
                meaning: "A feature view of this file."),
            KeyShape(
                name: "features", shape: .list(of: .text(.name), min: 1),
                meaning: "Features of it; all when not given."),
        ])
}
