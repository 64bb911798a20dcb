import FeatureServe
import StreamRuntime
import Testing

@testable import Pipelines

/// Entities, views, push sources, on-demand features and services, from the file to the plan.
@Suite struct FeaturePlanTests {
    /// A file whose features are those of a test.
    static func file(_ features: String) -> String {
        """
        version: 1
        connections: {local: {embedded: ./topics}}
        streams:
          orders:
            from: {topic: orders}
            format: json
            fields: {user_id: int64, store_id: string, amount: double, tags: "list<string>", ts: timestamp}
            time: {field: ts, out_of_orderness: 5s}
            on_error: drop
        pipelines:
          spending:
            from: orders
            steps:
              - rolling: {id: spent, by: user_id, over: 1h, select: {spend_1h: sum(amount), orders_1h: count(*)}}

        """ + features
    }

    private static let views = """
        entities:
          user: {keys: {user_id: int64}, description: who buys}
          item: {keys: {store_id: string}}
        feature_views:
          user_spend:
            entity: user
            from: spending
            ttl: 1h
            owner: risk
            tags: {tier: gold}
            degrade: [default]
            features:
              - spend_1h
              - {name: orders_1h, type: int64, default: 0, description: how many, degrade: [last_known, default]}
          user_profile:
            entity: user
            features: [{name: city, type: string, default: "'nowhere'"}, {name: limit_eur, type: double}]
        push_sources:
          profiles: {view: user_profile}
        on_demand:
          risk:
            request: {amount: double, factor: {type: double, default: 2, description: how careful}}
            sources: [{user_profile: [limit_eur]}]
            select:
              share: amount * factor / nullif(limit_eur, 0)
              busy: user_spend.orders_1h > 3
              verdict: "case when busy and share > 1 then 'stop' else 'go' end"
        services:
          checkout: [{user_spend: [spend_1h]}, "user_profile:city", risk]

        """

    private func plan(_ text: String) throws -> JobPlan {
        let file = planned(FeaturePlanTests.file(text))
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        return try #require(file.plan)
    }

