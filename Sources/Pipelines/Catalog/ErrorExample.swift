/// One mistake for each code: a whole pipelines file with one place changed. The error reference shows
/// what the reader says of it, and a test holds the two together.
struct ErrorExample: Sendable {
    let code: DiagnosticCode
    /// What stands in `base`.
    let right: String
    /// What stands there instead.
    let wrong: String
    /// The file `shop.yaml`, for mistakes in an included one.
    var included: String?
}

extension ErrorExample {
    /// A file without problems.
    static let base = """
        version: 1
        connections:
          local: {embedded: ./topics}
          disk: {files: ./exports}
        streams:
          orders:
            from: {topic: orders, connection: local}
            format: json
            fields:
              order_id: string
              user_id: int64
              amount: decimal(12,2)
              lines: "list<struct<sku: string, quantity: int64>>"
              ts: timestamp
            time: {field: ts, out_of_orderness: 5s, idle: 30s}
            on_error: {dead_letter: orders.rejected}
        pipelines:
          large:
            from: orders
            steps:
              - filter: amount > 100
            to: {topic: orders.large, key: user_id}
          items:
            from: orders
            steps:
              - unnest: lines as line
              - select: {order_id: order_id, sku: line.sku}
            to: {topic: items}
          minutes:
            from: orders
            steps:
              - aggregate:
                  id: per_minute
                  by: user_id
                  window: {tumble: 1m}
                  select: {orders: count(*), revenue: sum(amount)}
                  late: {allow: 10m, then: {topic: orders.late}}
            to: {topic: minutes, key: user_id}
        entities:
          user: {keys: {user_id: int64}}
        feature_views:
          user_minute: {entity: user, from: minutes, ttl: 1h, features: [orders, revenue]}
          user_profile: {entity: user, features: [{name: limit_eur, type: double, default: 0.0}]}
        services:
          fraud: [user_minute]
        push_sources:
          profiles: {view: user_profile}
        on_demand:
          risk:
            request: {amount: double}
            select: {share: "amount / nullif(user_profile.limit_eur, 0)"}

        """

    /// The file with the mistake in it.
    var text: String {
        ErrorExample.base.replacing(right, with: wrong, maxReplacements: 1)
    }

    /// What stands between the connections and the first output of `base`.
    private static let between: String = {
        let start = base.firstRange(of: "streams:")!.lowerBound
        let end = base.firstRange(of: "    to: {topic: orders.large")!.lowerBound
        return String(base[start..<end])
    }()

