extension Catalog {
    /// An HTTP service as a connection.
    static let http = Shape.mapping(
        MappingShape(
            what: "http connection",
            keys: [
                KeyShape(
                    name: "url", shape: .text(.place), isRequired: true,
                    meaning: "The address that paths are added to, as https://HOST:PORT."),
                KeyShape(
                    name: "headers",
                    shape: .table(
                        TableShape(what: "header", key: .any, value: .text(.any), min: 0)),
                    meaning: "Headers of every request; secrets by reference."),
                KeyShape(
                    name: "timeout", shape: .text(.duration),
                    meaning: "The longest a request may take; 30s when not given."),
                KeyShape(
                    name: "connect_timeout", shape: .text(.duration),
                    meaning: "The longest wait for a connection; 5s when not given."),
                KeyShape(
                    name: "user", shape: .text(.any), needs: ["password"],
                    meaning: "The user of basic authentication."),
                KeyShape(
                    name: "password", shape: .text(.any), needs: ["user"],
                    meaning: "The user's password, by reference."),
                KeyShape(
                    name: "ca_file", shape: .text(.place),
                    meaning: "Certificates to trust (PEM); the system's when not given."),
                KeyShape(
                    name: "certificate_file", shape: .text(.place), needs: ["key_file"],
                    meaning: "This client's certificate (PEM), where the service asks for one."),
                KeyShape(
                    name: "key_file", shape: .text(.place), needs: ["certificate_file"],
                    meaning: "The private key of that certificate (PEM)."),
            ]))
}
