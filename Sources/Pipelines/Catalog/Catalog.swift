import Connectors

/// The whole file format, part by part.
enum Catalog {
    static let file = Shape.mapping(
        MappingShape(
            what: "file",
            keys: [
                KeyShape(
                    name: "version", shape: .text(.integer(1...1)), isRequired: true,
                    missing: .version, meaning: "The version of the file format: 1."),
                KeyShape(
                    name: "include", shape: .list(of: .text(.place), min: 1),
                    meaning:
                        "More files, relative to this one: what they declare belongs to the job as if it stood here."
                ),
                KeyShape(name: "job", shape: job, meaning: "How the job as a whole runs."),
                KeyShape(
                    name: "connections", shape: connections,
                    meaning: "The places topics and files are in, by name."),
                KeyShape(
                    name: "streams", shape: streams,
                    meaning: "What is read, by name."),
                KeyShape(
                    name: "pipelines", shape: pipelines,
                    meaning: "What happens to rows, by name."),
                KeyShape(
                    name: "online", shape: online,
                    meaning: "Where features are kept besides the job's own disk."),
                KeyShape(name: "entities", shape: entities, meaning: "What features are about."),
                KeyShape(
                    name: "feature_views", shape: featureViews,
                    meaning: "Features kept for lookups, by name."),
                KeyShape(
                    name: "push_sources", shape: pushSources,
                    meaning: "Names under which rows are pushed into views."),
                KeyShape(
                    name: "on_demand", shape: onDemand,
                    meaning: "Features computed at lookup, by name."),
                KeyShape(
                    name: "services", shape: services,
                    meaning:
                        "Named sets of features; an entry is VIEW, VIEW:FEATURE or VIEW: [FEATURE, …]."
                ),
                KeyShape(
                    name: "tests", shape: tests,
                    meaning: "What `millrace test` checks of the pipelines."),
            ], needsOne: ["pipelines", "feature_views", "on_demand", "include"]))

    /// The keys that only the file given to a command may have.
    static let entryOnly = ["version", "include", "job", "online"]

    /// A file that another one includes.
    static var includedFile: Shape {
        guard case .mapping(var shape) = file else { return file }
        shape = MappingShape(
            what: "file", keys: shape.keys.filter { !entryOnly.contains($0.name) })
        return .mapping(shape)
    }

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

    static let connections = Shape.table(
        TableShape(
            what: "connection", key: .name,
            value: .mapping(
                MappingShape(
                    what: "connection",
                    keys: [
                        KeyShape(
                            name: "embedded", shape: .text(.place),
                            meaning: "Topics of the embedded log, under this directory."),
                        KeyShape(
                            name: "files", shape: .text(.place),
                            meaning: "Files under this directory."),
                        KeyShape(
                            name: "kafka",
                            shape: .mapping(
                                MappingShape(
                                    what: "kafka connection",
                                    keys: [
                                        KeyShape(
                                            name: "bootstrap", shape: .text(.place),
                                            isRequired: true,
                                            meaning: "Brokers to begin with: HOST:PORT,…"),
                                        KeyShape(
                                            name: "properties",
                                            shape: .table(
                                                TableShape(
                                                    what: "property", key: .any,
                                                    value: .text(.any), min: 0)),
                                            meaning: "Client properties, passed on as they are."),
                                        KeyShape(
                                            name: "outage_limit", shape: .text(.duration),
                                            meaning:
                                                "How long all brokers may be gone before the job stops; 5m when not given."
                                        ),
                                        KeyShape(
                                            name: "registry", shape: registry,
                                            meaning:
                                                "The registry of its records' Avro schemas (Confluent's API)."
                                        ),
                                    ])),
                            meaning: "A Kafka cluster."),
                        KeyShape(name: "http", shape: http, meaning: "An HTTP service."),
                        KeyShape(
                            name: "redis", shape: .text(.place),
                            meaning:
                                "A Redis or Valkey server for lookups, redis://HOST:PORT, or redis+cluster://HOST:PORT,…"
                        ),
                    ], oneOf: [["embedded", "files", "kafka", "http", "redis"]]))))

    static let onError = Shape.either([
        .text(.words(["fail", "drop"])),
        .mapping(
            MappingShape(
                what: "on_error",
                keys: [
                    KeyShape(
                        name: "dead_letter", shape: .text(.topic), isRequired: true,
                        meaning: "The topic that tells of them.")
                ])),
    ])

