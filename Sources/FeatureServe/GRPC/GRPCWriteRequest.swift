import StreamRuntime

/// One row that a client pushes or writes, as it came.
///
/// - Source: `PushRequest` and `WriteToOnlineStoreRequest` of feast/serving/GrpcServer.proto; a call carries one row, its
///   values either as texts or typed.
struct GRPCWriteRequest: Sendable {
    /// The push source or the feature view.
    private(set) var name = ""
    private(set) var target = WriteRequest.Target.online
    private var texts: [String: [UInt8]] = [:]
    private var typed: [String: [UInt8]] = [:]

    /// Reads the message of a push, or of a write to a view.
    init(
        _ message: UnsafeBufferPointer<UInt8>, kind: WriteQueue.Kind
    ) throws(GRPCProblem) {
        var to = ""
        do throws(FeastProblem) {
            var reader = ProtoReader(message)
            while try reader.next() {
                switch (reader.number, kind) {
                case (1, _): try GRPCWriteRequest.readEntry(reader.body, into: &texts)
                case (2, _): name = String(decoding: reader.body, as: UTF8.self)
                case (5, .push), (4, .view):
                    try GRPCWriteRequest.readEntry(reader.body, into: &typed)
                case (4, .push): to = String(decoding: reader.body, as: UTF8.self)
                default: break
                }
            }
        } catch {
            throw GRPCProblem(error)
        }
        guard texts.isEmpty || typed.isEmpty else {
            throw GRPCProblem(
                .invalidArgument, "Only one of features or typed_features may be set, not both")
        }
        switch to {
        case "", "online": target = .online
        case "offline": target = .offline
        case "online_and_offline": target = .onlineAndOffline
        default:
            throw GRPCProblem(
                .invalidArgument,
                "\(to.prefix(80)) is not a supported push format. Please specify one of these "
                    + "['online', 'offline', 'online_and_offline'].")
        }
    }

    private static func readEntry(
        _ entry: UnsafeBufferPointer<UInt8>, into map: inout [String: [UInt8]]
    ) throws(FeastProblem) {
        var reader = ProtoReader(entry)
        var name = ""
        var value: [UInt8] = []
        while try reader.next() {
            if reader.number == 1 { name = String(decoding: reader.body, as: UTF8.self) }
            if reader.number == 2 { value = Array(reader.body) }
        }
        map[name] = value
    }

    /// The row as a batch of one.
    ///
    /// - Throws: naming what is missing, or the value that is not of its column's type.
    func batch(_ rows: WrittenRows) throws(LookupProblem) -> ColumnBatch? {
        let given = typed.isEmpty ? texts : typed
        if given.isEmpty { return nil }
        let missing = (rows.schema.fields.map(\.name) + [WrittenRows.timeColumn]).filter {
            given[$0] == nil
        }
        guard missing.isEmpty else {
            throw .invalid(
                "the call has no \(missing.joined(separator: ", ")): send the join keys, "
                    + "\(WrittenRows.timeColumn) and every feature of feature view "
                    + "\(rows.view.name) together, with an unset value for one there is not")
        }
        let batch = ColumnBatch(schema: rows.schema, capacity: 1)
        for (index, field) in rows.schema.fields.enumerated() {
            let column = batch.columns[index]
            if typed.isEmpty {
                try append(text: given[field.name]!, field, to: column)
            } else {
                try append(value: given[field.name]!, field, to: column)
            }
            guard index >= rows.keys.count || column.isValid(0) else {
                throw .invalid("join key \(field.name) is null")
            }
        }
        batch.order.append(
            eventTime: try time(given[WrittenRows.timeColumn]!), watermark: .min,
            origin: RowOrder.derived, offset: 0)
        batch.count = 1
        return batch
    }

    private func append(
        value: [UInt8], _ field: Field, to column: Column
    ) throws(LookupProblem) {
        do throws(FeastProblem) {
            try value.lend { bytes throws(FeastProblem) in
                try FeastValue.read(bytes, into: column)
            }
        } catch {
            throw .invalid("\(field.name): \(error.description)")
        }
    }

    /// Reads a text as JSON's reader would read it between quotes; a list as the list it is.
    private func append(text: [UInt8], _ field: Field, to column: Column) throws(LookupProblem) {
        if field.type == .string {
            return text.withUnsafeBufferPointer { column.append($0) }
        }
        var document = text
        switch (field.type, String(decoding: text, as: UTF8.self)) {
        case (.list, _), (.bool, "true"), (.bool, "false"): break
        case (.bool, "True"): document = Array("true".utf8)
        case (.bool, "False"): document = Array("false".utf8)
        default: document = [0x22] + text + [0x22]
        }
        let isRead = document.withUnsafeBufferPointer { bytes -> Bool in
            var scanner = JSONScanner(bytes)
            guard let token = try? scanner.value() else { return false }
            return FeatureValueReader.append(token, of: scanner, type: field.type, to: column)
        }
        guard isRead else {
            throw .invalid(
                "\"\(String(decoding: text.prefix(80), as: UTF8.self))\" is not a value of "
                    + "\(field.name), which is \(field.type)")
        }
    }

    private func time(_ value: [UInt8]) throws(LookupProblem) -> Int64 {
        var micros: Int64?
        if typed.isEmpty {
            micros = value.withUnsafeBufferPointer { TimestampText.micros($0) }
        } else {
            micros = value.withUnsafeBufferPointer { bytes in
                var reader = ProtoReader(bytes)
                guard let hasValue = try? reader.next(), hasValue else { return nil }
                if reader.number == 2 { return TimestampText.micros(reader.body) }
                let column = Column(.timestamp, capacity: 1)
                guard (try? FeastValue.read(bytes, into: column)) != nil, column.isValid(0) else {
                    return nil
                }
                return column.int64s[0]
            }
        }
        guard let micros else {
            throw .invalid(
                "\(WrittenRows.timeColumn) is not a time (a unix timestamp, or ISO 8601; "
                    + "UTC without a zone)")
        }
        return micros
    }
}

extension [UInt8] {
    /// Calls `body` with the bytes.
    fileprivate func lend(
        _ body: (UnsafeBufferPointer<UInt8>) throws(FeastProblem) -> Void
    ) throws(FeastProblem) {
        let result = withUnsafeBufferPointer { bytes in
            Result { () throws(FeastProblem) in try body(bytes) }
        }
        try result.get()
    }
}
