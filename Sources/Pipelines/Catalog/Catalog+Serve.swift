extension Catalog {
    /// What `job.serve` may say of lanes, keys and TLS.
    static let serveKeys: [KeyShape] = [
        KeyShape(
            name: "grpc",
            shape: .mapping(
                MappingShape(
                    what: "grpc",
                    keys: [
                        KeyShape(
                            name: "port", shape: .text(.integer(0...65535)), isRequired: true,
                            meaning: "Port to listen on; 0 for any.")
                    ])),
            meaning: "Feast's gRPC services, on the same host."),
        KeyShape(
            name: "keys",
            shape: .list(
                of: .mapping(
                    MappingShape(
                        what: "key",
                        keys: [
                            KeyShape(
                                name: "name", shape: .text(.any), isRequired: true,
                                meaning: "Who presents it."),
                            KeyShape(
                                name: "hash", shape: .text(.any),
                                meaning:
                                    "The SHA-256 of its secret, as `millrace keys new` prints it."),
                            KeyShape(
                                name: "hash_file", shape: .text(.place),
                                meaning: "A file that holds the hash, instead of hash."),
                            KeyShape(
                                name: "views",
                                shape: .mapping(
                                    MappingShape(
                                        what: "views",
                                        keys: [
                                            KeyShape(
                                                name: "read", shape: viewNames,
                                                meaning: "Views it may read; \"*\" for all."),
                                            KeyShape(
                                                name: "write", shape: viewNames,
                                                meaning: "Views it may write; \"*\" for all."),
                                        ])),
                                meaning: "What it may; nothing when not given."),
                            KeyShape(
                                name: "ingest", shape: viewNames,
                                meaning: "Streams it may bring records for; \"*\" for all."),
                            KeyShape(
                                name: "admin", shape: .text(.boolean),
                                meaning:
                                    "Whether it may read /metrics and /registry; false when not given."
                            ),
                            KeyShape(
                                name: "rate", shape: .text(.any),
                                meaning: "Requests it may make in a second, such as 1000/s."),
                        ], oneOf: [["hash", "hash_file"]])), min: 1),
            meaning:
                "Keys that clients present; with the first one nobody may do anything without."),
        KeyShape(
            name: "tls",
            shape: .mapping(
                MappingShape(
                    what: "tls",
                    keys: [
                        KeyShape(
                            name: "certificate", shape: .text(.place), isRequired: true,
                            meaning: "The server's certificate and those above it (PEM)."),
                        KeyShape(
                            name: "key", shape: .text(.place), isRequired: true,
                            meaning: "Its private key (PEM)."),
                        KeyShape(
                            name: "client_ca", shape: .text(.place),
                            meaning:
                                "Who signs the certificates that clients must then present (PEM)."),
                    ])),
            meaning: "Every lane speaks TLS 1.2 or 1.3 only."),
        KeyShape(
            name: "max_request", shape: .text(.size),
            meaning: "The largest request; 8MiB when not given."),
    ]

    private static let viewNames = Shape.either([
        .text(.any), .list(of: .text(.any), min: 0),
    ])
}