    static let columns = Shape.either([.text(.name), .list(of: .text(.name), min: 1)])

    static let streams = Shape.table(
        TableShape(
            what: "stream", key: .name,
            value: .mapping(
                MappingShape(
                    what: "stream",
                    keys: [
                        KeyShape(
                            name: "from",
                            shape: .mapping(
                                MappingShape(
                                    what: "from",
                                    keys: [
                                        KeyShape(
                                            name: "topic", shape: .text(.topic),
                                            meaning: "The topic to read."),
                                        KeyShape(
                                            name: "key", shape: columns, with: ["topic"],
                                            meaning:
                                                "Fields that make the record key, by which its producers choose the partition."
                                        ),
                                        KeyShape(
                                            name: "files", shape: .text(.place),
                                            meaning: "A file, a directory or a pattern with *."),
                                        KeyShape(
                                            name: "watch", shape: watch, with: ["files"],
                                            meaning:
                                                "Files that are put there while the job runs are taken, too."
                                        ),
                                        KeyShape(
                                            name: "poll", shape: poll,
                                            meaning:
                                                "An HTTP service that is asked now and then."),
                                        KeyShape(
                                            name: "connection", shape: .text(.name),
                                            meaning: "The connection it is on."),
                                    ], oneOf: [["topic", "files", "poll"]])),
                            isRequired: true, meaning: "Where the records are."),
                        KeyShape(
                            name: "format", shape: Formats.shape, isRequired: true,
                            meaning: "How a record is read."),
                        KeyShape(
                            name: "fields", shape: fields, isRequired: true,
                            meaning: "The columns: NAME: TYPE, or a mapping."),
                        KeyShape(
                            name: "time",
                            shape: .mapping(
                                MappingShape(
                                    what: "time",
                                    keys: [
                                        KeyShape(
                                            name: "field", shape: .text(.name), isRequired: true,
                                            meaning:
                                                "The event time; a field that is not declared is read as a timestamp."
                                        ),
                                        KeyShape(
                                            name: "out_of_orderness", shape: .text(.duration),
                                            isRequired: true,
                                            meaning:
                                                "How far a record may be behind the newest one."
                                        ),
                                        KeyShape(
                                            name: "idle", shape: .text(.duration),
                                            meaning:
                                                "How long a partition must be read to its end to no longer hold time back."
                                        ),
                                    ])),
                            isRequired: true, meaning: "When a record happened."),
                        KeyShape(
                            name: "on_error", shape: onError, isRequired: true,
                            missing: .undeclaredPolicy,
                            meaning: "What becomes of records that cannot be read."),
                        KeyShape(
                            name: "ingest", shape: ingest,
                            meaning: "How requests to /ingest/STREAM bring its records."),
                    ]))))

    static let fields = Shape.table(
        TableShape(
            what: "field", key: .name,
            value: .either([
                .text(.type),
                .mapping(
                    MappingShape(
                        what: "field",
                        keys: [
                            KeyShape(
                                name: "type", shape: .text(.type), isRequired: true,
                                meaning: "The column's type."),
                            KeyShape(
                                name: "path", shape: .text(.any),
                                meaning:
                                    "Where in the record it is: a.b.c, the CSV column, or as the format has it."
                            ),
                            KeyShape(
                                name: "required", shape: .text(.boolean),
                                meaning: "Whether a record without it is an error; false otherwise."
                            ),
                            KeyShape(
                                name: "unit",
                                shape: .text(
                                    .words(PlannedField.TimeUnit.allCases.map(\.rawValue))),
                                meaning: "How a timestamp is written."),
                            KeyShape(
                                name: "zone", shape: .text(.any),
                                meaning:
                                    "The time zone of times that are written without one, such as Europe/Berlin; UTC when not given."
                            ),
                            KeyShape(
                                name: "from", shape: .text(.fieldOrigin),
                                meaning: "A part of the record other than its value."),
                        ])),
            ])))

    static let topicTarget = MappingShape(
        what: "output",
        keys: [
            KeyShape(
                name: "topic", shape: .text(.topic), isRequired: true,
                meaning: "The topic to write."),
            KeyShape(name: "key", shape: columns, meaning: "Columns of the record key."),
            KeyShape(name: "connection", shape: .text(.name), meaning: "The connection it is on."),
        ])