    /// One for every code but E100, which is about the file itself.
    static let all: [ErrorExample] = [
        .init(code: .syntax, right: "- filter: amount > 100", wrong: "- filter: kind = 'a: b'"),
        .init(
            code: .tab, right: "    from: orders\n    steps:\n      - filter",
            wrong: "\tfrom: orders\n    steps:\n      - filter"),
        .init(code: .repeatedKey, right: "  items:\n    from", wrong: "  large:\n    from"),
        .init(code: .anchor, right: "time: {field: ts,", wrong: "time: &time {field: ts,"),
        .init(code: .version, right: "version: 1", wrong: "version: 2"),
        .init(
            code: .unknownKey, right: "    format: json",
            wrong: "    fromat: json\n    format: json"),
        .init(code: .missingKey, right: ", out_of_orderness: 5s", wrong: ""),
        .init(
            code: .wrongKind, right: "time: {field: ts, out_of_orderness: 5s, idle: 30s}",
            wrong: "time: ts"),
        .init(code: .badValue, right: "format: json", wrong: "format: jsn"),
        .init(code: .badDuration, right: "out_of_orderness: 5s", wrong: "out_of_orderness: 5"),
        .init(code: .badSize, right: "version: 1", wrong: "version: 1\njob: {memory: 512M}"),
        .init(code: .badType, right: "order_id: string", wrong: "order_id: varchar"),
        .init(code: .unsetVariable, right: "./topics", wrong: "\"${TOPICS}\""),
        .init(
            code: .literalSecret, right: "local: {embedded: ./topics}",
            wrong:
                "local: {embedded: ./topics}\n  broker: {kafka: {bootstrap: \"b:9092\", properties: {sasl.password: hunter2}}}"
        ),
        .init(code: .notYet, right: "- filter: amount > 100", wrong: "- call: {id: ask}"),
        .init(
            code: .severalVerbs, right: "- filter: amount > 100",
            wrong: "- filter: amount > 100\n        extend: {big: true}"),
        .init(code: .unknownVerb, right: "- filter:", wrong: "- filtre:"),
        .init(code: .badName, right: "topic: items", wrong: "topic: items/new"),
        .init(code: .conflictingKeys, right: "{tumble: 1m}", wrong: "{hop: 1h}"),
        .init(
            code: .notIncluded, right: "version: 1", wrong: "version: 1\ninclude: [shop.yaml]",
            included: "job: {name: shop}\nservices: {checkout: [user_profile]}\n"),
        .init(
            code: .testForm, right: "version: 1",
            wrong:
                "version: 1\ntests:\n  - name: a large order is told of\n    given: [{at: noon, orders: [{amount: 200}]}]\n    expect: {large: [{amount: 200}]}"
        ),
        .init(
            code: .notInTest, right: "version: 1",
            wrong:
                "version: 1\ntests:\n  - name: a large order is told of\n    given: [{at: \"12:00:00\", orders: [{amuont: 200}]}]\n    expect: {large: [{amount: 200}]}"
        ),
        .init(
            code: .testValue, right: "version: 1",
            wrong:
                "version: 1\ntests:\n  - name: a large order is told of\n    given: [{at: \"12:00:00\", orders: [{amount: 200}]}]\n    expect: {large: [{amount: much}]}"
        ),
        .init(code: .unknownConnection, right: "connection: local", wrong: "connection: locl"),
        .init(
            code: .unknownInput, right: "items:\n    from: orders", wrong: "items:\n    from: order"
        ),
        .init(
            code: .repeatedId, right: "- filter: amount > 100",
            wrong: "- deduplicate: {id: per_minute, by: order_id, within: 1h}"),
        .init(
            code: .cycle, right: "large:\n    from: orders",
            wrong: "large:\n    from: [orders, large]"),
        .init(code: .unknownEntity, right: "entity: user,", wrong: "entity: usr,"),
        .init(code: .unknownColumn, right: "by: user_id", wrong: "by: user"),
        .init(
            code: .undeclaredPolicy, right: "    on_error: {dead_letter: orders.rejected}\n",
            wrong: ""),
        .init(
            code: .process, right: "- filter: amount > 100",
            wrong:
                "- process: {id: seen, by: user_id, state: {seen: int64}, on: [{set: {sen: 1}, emit: {user_id: user_id}}]}"
        ),
        .init(
            code: .pattern, right: "- filter: amount > 100",
            wrong:
                "- match: {id: twice, by: user_id, pattern: \"large{2,} small*?)\", within: 1h, select: {n: count(*)}}"
        ),
        .init(code: .repeatedName, right: "  items:\n    from", wrong: "  orders:\n    from"),
        .init(
            code: .ambiguousConnection,
            right:
                "  disk: {files: ./exports}\nstreams:\n  orders:\n    from: {topic: orders, connection: local}",
            wrong:
                "  other: {embedded: ./other}\nstreams:\n  orders:\n    from: {topic: orders}"),
        .init(code: .conflictingTopic, right: "to: {topic: items}", wrong: "to: {topic: minutes}"),
        .init(code: .wrongConnection, right: "connection: local", wrong: "connection: disk"),
        .init(code: .unknownView, right: "fraud: [user_minute]", wrong: "fraud: [user_minutes]"),
        .init(code: .nowhere, right: "    to: {topic: items}\n", wrong: ""),
        .init(
            code: .severalClusters,
            right:
                "  disk: {files: ./exports}\n\(between)    to: {topic: orders.large, key: user_id}",
            wrong:
                "  disk: {files: ./exports}\n  north: {kafka: {bootstrap: \"n:9092\"}}\n  south: {kafka: {bootstrap: \"s:9092\"}}\n\(between)    to: {topic: orders.large, key: user_id, connection: north}\n  small:\n    from: orders\n    to: {topic: orders.small, connection: south}"
        ),
        .init(code: .notShared, right: "version: 1", wrong: "version: 1\njob: {shares: 4}"),
        .init(
            code: .schemaFile, right: "format: json",
            wrong: "format: {protobuf: {descriptor: orders.desc, message: shop.Order}}"
        ),
        .init(
            code: .badPath, right: "format: json",
            wrong: "format: {xml: {record: orders/@id}}"),
        .init(code: .expression, right: "amount > 100", wrong: "amuont > 100"),
        .init(code: .wrongFormat, right: "format: json", wrong: "format: avro"),
        .init(code: .notBoolean, right: "amount > 100", wrong: "amount"),
        .init(
            code: .unequalInputs, right: "minutes:\n    from: orders",
            wrong: "minutes:\n    from: [orders, items]"),
        .init(code: .notAKey, right: "by: user_id", wrong: "by: [user_id, lines]"),
        .init(code: .notATime, right: "field: ts", wrong: "field: order_id"),
        .init(code: .entityType, right: "{user_id: int64}", wrong: "{user_id: string}"),
        .init(code: .notAList, right: "lines as line", wrong: "order_id as line"),
        .init(
            code: .repeatedColumn, right: "orders: count(*)",
            wrong: "orders: count(*), user_id: count(*)"),
        .init(
            code: .notOrdered, right: "- filter: amount > 100",
            wrong: "- latest: {id: newest, by: user_id, order: lines}"),
        .init(code: .badWindow, right: "{tumble: 1m}", wrong: "{cumulate: 1h, every: 7m}"),
        .init(
            code: .notAFeature, right: "from: minutes, ttl: 1h, features: [orders, revenue]",
            wrong: "from: orders, ttl: 1h, features: [lines]"),
        .init(
            code: .featureType, right: "features: [orders, revenue]",
            wrong: "features: [{name: orders, type: double}]"),
        .init(code: .badDefault, right: "default: 0.0", wrong: "default: none"),
        .init(
            code: .joinColumns, right: "- filter: amount > 100",
            wrong: "- join: {id: j, with: items, as: item, on: {user_id: order_id}, as_of: {}}"),
        .init(
            code: .changelog, right: "format: json",
            wrong: "format: {debezium: {changelog: full}}"),
        .init(
            code: .unboundedState, right: "- filter: amount > 100",
            wrong: "- join: {id: j, with: items, as: item, on: order_id, tables: {}}"),
    ]

    /// The error reference as Markdown.
    static func reference(_ render: (ErrorExample) -> String) -> String {
        var text = """
            # Errors in pipelines files

            `millrace validate` reports every problem of a file at once, sorted by line. Codes are for life. E1xx are \
            problems of form, E2xx of names and wiring, E3xx of types and expressions; W4xx are warnings: the file can run. Each example is what the \
            program prints; a test runs them all.


            """
        for code in DiagnosticCode.allCases {
            text += "## \(code.rawValue)\n\n\(code.meaning)\n\n"
            if let example = all.first(where: { $0.code == code }) {
                text += "```\n\(render(example))```\n\n"
            }
        }
        return String(text.dropLast())
    }
}
