import Connectors

/// What a file says about the job as a whole, and where it keeps things.
extension Catalog {
    static let job = Shape.mapping(
        MappingShape(
            what: "job",
            keys: [
                KeyShape(
                    name: "name", shape: .text(.name),
                    meaning: "The job's name; the file's name when not given."),
                KeyShape(
                    name: "state", shape: .text(.place),
                    meaning: "Directory of state and checkpoints; ./data/state when not given."),
                KeyShape(
                    name: "memory", shape: .text(.size),
                    meaning: "Budget for state in memory, caches and queues."),
                KeyShape(
                    name: "workers", shape: .text(.integer(1...1024)),
                    meaning: "Worker threads; one per core when not given."),
                KeyShape(
                    name: "shares", shape: .text(.integer(1...1024)),
                    meaning:
                        "Parts the job is cut into, for several processes on Kafka; fixed for the life of the state."
                ),
                KeyShape(
                    name: "checkpoints",
                    shape: .mapping(
                        MappingShape(
                            what: "checkpoints",
                            keys: [
                                KeyShape(
                                    name: "every", shape: .text(.duration),
                                    meaning: "Time between two checkpoints; 10s when not given."),
                                KeyShape(
                                    name: "keep", shape: .text(.integer(1...1000)),
                                    meaning: "How many are kept; 3 when not given."),
                                KeyShape(
                                    name: "store", shape: store,
                                    meaning:
                                        "Where other machines find them too: a shared directory or an S3 bucket."
                                ),
                            ])),
                    meaning: "When the job's state is made durable."),
                KeyShape(
                    name: "feature_log", shape: featureLog,
                    meaning: "Where every version of every feature is kept, for training sets."),
                KeyShape(
                    name: "restart",
                    shape: .mapping(
                        MappingShape(
                            what: "restart",
                            keys: [
                                KeyShape(
                                    name: "attempts", shape: .text(.integer(0...1_000_000)),
                                    meaning:
                                        "How often within that time; 10 when not given, 0 for never."
                                ),
                                KeyShape(
                                    name: "within", shape: .text(.duration),
                                    meaning:
                                        "The time in which failures are counted; 10m when not given."
                                ),
                            ])),
                    meaning:
                        "How often the job goes on from its last checkpoint in its process after a failure."
                ),
                KeyShape(
                    name: "serve",
                    shape: .mapping(
                        MappingShape(
                            what: "serve",
                            keys: [
                                KeyShape(
                                    name: "host", shape: .text(.place),
                                    meaning: "Address to listen on; 127.0.0.1 when not given."),
                                KeyShape(
                                    name: "port", shape: .text(.integer(0...65535)),
                                    meaning: "Port to listen on; 6566 when not given, 0 for any."),
                                KeyShape(
                                    name: "compat", shape: .text(.words(["python", "go", "java"])),
                                    meaning:
                                        "Feast's server whose answers are given where they differ from the protocol."
                                ),
                                KeyShape(
                                    name: "resp", shape: resp,
                                    meaning:
                                        "Also in the protocol of Redis, as a Redis online store of Feast's."
                                ),
                                KeyShape(
                                    name: "log", shape: servedLog,
                                    meaning:
                                        "A sample of what lookups give, for millrace audit."),
                            ] + serveKeys)),
                    meaning: "Where features are served."),
            ]))

    /// Where features are kept for others.
    static let online = Shape.mapping(
        MappingShape(
            what: "online",
            keys: [
                KeyShape(
                    name: "redis", shape: .text(.any), isRequired: true,
                    meaning:
                        "A Redis or Valkey server, redis://HOST:PORT, or redis+cluster://HOST:PORT,…; in Feast's layout."
                ),
                KeyShape(
                    name: "project", shape: .text(.any),
                    meaning: "The Feast project of the keys; the job's name when not given."),
            ]))

    /// How features are served in the protocol of Redis.
    static let resp = Shape.mapping(
        MappingShape(
            what: "resp",
            keys: [
                KeyShape(
                    name: "port", shape: .text(.integer(0...65535)), isRequired: true,
                    meaning: "Port to listen on, 0 for any; Redis's own is 6379."),
                KeyShape(
                    name: "project", shape: .text(.any),
                    meaning: "The Feast project of its clients; the job's name when not given."),
                KeyShape(
                    name: "password", shape: .text(.any),
                    meaning: "What clients have to say first, by reference."),
            ]))