    static let target = Shape.mapping(
        MappingShape(
            what: "output",
            keys: [
                KeyShape(
                    name: "topic", shape: .text(.topic),
                    meaning: "The topic to write; one record a row."),
                KeyShape(
                    name: "key", shape: columns, with: ["topic", "table", "blackhole"],
                    meaning:
                        "Columns of the record key; rows of one key keep their order. Of a table, a row replaces the one of its key."
                ),
                KeyShape(
                    name: "partitions", shape: .text(.integer(1...1024)), with: ["topic"],
                    meaning: "Partitions, when the topic has to be made."),
                KeyShape(
                    name: "files", shape: .either([.text(.place), files]),
                    meaning:
                        "The directory to write files to; {COLUMN} and {day}, {hour} … in it make directories by row."
                ),
                KeyShape(
                    name: "table", shape: .text(.place),
                    meaning:
                        "One file with the rows that are there when the input has ended, sorted."),
                KeyShape(
                    name: "blackhole", shape: .text(.words(["count", "checksum"])),
                    meaning:
                        "Nowhere: rows are only counted, or also summed up by hash, and told when the run ends."
                ),
                KeyShape(
                    name: "changes", shape: .text(.words(ChangeForm.allCases.map(\.rawValue))),
                    with: ["topic", "files"],
                    meaning:
                        "How rows that change are written: upsert (newest of a key, tombstones), debezium (before, after, op), changelog (each with a column op)."
                ),
                KeyShape(
                    name: "format", shape: Formats.target,
                    meaning:
                        "The format of the records: json, avro or protobuf in a topic, json or csv in files and tables; json when not given."
                ),
                KeyShape(
                    name: "connection", shape: .text(.name), meaning: "The connection it is on."),
                KeyShape(
                    name: "delivery", shape: .text(.words(["exactly_once", "at_least_once"])),
                    meaning: "What a restart may do; exactly_once wherever it is possible."),
                KeyShape(
                    name: "on_error", shape: .text(.words(["fail", "drop"])), with: ["topic"],
                    meaning:
                        "What becomes of rows whose records are too large; fail when not given."),
                KeyShape(
                    name: "call", shape: call,
                    meaning: "An HTTP request per row, once its checkpoint is whole."),
            ], oneOf: [["topic", "files", "table", "blackhole", "call"]]))

    /// A directory with settings of its own.
    static let files = Shape.mapping(
        MappingShape(
            what: "files",
            keys: [
                KeyShape(
                    name: "path", shape: .text(.place), isRequired: true,
                    meaning:
                        "The directory; {COLUMN} and {year}, {month}, {day}, {hour}, {minute} of the event time in UTC make directories by row."
                ),
                KeyShape(
                    name: "partition_by", shape: columns,
                    meaning:
                        "Columns that make directories NAME=VALUE below the path and are left out of the files."
                ),
                KeyShape(
                    name: "format", shape: .text(.words(["json", "csv"])),
                    meaning: "As format beside files."),
                KeyShape(
                    name: "roll",
                    shape: .mapping(
                        MappingShape(
                            what: "roll",
                            keys: [
                                KeyShape(
                                    name: "size", shape: .text(.size),
                                    meaning: "As soon as it has this size."),
                                KeyShape(
                                    name: "every", shape: .text(.duration),
                                    meaning: "When event time comes to the next multiple of it."),
                            ], needsOne: ["size", "every"])),
                    meaning:
                        "When a file is complete; with each checkpoint when not given."),
            ]))

    static let pipelines = Shape.table(
        TableShape(
            what: "pipeline", key: .name,
            value: .mapping(
                MappingShape(
                    what: "pipeline",
                    keys: [
                        KeyShape(
                            name: "from",
                            shape: .either([
                                .text(.reference), .list(of: .text(.reference), min: 1),
                            ]), isRequired: true,
                            meaning:
                                "Streams or pipelines; several are put together by column name."),
                        KeyShape(
                            name: "steps", shape: .list(of: .step, min: 0),
                            meaning: "What happens to the rows, in order."),
                        KeyShape(
                            name: "to", shape: .either([target, .list(of: target, min: 1)]),
                            meaning: "Where the rows go."),
                        KeyShape(
                            name: "on_error", shape: onError,
                            meaning:
                                "What becomes of rows a step fails on; that of its streams otherwise."
                        ),
                    ]))))
}
