import Testing

@testable import FeatureServe

/// Keys, their rights and their buckets.
@Suite struct AccessRulesTests {
    private func caller(_ rules: AccessRules, _ secret: String) -> AccessCaller? {
        Array(secret.utf8).withUnsafeBufferPointer { rules.caller(presenting: $0) }
    }

    private func digest(_ secret: String) -> [UInt8] {
        Array(secret.utf8).withUnsafeBufferPointer { AccessKey.digest(of: $0) }
    }

    @Test func `a digest is the SHA-256 of the secret, and reads back from its text`() {
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(AccessKey.text(of: digest("abc")) == text)
        #expect(AccessKey.digest(from: text) == digest("abc"))
        for wrong in ["", "sha256:", "abc", String(text.dropLast()), text + "0", "md5:" + text] {
            #expect(AccessKey.digest(from: wrong) == nil, "\(wrong)")
        }
    }

    @Test func `new secrets have 256 random bits and no two are alike`() {
        let secrets = Set((0..<100).map { _ in AccessKey.newSecret() })
        #expect(secrets.count == 100)
        #expect(secrets.allSatisfy { $0.count == 46 && $0.hasPrefix("mr_") })
    }

    @Test func `without keys anyone may do everything, with one nobody without it`() {
        let open = AccessRules.open
        #expect(caller(open, "")?.mayRead("anything") == true)
        #expect(caller(open, "")?.isAdmin == true)
        let rules = AccessRules(keys: [
            AccessKey(
                name: "a", digest: digest("one"), reads: .some(["v"]), writes: .some(["w"])),
            AccessKey(name: "b", digest: digest("two"), isAdmin: true),
        ])
        #expect(caller(rules, "") == nil)
        #expect(caller(rules, "three") == nil)
        let one = caller(rules, "one")
        #expect(one?.name == "a")
        #expect(one?.mayRead("v") == true)
        #expect(one?.mayRead("w") == false)
        #expect(one?.mayWrite("w") == true)
        #expect(one?.mayWrite("v") == false)
        #expect(one?.isAdmin == false)
        #expect(caller(rules, "two")?.isAdmin == true)
        #expect(caller(rules, "two")?.mayRead("v") == false)
    }

    @Test func `a bucket holds a second's worth of requests and fills evenly`() {
        let caller = AccessCaller(AccessKey(name: "a", digest: digest("x"), perSecond: 10))
        let start: Int64 = 1_000_000_000_000
        for request in 0..<10 { #expect(caller.take(nowNanos: start) == 0, "\(request)") }
        #expect(caller.take(nowNanos: start) == 100_000_000)
        #expect(caller.take(nowNanos: start + 99_999_999) == 1)
        #expect(caller.take(nowNanos: start + 100_000_000) == 0)
        #expect(caller.take(nowNanos: start + 100_000_000) == 100_000_000)
        for _ in 0..<10 { #expect(caller.take(nowNanos: start + 10_000_000_000) == 0) }
        #expect(caller.take(nowNanos: start + 10_000_000_000) > 0)
    }

    @Test func `the secret of an authorization is what follows Bearer`() {
        let table: [(String, String?)] = [
            ("Bearer abc", "abc"), ("bearer abc", "abc"), ("BEARER a b", "a b"), ("Basic abc", nil),
            ("Bearer ", nil), ("Bearer", nil), ("", nil),
        ]
        for (value, expected) in table {
            let found = Array(value.utf8).withUnsafeBufferPointer { bytes in
                AccessRules.secret(inAuthorization: bytes).map {
                    String(decoding: $0, as: UTF8.self)
                }
            }
            #expect(found == expected, "\(value)")
        }
    }
}
