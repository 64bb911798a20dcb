import Connectors
import StreamRuntime

/// Opens what streams are read from.
struct SourceFactory {
    private let plan: JobPlan
    private let isBounded: Bool
    private let share: ShareContext?
    private let growth: KafkaGrowth?

    /// A factory for the sources of `plan`; bounded ones end at what is there when they are opened. With
    /// `share` they have that share's partitions. Topics that get more partitions are told to `growth`.
    init(
        plan: JobPlan, isBounded: Bool, share: ShareContext? = nil, growth: KafkaGrowth? = nil
    ) {
        self.growth = growth
        self.share = share
        self.plan = plan
        self.isBounded = isBounded
    }

    /// The runtime's node of a planned source.
    func node(_ source: PlannedSource) -> JobGraph.SourceNode {
        JobGraph.SourceNode(
            name: source.name, ordinal: Int64(source.ordinal),
            time: TimeRule(
                column: source.timeColumn, outOfOrdernessMicros: source.outOfOrderness.micros,
                idleNanos: source.idle.map { $0.micros * 1000 } ?? .max),
            policy: source.onError,
            open: { () throws(JobFailure) in
                let whole = try self.open(source)
                return self.share?.source(whole) ?? whole
            },
            decoder: { DecoderFactory.decoder(source) })
    }

    private func open(_ source: PlannedSource) throws(JobFailure) -> any RecordSource {
        switch source.location {
        case .topic(let name, let topic):
            let connection = plan.connection(name)!
            switch connection.kind {
            case .embedded(let root):
                return try EmbeddedLog(root: root).source(topic, bounded: isBounded)
            case .kafka(let bootstrap, let properties):
                return try KafkaSource(
                    KafkaConnection(
                        bootstrap: bootstrap, planned: properties, outage: connection.outageLimit),
                    topic: topic, bounded: isBounded, growth: growth)
            case .files, .http, .redis:
                preconditionFailure("the planner refuses topics on such a connection")
            }
        case .files(let path):
            let tellsName = source.fields.contains { $0.from == .header(FileSource.nameHeader) }
            return FileSource(
                path: path, layout: DecoderFactory.layout(source.format), tellsName: tellsName)
        }
    }
}

/// Makes the decoders that planned formats ask for.
enum DecoderFactory {
    /// Where the records of files end.
    static func layout(_ format: PlannedFormat) -> FileLayout {
        switch format.kind {
        case .csv: .csv(dialect(format))
        case .avro: .avro
        case .xml, .x12, .edifact: .whole
        default: .lines
        }
    }

    static func decoder(_ source: PlannedSource) -> any RecordDecoder {
        let fields = DecoderFactory.fields(source.fields)
        switch source.format.kind {
        case .json: return JSONRecordDecoder(fields: fields)
        case .csv: return CSVRecordDecoder(fields: fields, dialect: dialect(source.format))
        case .avro: return AvroRecordDecoder(fields: fields, framing: framing(source))
        case .debezium where source.format.isAvro:
            return AvroDebeziumDecoder(
                fields: fields, framing: framing(source), changelog: source.format.changelog)
        case .debezium:
            let format = source.format
            return DebeziumRecordDecoder(
                fields: fields,
                decimals: format.option("decimals").flatMap(DebeziumDecimals.init) ?? .bytes,
                changelog: format.changelog)
        case .protobuf:
            do throws(ProtobufMismatch) {
                return try protobuf(source.format, fields: source.fields)
            } catch { preconditionFailure("the planner has made this decoder before: \(error)") }
        case .raw: return RawRecordDecoder(fields: fields)
        case .xml, .fixedWidth, .x12, .edifact, .canal, .maxwell, .ogg:
            do throws(FormatProblem) {
                return try exchanged(source.format, fields: source.fields)
            } catch {
                preconditionFailure("the planner has made this decoder before: \(error.reason)")
            }
        }
    }

    /// A decoder of what businesses and databases exchange besides the formats above.
    ///
    /// - Throws: why the format cannot read a field as declared.
    static func exchanged(
        _ format: PlannedFormat, fields planned: [PlannedField]
    ) throws(FormatProblem) -> any RecordDecoder {
        let fields = DecoderFactory.fields(planned)
        switch format.kind {
        case .xml: return try XMLRecordDecoder(fields: fields, record: format.option("record"))
        case .x12, .edifact:
            return try SegmentRecordDecoder(
                fields: fields,
                layout: .init(
                    format.kind == .x12 ? .x12 : .edifact, record: format.option("record") ?? "",
                    group: format.option("group"), message: format.option("message")))
        case .fixedWidth:
            let layout = try fixedLayout(format)
            for field in fields where field.from == .value {
                let name = field.path.joined(separator: ".")
                if !layout.columns.contains(where: { $0.name == name }) {
                    throw FormatProblem(
                        field: field.name, reason: "the lines have no column \"\(name)\"")
                }
            }
            return FixedWidthRecordDecoder(fields: fields, layout: layout)
        default:
            guard let style = ChangeStyle(rawValue: format.kind.rawValue) else {
                preconditionFailure("\(format.kind) has a decoder of its own")
            }
            return ChangeRecordDecoder(
                fields: fields, style: style, changelog: format.changelog)
        }
    }

