import StreamRuntime
import Testing

@testable import FeatureServe

@Suite struct FeatureStatusTests {
    @Test(arguments: [
        (event: 0, ttl: 10, now: 10, expired: false),  // exactly the ttl is current
        (event: 0, ttl: 10, now: 11, expired: true),
        (event: 0, ttl: 0, now: Int64.max, expired: false),  // 0 is forever
        (event: 20, ttl: 10, now: 5, expired: false),  // from the future
        (event: Int64.min, ttl: 10, now: Int64.max, expired: true),
        (event: Int64.max, ttl: 10, now: Int64.min, expired: false),
    ])
    func `a value expires when it is strictly older than its ttl`(
        event: Int64, ttl: Int64, now: Int64, expired: Bool
    ) {
        #expect(
            FeatureStatus.isExpired(eventMicros: event, ttlMicros: ttl, nowMicros: now) == expired)
    }

    @Test func `a catalog names what is wrong with its declarations`() throws {
        let user = Entity(name: "user", keys: [Field("user_id", .int64)])
        let cases: [(views: [FeatureView], services: [FeatureService], says: String)] = [
            (
                [FeatureView(name: "v", entity: "usr", features: [Field("a", .int64)])], [],
                "unknown entity \"usr\""
            ),
            ([FeatureView(name: "v", entity: "user", features: [])], [], "has no features"),
            (
                [
                    FeatureView(
                        name: "v", entity: "user",
                        features: [Field("s", .structure([Field("a", .int64)]))])
                ], [], "cannot have the type"
            ),
            (
                [FeatureView(name: "v", entity: "user", features: [Field("a", .int64)])],
                [FeatureService(name: "s", parts: [.init(view: "v", features: ["b"])])],
                "no \"v:b\""
            ),
        ]
        for example in cases {
            let failure = #expect(throws: JobFailure.self) {
                try FeatureCatalog(
                    entities: [user], views: example.views, services: example.services)
            }
            #expect(failure?.description.contains(example.says) == true)
        }
    }
}
