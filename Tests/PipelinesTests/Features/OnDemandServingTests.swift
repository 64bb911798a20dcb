import FeatureServe
import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// On-demand features through the server.
@Suite struct OnDemandServingTests {
    private func house() throws -> FeatureHouse {
        let house = try FeatureHouse(
            text: """
                version: 1
                entities:
                  user: {keys: {user_id: int64}}
                feature_views:
                  account:
                    entity: user
                    ttl: 1h
                    features: [{name: limit_eur, type: double}, {name: orders, type: int64, default: 0}]
                on_demand:
                  risk:
                    request: {amount: double, factor: {type: double, default: 2}, seen_at: {type: timestamp, default: "timestamp '2026-11-02 11:59:00'"}}
                    select:
                      share: amount * factor / account.limit_eur
                      is_new: account.orders = 0
                      seconds: epoch(now()) - epoch(seen_at)
                  text_only:
                    request: {words: "list<string>"}
                    select: {count: len(words), first: "words[1]"}
                services:
                  checkout: [{risk: [share]}, "account:limit_eur"]
                  words: [text_only]

                """)
        try house.write("account", [[.integer(1), .number(100), .integer(3)]])
        try house.write(
            "account", at: FeatureHouse.noon - 2 * 3_600_000_000,
            [[.integer(2), .number(50), .integer(0)]])
        try house.write("account", [[.integer(3), .number(0), .integer(1)]])
        return house
    }

    private func ask(_ body: String) throws -> Answered {
        var answered: Answered?
        try house().serve { ask in answered = try Answered(try ask("/get-online-features", body)) }
        return try #require(answered)
    }