    private static func fixedLayout(
        _ format: PlannedFormat
    ) throws(FormatProblem) -> FixedWidthLayout {
        let columns = format.options.compactMap { option -> FixedWidthLayout.Column? in
            guard option.name.hasPrefix("columns.") else { return nil }
            let parts = option.value.split(separator: "/")
            return FixedWidthLayout.Column(
                String(option.name.dropFirst(8)), at: parts.first.map(String.init) ?? "",
                decimals: parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        }
        guard
            let layout = FixedWidthLayout(
                columns: columns,
                encoding: format.option("encoding").flatMap { .init(rawValue: $0) } ?? .utf8,
                record: format.option("record"))
        else {
            throw FormatProblem(
                field: "", reason: "a record is chosen by the text at its positions, such as 1-2=10"
            )
        }
        return layout
    }

    static func fields(_ fields: [PlannedField]) -> [RecordField] {
        fields.map { field in
            RecordField(
                field.name, field.type, members: field.path, from: origin(field.from),
                isRequired: field.isRequired, unit: unit(field.unit),
                zone: field.zone.flatMap(LocalZone.named))
        }
    }

    /// A decoder of messages that the format's descriptor file describes.
    ///
    /// - Throws: when the file does not describe the message or a field as declared.
    static func protobuf(
        _ format: PlannedFormat, fields: [PlannedField]
    ) throws(ProtobufMismatch) -> ProtobufRecordDecoder {
        guard let schema = format.protobuf else {
            preconditionFailure("the planner has read the descriptor file")
        }
        return try ProtobufRecordDecoder(
            fields: DecoderFactory.fields(fields), message: format.option("message") ?? "",
            of: schema,
            framing: format.option("framing").flatMap { .init(rawValue: $0) } ?? .none)
    }

    /// Where the schemas of a source's Avro records are.
    private static func framing(_ source: PlannedSource) -> AvroFraming {
        if case .files = source.location { return .file }
        if let text = source.format.option("schema") {
            guard let schema = try? AvroSchema(json: text) else {
                preconditionFailure("the planner has read the schema")
            }
            return .plain(schema)
        }
        guard let registry = source.registry else {
            preconditionFailure("the planner asks for a registry")
        }
        return .registry(SchemaRegistry(registry.settings))
    }

    static func dialect(_ format: PlannedFormat) -> CSVDialect {
        CSVDialect(
            delimiter: format.option("delimiter")?.first ?? ",",
            quote: format.option("quote")?.first ?? "\"",
            escape: format.option("escape")?.first,
            header: format.option("header").map(header) ?? .firstLine,
            nullText: format.option("null") ?? "",
            encoding: format.option("encoding").flatMap { .init(rawValue: $0) } ?? .utf8)
    }

    /// `true`, or the names with commas between them.
    private static func header(_ text: String) -> CSVDialect.Header {
        text == "true"
            ? .firstLine : .names(text.split(separator: ",").map { String($0).trimmed })
    }

    private static func origin(_ origin: PlannedField.Origin) -> RecordField.Origin {
        switch origin {
        case .value: .value
        case .key: .key
        case .timestamp: .timestamp
        case .offset: .offset
        case .partition: .partition
        case .header(let name): .header(name)
        }
    }

    private static func unit(_ unit: PlannedField.TimeUnit?) -> TimeUnit {
        switch unit {
        case nil: .automatic
        case .iso: .iso
        case .s: .seconds
        case .ms: .milliseconds
        case .us: .microseconds
        case .ns: .nanoseconds
        case .days: .days
        case .basic: .basic
        }
    }
}

extension String {
    /// Without spaces at either end.
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

extension KafkaConnection {
    /// The connection that a pipelines file describes.
    ///
    /// - Parameter outage: how long all brokers may be gone; nil for the usual time.
    init(
        bootstrap: String, planned properties: [PlannedConnection.Property],
        outage: Duration? = nil
    ) {
        self.init(
            bootstrap: bootstrap,
            properties: Dictionary(properties.map { ($0.name, $0.value) }) { $1 })
        guard let outage else { return }
        outageMillis = Int(outage.micros / 1000)
        // No request is worth a longer wait than the outage it would find out about.
        requestMillis = min(requestMillis, max(outageMillis, 1000))
    }
}