    @Test func `definitions keep what is said about them`() throws {
        let catalog = try FeatureCatalogs.catalog(try plan(FeaturePlanTests.views))
        #expect(catalog.entity("user")?.notes.description == "who buys")
        let spend = try #require(catalog.view("user_spend"))
        #expect(spend.source == "spending")
        #expect(spend.notes == .init(owner: "risk", tags: [.init(name: "tier", value: "gold")]))
        #expect(
            spend.definitions.map(\.degradation) == [[.defaultValue], [.lastKnown, .defaultValue]])
        #expect(spend.definitions.map(\.defaultValue) == [nil, .integer(0)])
        #expect(spend.definitions[1].notes.description == "how many")
        let profile = try #require(catalog.view("user_profile"))
        #expect(profile.source == nil)
        #expect(profile.features == [Field("city", .string), Field("limit_eur", .float64)])
        #expect(profile.definitions[0].defaultValue == .text(Array("nowhere".utf8)))
        #expect(catalog.pushSource("profiles")?.view == "user_profile")
        #expect(
            catalog.service("checkout")?.parts.map { "\($0.view):\($0.features?.first ?? "")" } == [
                "user_spend:spend_1h", "user_profile:city", "risk:share", "risk:busy",
                "risk:verdict",
            ])
    }

    @Test func `an on-demand view reads what its expressions name, and knows each one's type`()
        throws
    {
        let plan = try plan(FeaturePlanTests.views)
        let risk = try #require(plan.onDemand.first)
        #expect(
            risk.sources.map { plan.featureViews[$0.view].name } == ["user_spend", "user_profile"])
        #expect(risk.sources.map(\.features) == [["orders_1h"], ["limit_eur"]])
        #expect(
            risk.features == [
                Field("share", .float64), Field("busy", .bool), Field("verdict", .string),
            ])
        #expect(risk.dependencies == [[1], [0], [0, 1]])
        #expect(risk.request.map(\.defaultValue) == [nil, .number(2)])
    }

    @Test func `an on-demand view is computed for all rows at once, and a row that fails is null`()
        throws
    {
        let catalog = try FeatureCatalogs.catalog(try plan(FeaturePlanTests.views))
        let view = try #require(catalog.onDemandView("risk"))
        func doubles(_ values: [Double?]) -> Column {
            let column = Column(.float64, capacity: 4)
            for value in values {
                if let value { column.append(value) } else { column.appendNull() }
            }
            return column
        }
        let orders = Column(.int64, capacity: 4)
        for count in [5, 5, 1, 9] { orders.append(Int64(count)) }
        let result = view.transform.evaluate(
            OnDemandInputs(
                request: [doubles([10, 30, nil, 1e308]), doubles([2, 2, 2, 2])],
                stored: [[orders], [doubles([40, 40, 40, 1e-300])]], rows: 4, nowMicros: 0))
        let shares = (0..<4).map { FeatureValue(result.columns[0], row: $0) }
        #expect(shares[..<3] == [.number(0.5), .number(1.5), .null])
        let verdicts = (0..<3).map { result.columns[2].string($0) }
        #expect(verdicts == ["go", "stop", "go"])
        #expect(result.failures.map(\.row) == [3] || result.failures.isEmpty)
    }

    @Test func `what decides values decides the definition, and nothing else does`() throws {
        func hashes(_ change: (String) -> String) throws -> [String] {
            let text = change(FeaturePlanTests.file(FeaturePlanTests.views))
            let file = planned(text)
            try #require(file.problems.map { $0.rendered(in: file.source) } == [])
            let catalog = try FeatureCatalogs.catalog(try #require(file.plan))
            return catalog.views.map(\.definition.text)
                + catalog.onDemandViews.map(\.definition.text)
        }
        let base = try hashes { $0 }
        let same = [
            ("owner: risk", "owner: fraud"), ("ttl: 1h", "ttl: 2h"), ("default: 0,", "default: 1,"),
            ("{embedded: ./topics}", "{kafka: {bootstrap: \"b:9092\"}}"),
            ("id: spent", "id: spending"),
        ]
        for (right, wrong) in same {
            #expect(try hashes { $0.replacing(right, with: wrong) } == base, "\(wrong)")
        }
        let changed: [(String, String, [Bool])] = [
            ("sum(amount)", "sum(amount * 2)", [false, true, false]),
            ("over: 1h", "over: 2h", [false, true, false]),
            ("out_of_orderness: 5s", "out_of_orderness: 6s", [false, true, false]),
            (
                "{name: limit_eur, type: double}", "{name: limit_eur, type: \"decimal(9,2)\"}",
                [true, false, false]
            ),
            ("> 3", "> 4", [true, true, false]),
        ]
        for (right, wrong, kept) in changed {
            let now = try hashes { $0.replacing(right, with: wrong) }
            #expect(zip(now, base).map { $0 == $1 } == kept, "\(wrong)")
        }
    }

    @Test(arguments: [
        // Views.
        ("{name: limit_eur, type: double}", "limit_eur", "E107", "has no type"),
        (
            "entity: user\n    features: [{name: city, type: string, default: \"'nowhere'\"}, {name: limit_eur, type: double}]",
            "entity: user", "E107", "neither"
        ),
        ("type: int64, default: 0", "type: double, default: 0", "E313", "orders_1h"),
        ("default: 0", "default: many", "E314", "many"),
        ("default: 0", "default: 1.5", "E314", "decimal"),
        ("type: double}]", "type: \"struct<a: int64>\"}]", "E311", "limit_eur"),
        (
            "name: limit_eur, type: double", "name: user_id, type: double", "E308",
            "key of the entity"
        ),
        ("name: limit_eur, type: double", "name: city, type: double", "E308", "twice"),
        ("- spend_1h", "- spent_1h", "E206", "spent_1h"),
        ("- spend_1h", "- {name: spend_1h, degrade: [default]}", "E119", "has none"),
        ("degrade: [default]", "degrade: [newest]", "E109", "newest"),
        ("degrade: [default]", "degrade: [default, default]", "E109", "twice"),
        ("owner: risk", "ower: risk", "E106", "ower"),
        // Push sources.
        ("{view: user_profile}", "{view: user_profil}", "E212", "user_profil"),
        ("{view: user_profile}", "{}", "E107", "view"),
        // On demand.
        ("amount * factor", "amuont * factor", "E301", "amuont"),
        ("user_spend.orders_1h", "user_spend.orders_2h", "E301", "orders_2h"),
        ("user_spend.orders_1h", "user_spent.orders_1h", "E301", "user_spent"),
        ("busy and share", "share and share", "E301", "condition"),
        ("busy: user", "share: user", "E103", "share"),
        ("busy: user", "amount: user", "E308", "two things"),
        ("{amount: double,", "{user_spend: double, amount: double,", "E308", "user_spend"),
        ("{amount: double,", "{user_id: string, amount: double,", "E306", "user_id"),
        ("{amount: double,", "{amount: \"struct<a: int64>\",", "E311", "amount"),
        ("default: 2,", "default: much,", "E314", "much"),
        ("[{user_profile: [limit_eur]}]", "[{user_profile: [limit]}]", "E212", "limit"),
        ("[{user_profile: [limit_eur]}]", "[profile]", "E212", "profile"),
        ("verdict: \"case", "verdict: user_spend\n      never: \"case", "E311", "verdict"),
        ("  risk:\n", "  user_spend:\n", "E208", "user_spend"),
        (
            "    select:\n      share", "    rank: {by: shares}\n    select:\n      share", "E206",
            "shares"
        ),
        (
            "    select:\n      share", "    rank: {by: verdict}\n    select:\n      share", "E309",
            "verdict"
        ),
        (
            "    select:\n      share",
            "    rank: {by: share, where: share}\n    select:\n      share",
            "E302", "share"
        ),
        (
            "    select:\n      share", "    rank: {by: share, top: 0}\n    select:\n      share",
            "E109", "top"
        ),
        // Services.
        ("[spend_1h]", "[spend_2h]", "E212", "spend_2h"),
        (", risk]", ", risks]", "E212", "risks"),
        (", risk]", ", \"risk:shares\"]", "E212", "shares"),
    ])
    func `a mistake is told at its place with the fix`(
        _ right: String, _ wrong: String, _ code: String, _ word: String
    ) throws {
        let text = FeaturePlanTests.file(FeaturePlanTests.views)
        try #require(text.contains(right))
        let changed = text.replacing(right, with: wrong, maxReplacements: 1)
        let file = planned(changed)
        let first = try #require(file.problems.first, "\(wrong)")
        let shown = file.problems.map { $0.rendered(in: file.source) }.joined()
        #expect(first.code.rawValue == code, "\(shown)")
        #expect(first.message.contains(word) || first.notes.joined().contains(word), "\(shown)")
        #expect(!first.fix.isEmpty)
        #expect(first.position.line > 15, "\(shown)")
    }
}
