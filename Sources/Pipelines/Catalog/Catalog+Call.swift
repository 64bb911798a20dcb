extension Catalog {
    /// An output that makes an HTTP request of every row.
    static let call = Shape.mapping(
        MappingShape(
            what: "call",
            keys: providerKeys(isRequired: true) + [
                KeyShape(
                    name: "tenant", shape: .text(.name),
                    meaning:
                        "The column whose values have a queue, a rate and a circuit breaker each; that of rate_limit when not given."
                ),
                KeyShape(
                    name: "idempotency_key", shape: .text(.name),
                    meaning:
                        "The column that names the request for the service, the same in every repetition."
                ),
                KeyShape(
                    name: "providers",
                    shape: .table(
                        TableShape(
                            what: "provider", key: .name,
                            value: .mapping(
                                MappingShape(
                                    what: "provider", keys: providerKeys(isRequired: true))))),
                    meaning: "Services of other shapes, which workspaces name."),
                KeyShape(
                    name: "workspaces",
                    shape: .either([.text(.place), workspaces]),
                    meaning:
                        "What is particular to a tenant: a file of them, read again when it changes, or the table itself. A tenant without one becomes a dead letter."
                ),
                KeyShape(
                    name: "in_flight", shape: .text(.integer(1...1024)),
                    meaning: "Requests under way at once; 32 when not given."),
                KeyShape(
                    name: "in_flight_per_tenant", shape: .text(.integer(1...1024)),
                    meaning: "Of one tenant; a quarter of in_flight when not given."),
                KeyShape(
                    name: "retries", shape: .text(.integer(0...100)),
                    meaning: "Further tries of a request that failed; 3 when not given."),
                KeyShape(
                    name: "backoff",
                    shape: .mapping(
                        MappingShape(
                            what: "backoff",
                            keys: [
                                KeyShape(
                                    name: "first", shape: .text(.duration),
                                    meaning:
                                        "The longest wait after the first; 500ms when not given."
                                ),
                                KeyShape(
                                    name: "longest", shape: .text(.duration),
                                    meaning: "The longest wait after any; 30s when not given."),
                            ])),
                    meaning:
                        "Waits between tries: twice as long each time, half of it by chance."),
                KeyShape(
                    name: "give_up", shape: .text(.duration),
                    meaning:
                        "How long a request waits for a service that cannot be reached; 24h when not given."
                ),
                KeyShape(
                    name: "rate_limit", shape: rateLimit(by: true),
                    meaning: "How often a tenant is called at most."),
                KeyShape(
                    name: "breaker",
                    shape: breaker,
                    meaning: "When a tenant is not called for a while."),
                KeyShape(
                    name: "backlog", shape: .text(.size),
                    meaning:
                        "Sealed requests on disk at which the output takes no further rows; 1GiB when not given."
                ),
                KeyShape(
                    name: "results", shape: .text(.topic),
                    meaning: "The topic that tells of every message, once."),
                KeyShape(
                    name: "dead_letter", shape: .text(.topic),
                    meaning: "The topic of requests that were refused or given up."),
                KeyShape(
                    name: "topics", shape: .text(.name), with: ["results", "dead_letter"],
                    meaning: "The connection that these two topics are on."),
            ]))

    private static func providerKeys(isRequired: Bool) -> [KeyShape] {
        [
            KeyShape(
                name: "connection", shape: .text(.name), isRequired: isRequired,
                meaning: "The HTTP service."),
            KeyShape(
                name: "path", shape: .text(.place),
                meaning: "The path, in which {COLUMN} stands for a value; / when not given."),
            KeyShape(
                name: "method", shape: .text(.words(["POST", "PUT", "DELETE"])),
                meaning: "What is asked; POST when not given."),
            KeyShape(
                name: "headers",
                shape: .table(TableShape(what: "header", key: .any, value: .text(.any), min: 0)),
                meaning: "Headers besides those of the connection."),
            KeyShape(
                name: "idempotency_header", shape: .text(.any),
                meaning: "The header of the idempotency key; Idempotency-Key when not given."),
            KeyShape(
                name: "body",
                shape: .table(TableShape(what: "member", key: .name, value: .text(.expression))),
                meaning: "The members of the body; the row as JSON when not given."),
            KeyShape(
                name: "templates",
                shape: .table(TableShape(what: "template", key: .name, value: .text(.any))),
                meaning:
                    "Texts put into the body: {{ NAME | default: \"…\" | escape }} stands for a variable of the workspace or a column."
            ),
            KeyShape(
                name: "recipients",
                shape: .mapping(
                    MappingShape(
                        what: "recipients",
                        keys: [
                            KeyShape(
                                name: "list", shape: .text(.name), isRequired: true,
                                meaning: "The member of the body that lists the messages."),
                            KeyShape(
                                name: "id", shape: .text(.name), isRequired: true,
                                meaning: "The member of each that is its id."),
                            KeyShape(
                                name: "failed", shape: .text(.any),
                                meaning:
                                    "Where an answer lists the ids it refused, as $.errors[].id."
                            ),
                            KeyShape(
                                name: "reason", shape: .text(.any), with: ["failed"],
                                meaning: "Where it says why, in the same order."),
                            KeyShape(
                                name: "retry", shape: .text(.boolean), with: ["failed"],
                                meaning:
                                    "Whether the refused ones are tried again in a request of their own; false when not given."
                            ),
                        ])),
                meaning: "The messages of one request, each with a result of its own."),
            KeyShape(
                name: "answer_id", shape: .text(.any),
                meaning: "Where an answer has the service's own id, as $.dispatch_id."),
            KeyShape(
                name: "success", shape: .list(of: .text(.integer(100...599)), min: 1),
                meaning: "Statuses besides 2xx that say it is done, such as 409."),
        ]
    }

    /// When a service is not asked for a while.
    static let breaker = Shape.mapping(
        MappingShape(
            what: "breaker",
            keys: [
                KeyShape(
                    name: "errors", shape: .text(.any),
                    meaning: "The share of failed calls; 50% when not given."),
                KeyShape(
                    name: "calls", shape: .text(.integer(1...10_000)),
                    meaning: "Of so many last calls; 10 when not given."),
                KeyShape(
                    name: "open", shape: .text(.duration),
                    meaning:
                        "How long nothing is called then, before one call asks; 30s when not given."
                ),
            ]))

    /// How often a service is asked at most; of an output for each tenant.
    static func rateLimit(by isOutput: Bool) -> Shape {
        let by = KeyShape(
            name: "by", shape: .text(.name),
            meaning: "The column that says whose rate it is; the tenant.")
        return .mapping(
            MappingShape(
                what: "rate_limit",
                keys: (isOutput ? [by] : []) + [
                    KeyShape(
                        name: "per_second", shape: .text(.integer(1...1_000_000)),
                        meaning: "Requests a second."),
                    KeyShape(
                        name: "per_minute", shape: .text(.integer(1...60_000_000)),
                        meaning: "Requests a minute."),
                    KeyShape(
                        name: "per_hour", shape: .text(.integer(1...1_000_000_000)),
                        meaning: "Requests an hour."),
                    KeyShape(
                        name: "burst", shape: .text(.integer(1...1_000_000)),
                        meaning: "Requests at once after a pause; those of a second when not given."
                    ),
                ], oneOf: [["per_second", "per_minute", "per_hour"]]))
    }

    /// Workspaces by the tenant's value: in a pipelines file or a file of their own.
    static let workspaces = Shape.table(
        TableShape(
            what: "workspace", key: .any,
            value: .mapping(
                MappingShape(
                    what: "workspace",
                    keys: [
                        KeyShape(
                            name: "url", shape: .text(.place),
                            meaning: "An address instead of the connection's."),
                        KeyShape(
                            name: "path", shape: .text(.place),
                            meaning: "A path instead of the call's."),
                        KeyShape(
                            name: "provider", shape: .text(.name),
                            meaning: "The provider; the call itself when not given."),
                        KeyShape(
                            name: "headers",
                            shape: .table(
                                TableShape(what: "header", key: .any, value: .text(.any), min: 0)),
                            meaning: "Its headers; credentials by reference."),
                        KeyShape(
                            name: "rate_limit", shape: rateLimit(by: false),
                            meaning: "Its rate."),
                        KeyShape(
                            name: "variables",
                            shape: .table(
                                TableShape(
                                    what: "variable", key: .any, value: .text(.any), min: 0)),
                            meaning: "Values for templates."),
                    ]))))
}