    @Test func `what is computed comes where it was asked for, beside what is stored`() throws {
        let answer = try ask(
            "{\"features\": [\"risk:share\", \"account:orders\", \"risk:is_new\"], "
                + "\"entities\": {\"user_id\": [1, 2, 3, 4], \"amount\": [25, 25, 25, null]}}")
        #expect(answer.names == ["user_id", "share", "orders", "is_new"])
        // 25 · 2 / 100; an old limit is used and told of; by nothing; of nobody.
        expectClose(answer.numbers("share"), [0.5, 1, nil, nil])
        #expect(
            answer.statuses["share"] == ["PRESENT", "OUTSIDE_MAX_AGE", "INVALID", "NULL_VALUE"])
        #expect(answer.bools("is_new") == [false, true, false, true])
        #expect(answer.statuses["is_new"]?[3] == "PRESENT")
    }

    @Test func `request data may come in request_context, and a default may stand in`() throws {
        let answer = try ask(
            "{\"feature_service\": \"checkout\", \"entities\": {\"user_id\": [1]}, "
                + "\"request_context\": {\"amount\": [25], \"factor\": [4]}}")
        #expect(answer.names == ["user_id", "share", "limit_eur"])
        expectClose(answer.numbers("share"), [1])
    }

    @Test func `now is when the server was asked`() throws {
        let answer = try ask(
            "{\"features\": [\"risk:seconds\"], \"entities\": {\"user_id\": [1, 1], \"amount\": [1, 1], "
                + "\"seen_at\": [\"2026-11-02T11:59:30Z\", \(FeatureHouse.noon / 1_000_000 - 5)]}}")
        expectClose(answer.numbers("seconds"), [30, 5])
        let usual = try ask(
            "{\"features\": [\"risk:seconds\"], \"entities\": {\"user_id\": [1], \"amount\": [1]}}")
        expectClose(usual.numbers("seconds"), [60])
    }

    @Test func `features of request data alone need no key`() throws {
        let answer = try ask(
            "{\"feature_service\": \"words\", \"entities\": {\"words\": [[\"a\", \"b\"], [], null]}}"
        )
        #expect(answer.names == ["count", "first"])
        expectClose(answer.numbers("count"), [2, 0, nil])
        #expect(answer.texts("first") == ["a", nil, nil])
    }

    @Test(arguments: [
        (
            "{\"features\": [\"risk:share\"], \"entities\": {\"user_id\": [1]}}", 404,
            "RequestDataNotFoundInEntityRowsException"
        ),
        (
            "{\"features\": [\"risk:share\"], \"entities\": {\"amount\": [1]}}", 404,
            "EntityNotFoundException"
        ),
        (
            "{\"features\": [\"risk:score\"], \"entities\": {\"user_id\": [1]}}", 404,
            "SpecifiedFeaturesNotPresentError"
        ),
        (
            "{\"features\": [\"risk:share\"], \"entities\": {\"user_id\": [1], \"amount\": [\"much\"]}}",
            422, "amount"
        ),
        (
            "{\"features\": [\"risk:share\"], \"entities\": {\"user_id\": [1, 2], \"amount\": [1]}}",
            422,
            "same columns"
        ),
    ])
    func `a request that says too little is told what is missing`(
        _ body: String, _ status: Int, _ word: String
    ) throws {
        try house().serve { ask in
            let answer = try ask("/get-online-features", body)
            #expect(answer.status == status)
            #expect(answer.body.contains(word), "\(answer.body)")
        }
    }

    @Test(arguments: [
        ("/rank/checkout", "{\"candidates\": [{\"user_id\": 1}]}", 422, "rank"),
        ("/rank/nothing", "{\"candidates\": []}", 404, "FeatureServiceNotFoundException"),
        ("/rank/checkout", "{\"by\": \"risk:share\", \"candidates\": []}", 422, "No candidates"),
        (
            "/rank/checkout", "{\"by\": \"risk:share\", \"candidates\": [{\"amount\": 1}]}", 404,
            "user_id"
        ),
        (
            "/rank/checkout", "{\"by\": \"risk:share\", \"candidates\": [{\"user_id\": 1}]}", 404,
            "amount"
        ),
        (
            "/rank/checkout", "{\"by\": \"risk:is_new\", \"candidates\": [{\"user_id\": 1}]}", 422,
            "number"
        ),
        (
            "/rank/checkout", "{\"by\": \"account:orders\", \"candidates\": [{\"user_id\": 1}]}",
            404,
            "account"
        ),
        ("/rank/checkout", "{\"top\": 0}", 422, "top"),
        ("/rank/checkout", "{", 422, "json_invalid"),
        (
            "/rank/checkout", "{\"candidates\": [{}], \"entities\": {\"user_id\": [1]}}", 422,
            "one of"
        ),
        (
            "/rank/checkout", "{\"entities\": {\"user_id\": [1], \"amount\": [1, 2]}}", 422,
            "lengths"
        ),
    ])
    func `a ranking that cannot be made is told why`(
        _ path: String, _ body: String, _ status: Int, _ word: String
    ) throws {
        try house().serve { ask in
            let answer = try ask(path, body)
            #expect(answer.status == status, "\(answer.body)")
            #expect(answer.body.contains(word), "\(answer.body)")
        }
    }

    @Test func `a candidate without a score comes last, and says so`() throws {
        try house().serve { ask in
            let answer = try ask(
                "/rank/checkout",
                "{\"by\": \"risk:share\", \"parts\": true, \"candidates\": [{\"user_id\": 3}, {\"user_id\": 1}, "
                    + "{\"user_id\": 2}], \"request\": {\"amount\": 10}}")
            #expect(
                answer.body
                    == "{\"service\":\"checkout\",\"ranked_by\":\"risk:share\",\"candidates\":3,\"excluded\":0,"
                    + "\"results\":[{\"rank\":1,\"candidate\":2,\"keys\":{\"user_id\":2},\"score\":0.4,"
                    + "\"status\":\"OUTSIDE_MAX_AGE\",\"parts\":{\"share\":0.4,\"limit_eur\":50.0},"
                    + "\"statuses\":{\"share\":\"OUTSIDE_MAX_AGE\",\"limit_eur\":\"OUTSIDE_MAX_AGE\"}},"
                    + "{\"rank\":2,\"candidate\":1,\"keys\":{\"user_id\":1},\"score\":0.2,"
                    + "\"status\":\"PRESENT\",\"parts\":{\"share\":0.2,\"limit_eur\":100.0},\"statuses\":{}},"
                    + "{\"rank\":3,\"candidate\":0,\"keys\":{\"user_id\":3},\"score\":null,"
                    + "\"status\":\"INVALID\",\"parts\":{\"share\":null,\"limit_eur\":0.0},"
                    + "\"statuses\":{\"share\":\"INVALID\"}}]}")
        }
    }
}
