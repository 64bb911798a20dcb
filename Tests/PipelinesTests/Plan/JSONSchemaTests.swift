import Testing

@testable import Pipelines

@Suite struct JSONSchemaTests {
    /// The codes that are about form; what the others tell of no schema can state.
    private static let form: Set<DiagnosticCode> = [
        .version, .unknownKey, .missingKey, .wrongKind, .badValue, .badDuration, .badSize, .notYet,
        .severalVerbs, .unknownVerb, .badName, .conflictingKeys, .undeclaredPolicy,
    ]

    @Test func `the published schema is the one the catalogue makes`() throws {
        try expectDocument("docs/pipelines.schema.json", is: JSONSchema.document.text)
    }

    @Test func `the schema of included files names the parts of the published one`() throws {
        try expectDocument(
            "docs/included.schema.json", is: JSONSchema.includedDocument.text)
    }

    @Test func `the schema accepts and rejects what the reader does`() {
        let schema = SchemaValidator(schema: JSONSchema.document.text)
        var cases = ErrorExample.all.map(\.text)
        cases += [ErrorExample.base]
        for (right, wrong) in JSONSchemaTests.changes {
            let text = ErrorExample.base.replacing(right, with: wrong, maxReplacements: 1)
            #expect(text != ErrorExample.base, "\(right)")
            cases.append(text)
        }
        var accepted = 0
        for text in cases {
            let file = planned(text)
            guard let root = file.root,
                !file.problems.contains(where: { $0.code == .repeatedKey || $0.code == .anchor })
            else { continue }
            let wrong = file.problems.filter { JSONSchemaTests.form.contains($0.code) }
            #expect(
                schema.accepts(root) == wrong.isEmpty,
                "the reader says \(wrong.map(\.message)) of \(text)")
            accepted += wrong.isEmpty ? 1 : 0
        }
        #expect(accepted > 10 && cases.count - accepted > 40)
    }

    /// Places of the base file and what to put there.
    private static let changes: [(String, String)] = [
        ("version: 1\n", ""), ("version: 1\n", "version: \"1\"\n"),
        ("version: 1\n", "version: 1.0\n"),
        ("version: 1\n", "version: 1\njob: {workers: 0}\n"),
        ("version: 1\n", "version: 1\njob: {workers: 2, memory: 1GiB, checkpoints: {every: 5s}}\n"),
        ("version: 1\n", "version: 1\njob: {workers: many}\n"),
        ("version: 1\n", "version: 1\njob:\n"),
        ("version: 1\n", "version: 1\njob: []\n"),
        ("version: 1\n", "version: 1\njob: {name: 3d}\n"),
        ("version: 1\n", "version: 1\njob: {memory: 5}\n"),
        ("version: 1\n", "version: 1\njob: {serve: {port: 70000}}\n"),
        ("./topics", "3"), ("./topics", "true"), ("{embedded: ./topics}", "{}"),
        ("{embedded: ./topics}", "{embedded: ./t, files: ./f}"),
        ("{embedded: ./topics}", "./topics"),
        ("{embedded: ./topics}", "{kafka: {properties: {}}}"),
        ("{embedded: ./topics}", "{kafka: {bootstrap: \"b:1\"}}"),
        ("{embedded: ./topics}", "{redis: {}}"), ("local:", "my-local:"), ("local:", "3:"),
        ("topic: orders,", "topic: orders, files: x,"), ("topic: orders,", ""),
        ("format: json", "format: {json: {}}"),
        ("format: json", "format: {json: {strict: true}}"),
        ("format: json", "format: {json: {}, csv: {}}"),
        ("format: json", "format: {csv: {header: [a, b], delimiter: \";\"}}"),
        ("format: json", "format: {csv: {delimeter: \";\"}}"), ("format: json", "format: [json]"),
        ("format: json", "format:"),
        ("order_id: string", "order_id: {type: string, required: true}"),
        ("order_id: string", "order_id: {type: string, required: maybe}"),
        ("order_id: string", "order_id: {path: a.b}"),
        ("order_id: string", "order_id: {type: string, from: key}"),
        ("order_id: string", "order_id: {type: string, from: header:x}"),
        ("order_id: string", "order_id: {type: string, from: body}"),
        ("order_id: string", "order_id: [string]"), ("order_id: string", "order-id: string"),
        ("idle: 30s", "idle: 30"), ("idle: 30s", "idle: 30 s"), ("idle: 30s", "idle: 0.5s"),
        ("field: ts", "field: [ts]"), ("{dead_letter: orders.rejected}", "drop"),
        ("{dead_letter: orders.rejected}", "ignore"), ("{dead_letter: orders.rejected}", "{}"),
        ("{dead_letter: orders.rejected}", "{dead_letter: a b}"),
        ("large:\n    from: orders\n", "large:\n"),
        ("large:\n    from: orders", "large:\n    from: []"),
        ("- filter: amount > 100", "- filter"), ("- filter: amount > 100", "- filter: [a]"),
        ("- filter: amount > 100", "- filter: true"), ("- filter: amount > 100", "- {}"),
        ("- select: {order_id: order_id, sku: line.sku}", "- select: {}"),
        ("- select: {order_id: order_id, sku: line.sku}", "- select: order_id"),
        ("- select: {order_id: order_id, sku: line.sku}", "- select: {n: 1}"),
        ("- filter: amount > 100", "- rebatch: {id: b, by: user_id, size: 0}"),
        (
            "- filter: amount > 100",
            "- rolling: {id: r, by: user_id, over: [1h, x], select: {n: count(*)}}"
        ),
        (
            "- filter: amount > 100",
            "- rolling: {id: r, by: user_id, over: [1h], select: {\"n_{over}\": count(*)}}"
        ),
        ("- filter: amount > 100", "- latest: {id: l, by: user_id, order: ts, stale: keep}"),
        ("- filter: amount > 100", "- deduplicate: {by: user_id, within: 1h}"),
        ("- filter: amount > 100", "- deduplicate: {id: d, by: [], within: 1h}"),
        ("- filter: amount > 100", "- route: []"),
        ("- filter: amount > 100", "- route: [{when: amount > 5, to: {topic: a, partitions: 3}}]"),
        ("- filter: amount > 100", "- route: [{when: amount > 5, to: {topic: a}}]"),
        ("- filter: amount > 100", "- route: [{when: amount > 5}]"), ("by: user_id", "by: []"),
        ("{tumble: 1m}", "none"), ("{tumble: 1m}", "all"), ("{tumble: 1m}", "{}"),
        ("{tumble: 1m}", "{tumble: 1m, every: 1m}"), ("{tumble: 1m}", "{hop: 1h, every: 1m}"),
        ("{tumble: 1m}", "{session: 5m, tumble: 1m}"),
        ("          late: {allow: 10m, then: {topic: orders.late}}\n", ""),
        ("late: {allow: 10m, then: {topic: orders.late}}", "late: drop"),
        ("late: {allow: 10m, then: {topic: orders.late}}", "late: {allow: 10m}"),
        ("to: {topic: items}", "to: [{topic: items}, {files: ./out, format: csv}]"),
        ("to: {topic: items}", "to: {files: ./out, key: sku}"),
        ("to: {topic: items}", "to: {topic: items, format: csv}"), ("to: {topic: items}", "to: []"),
        ("to: {topic: items}", "to: {call: {}}"),
        ("to: {topic: items}", "to: {topic: items, partitions: 2000}"),
        ("to: {topic: items}", "to: {topic: items, delivery: maybe}"),
        ("{keys: {user_id: int64}}", "{keys: {}}"), ("{keys: {user_id: int64}}", "{key: user_id}"),
        ("entity: user, ", ""), ("ttl: 1h, ", "ttl: 1 hour, "),
        ("features: [orders, revenue]", "features: []"),
        ("fraud: [user_minute]", "fraud: user_minute"), ("fraud: [user_minute]", "fraud: []"),
        ("services:", "tests: []\nservices:"),
        ("pipelines:", "pipeline:"), ("fraud: [user_minute]", "fraud: [{user_minute: [orders]}]"),
        ("fraud: [user_minute]", "fraud: [{user_minute: orders}]"),
        ("fraud: [user_minute]", "fraud: [{user_minute: []}]"),
        ("features: [orders, revenue]", "features: [orders, {name: revenue, default: 0}]"),
        ("features: [orders, revenue]", "features: [{type: int64}]"),
        ("features: [orders, revenue]", "degrade: [default, last_known]"),
        ("features: [orders, revenue]", "degrade: [last]"),
        ("features: [orders, revenue]", "tags: {a: b, c: 3}, owner: me, description: d"),
        ("profiles: {view: user_profile}", "profiles: user_profile"),
        ("profiles: {view: user_profile}", "profiles: {}"),
        ("request: {amount: double}", "request: {amount: {type: double, default: 1.0}}"),
        ("request: {amount: double}", "request: {amount: {default: 1.0}}"),
        ("request: {amount: double}", "sources: [], request: {amount: double}"),
        ("request: {amount: double}", "rank: {by: share, top: 3}\n    request: {amount: double}"),
        ("request: {amount: double}", "rank: {top: 3}\n    request: {amount: double}"),
        ("request: {amount: double}", "rank: {by: share, top: 0}\n    request: {amount: double}"),
    ]
}
