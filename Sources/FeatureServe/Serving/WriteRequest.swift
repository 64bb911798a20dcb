/// Rows that a client writes, as tokens of its body.
///
/// - Source: `POST /push` and `POST /write-to-online-store`: a push source or a feature view by name, and `df`, a
///   list of values for each column (or a map from row to value, as pandas writes by default).
struct WriteRequest {
    /// Where pushed rows go.
    enum Target: String {
        case online, offline
        case onlineAndOffline = "online_and_offline"
    }

    struct DataColumn {
        let name: String
        let first: Int
        let count: Int
    }

    private(set) var source: String?
    private(set) var view: String?
    private(set) var target = Target.online
    /// What `to` was, where it is none of the three.
    private(set) var unknownTarget: String?
    private(set) var columns: [DataColumn] = []
    private(set) var values: [JSONToken] = []
    private(set) var hasData = false

    /// Reads `scanner`'s document; unknown members are checked and ignored.
    init(_ scanner: inout JSONScanner) throws(JSONFault) {
        try scanner.object { (name, scanner) throws(JSONFault) in
            switch scanner.text(name) {
            case "push_source_name": source = try text(&scanner)
            case "feature_view_name": view = try text(&scanner)
            case "to":
                let name = try text(&scanner)
                unknownTarget = Target(rawValue: name) == nil ? name : nil
                target = Target(rawValue: name) ?? .online
            case "df": try readData(&scanner)
            default: _ = try scanner.value()
            }
        }
        if scanner.peek() != 0 || scanner.at < scanner.count {
            throw scanner.fault("something after the document")
        }
    }

    private func text(_ scanner: inout JSONScanner) throws(JSONFault) -> String {
        guard scanner.peek() == 0x22 else { throw scanner.fault("expected a string") }
        return scanner.text(try scanner.value())
    }

    private mutating func readData(_ scanner: inout JSONScanner) throws(JSONFault) {
        hasData = true
        columns.removeAll()
        values.removeAll()
        try scanner.object { (name, scanner) throws(JSONFault) in
            let first = values.count
            if scanner.peek() == 0x7B {
                try scanner.object { (_, scanner) throws(JSONFault) in
                    values.append(try scanner.value())
                }
            } else {
                guard scanner.peek() == 0x5B else { throw scanner.fault("expected a list") }
                try scanner.array { (scanner) throws(JSONFault) in
                    values.append(try scanner.value())
                }
            }
            columns.append(
                DataColumn(
                    name: scanner.text(name), first: first, count: values.count - first))
        }
    }

    /// The column called `name`; of two the last.
    func column(_ name: String) -> DataColumn? { columns.last { $0.name == name } }
}
