import Connectors

/// What is read, and from where.
extension Catalog {
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
}