    /// How much of what lookups give is logged.
    static let servedLog = Shape.mapping(
        MappingShape(
            what: "log",
            keys: [
                KeyShape(
                    name: "sample", shape: .text(.any), isRequired: true,
                    meaning: "The share of entities whose lookups are logged, such as 1%."),
                KeyShape(
                    name: "by", shape: .text(.words(["key"])),
                    meaning: "What is in the sample or not: entities by their key."),
                KeyShape(
                    name: "topic", shape: .text(.topic),
                    meaning: "The topic, beside those of feature_log; _served when not given."),
            ]))

    /// Where versions of features are kept.
    static let featureLog = Shape.either([
        .text(.words(["none"])),
        .mapping(
            MappingShape(
                what: "feature_log",
                keys: [
                    KeyShape(
                        name: "connection", shape: .text(.name),
                        meaning:
                            "The connection its topics are on; the state directory when not given."),
                    KeyShape(
                        name: "keep", shape: .text(.duration),
                        meaning: "How long versions are kept, in event time; 30d when not given."),
                    KeyShape(
                        name: "partitions", shape: .text(.integer(1...256)),
                        meaning:
                            "Partitions of a view's topic, which cannot change; when not given those it has, 4 of a new one."
                    ),
                    KeyShape(
                        name: "views",
                        shape: .table(
                            TableShape(
                                what: "feature view", key: .name, value: .text(.duration), min: 0)),
                        meaning: "Views whose versions are kept for another time."),
                    KeyShape(
                        name: "without", shape: columns,
                        meaning: "Views whose versions are not kept."),
                ])),
    ])

    /// Where checkpoints are kept for other machines.
    static let store = Shape.either([
        .text(.place),
        .mapping(
            MappingShape(
                what: "store",
                keys: [
                    KeyShape(
                        name: "s3", shape: .text(.place), isRequired: true,
                        meaning: "The bucket and what names in it begin with: s3://BUCKET/PREFIX."),
                    KeyShape(
                        name: "endpoint", shape: .text(.place),
                        meaning:
                            "The server, as https://HOST:PORT; AWS_ENDPOINT_URL or AWS's own when not given."
                    ),
                    KeyShape(
                        name: "region", shape: .text(.any),
                        meaning: "The region; AWS_REGION or us-east-1 when not given."),
                    KeyShape(
                        name: "access_key", shape: .text(.any), needs: ["secret_key"],
                        meaning:
                            "The id of the access key, by reference; AWS_ACCESS_KEY_ID when not given."
                    ),
                    KeyShape(
                        name: "secret_key", shape: .text(.any), needs: ["access_key"],
                        meaning: "Its secret, by reference; AWS_SECRET_ACCESS_KEY when not given."),
                    KeyShape(
                        name: "session_token", shape: .text(.any), needs: ["access_key"],
                        meaning: "The token of a temporary key, by reference."),
                    KeyShape(
                        name: "ca_file", shape: .text(.place),
                        meaning:
                            "Certificates to trust (PEM); AWS_CA_BUNDLE or the system's when not given."
                    ),
                ])),
    ])

    /// Where the schemas of records are registered.
    static let registry = Shape.mapping(
        MappingShape(
            what: "registry",
            keys: [
                KeyShape(
                    name: "url", shape: .text(.place), isRequired: true,
                    meaning: "Its address, as https://HOST:PORT."),
                KeyShape(
                    name: "user", shape: .text(.any), needs: ["password"],
                    meaning: "The user, where it asks for one."),
                KeyShape(
                    name: "password", shape: .text(.any), needs: ["user"],
                    meaning: "The user's password, by reference."),
                KeyShape(
                    name: "ca_file", shape: .text(.place),
                    meaning: "Certificates to trust (PEM); the system's when not given."),
                KeyShape(
                    name: "certificate_file", shape: .text(.place), needs: ["key_file"],
                    meaning: "This client's certificate (PEM), where it asks for one."),
                KeyShape(
                    name: "key_file", shape: .text(.place), needs: ["certificate_file"],
                    meaning: "The private key of that certificate (PEM)."),
            ]))
}
