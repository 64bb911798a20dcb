extension Catalog {
    /// What a stream may say of requests that bring its records.
    static let ingest = Shape.mapping(
        MappingShape(
            what: "ingest",
            keys: [
                KeyShape(
                    name: "signature", shape: signature,
                    meaning:
                        "How senders show who they are; without it a key of job.serve with the right says so."
                ),
                KeyShape(
                    name: "id", shape: .text(.any),
                    meaning:
                        "What tells a request that is sent again: header:NAME, a path of the JSON, or body for the body's hash."
                ),
                KeyShape(
                    name: "key", shape: .text(.any),
                    meaning: "The record key: a path of each record's JSON, or header:NAME."),
                KeyShape(
                    name: "split", shape: .text(.any),
                    meaning:
                        "What of a body is a record: none (all of it), lines, or the path of a JSON array ($ for the whole); none when not given."
                ),
                KeyShape(
                    name: "unwrap", shape: .text(.any),
                    meaning: "What the body is wrapped in: form:FIELD."),
                KeyShape(
                    name: "headers", shape: .either([.text(.any), .list(of: .text(.any), min: 1)]),
                    meaning: "Header fields of the request that go with each record."),
                KeyShape(
                    name: "validate", shape: .text(.boolean),
                    meaning:
                        "Whether records are read before they are taken, and the answer tells of those that cannot be; false otherwise."
                ),
                KeyShape(
                    name: "max_body", shape: .text(.size),
                    meaning: "The largest body; 8MiB when not given, 64MiB at most."),
                KeyShape(
                    name: "remember", shape: .text(.duration),
                    meaning: "How long an id is known; 1h when not given."),
                KeyShape(
                    name: "partitions", shape: .text(.integer(1...256)),
                    meaning: "Partitions of the topic, when it has to be made; 4 when not given."),
            ]))

    private static func secret(_ name: String, _ meaning: String) -> KeyShape {
        KeyShape(name: name, shape: .text(.any), isRequired: true, meaning: meaning)
    }

    private static let signature = Shape.mapping(
        MappingShape(
            what: "signature",
            keys: [
                KeyShape(
                    name: "square",
                    shape: .mapping(
                        MappingShape(
                            what: "square",
                            keys: [
                                secret("key", "The subscription's signature key, by reference."),
                                KeyShape(
                                    name: "url", shape: .text(.place), isRequired: true,
                                    meaning: "The notification address, as Square was given it."),
                            ])),
                    meaning: "Square's: HMAC-SHA256 over the address and the body."),
                KeyShape(
                    name: "shopify",
                    shape: .mapping(
                        MappingShape(
                            what: "shopify",
                            keys: [secret("secret", "The app's client secret, by reference.")])),
                    meaning: "Shopify's: HMAC-SHA256 over the body."),
                KeyShape(
                    name: "ncr",
                    shape: .mapping(
                        MappingShape(
                            what: "ncr",
                            keys: [
                                KeyShape(
                                    name: "key", shape: .text(.any), isRequired: true,
                                    meaning: "The shared key, which the sender names."),
                                secret("secret", "The secret key, by reference."),
                                KeyShape(
                                    name: "within", shape: .text(.duration),
                                    meaning:
                                        "How old, or how far ahead, its date may be; 5m when not given."
                                ),
                            ])),
                    meaning: "NCR's: HMAC-SHA512 over method, path, content type and nep fields."),
                KeyShape(
                    name: "token",
                    shape: .mapping(
                        MappingShape(
                            what: "token",
                            keys: [
                                KeyShape(
                                    name: "header", shape: .text(.any), isRequired: true,
                                    meaning: "The header field."),
                                secret("value", "Its value, by reference."),
                            ])),
                    meaning: "A header field with a fixed value, as Clover sends."),
                KeyShape(
                    name: "hmac",
                    shape: .mapping(
                        MappingShape(
                            what: "hmac",
                            keys: [
                                KeyShape(
                                    name: "header", shape: .text(.any), isRequired: true,
                                    meaning: "The header field that carries it."),
                                KeyShape(
                                    name: "prefix", shape: .text(.any),
                                    meaning: "What stands before it there, such as sha256=."),
                                KeyShape(
                                    name: "algorithm",
                                    shape: .text(.words(["sha1", "sha256", "sha512"])),
                                    meaning: "The hash; sha256 when not given."),
                                KeyShape(
                                    name: "encoding", shape: .text(.words(["base64", "hex"])),
                                    meaning: "How its bytes are written; base64 when not given."),
                                KeyShape(
                                    name: "of",
                                    shape: .either([
                                        .text(.any), .list(of: .text(.any), min: 1),
                                    ]),
                                    meaning:
                                        "What it is made over, in order: url, method, path, body, header:NAME; body when not given."
                                ),
                                KeyShape(
                                    name: "separator", shape: .text(.any),
                                    meaning:
                                        "What stands between two parts; nothing when not given."),
                                KeyShape(
                                    name: "url", shape: .text(.place),
                                    meaning: "The address that the sender was given."),
                                secret("secret", "The secret both sides know, by reference."),
                            ])),
                    meaning: "An HMAC over parts of the request."),
            ], oneOf: [["square", "shopify", "ncr", "token", "hmac"]]))
}
