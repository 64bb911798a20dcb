import Testing

@testable import FeatureServe

/// Signatures over requests, by the examples that their makers publish where they do.
@Suite struct RequestSignatureTests {
    private func request(
        _ body: String, _ fields: [(name: String, value: String)] = [],
        target: String = "/ingest/stock?a=1"
    ) -> IngestRequest {
        IngestRequest(
            stream: "stock", head: IngestHead(method: "POST", target: target, fields: fields),
            body: Array(body.utf8))
    }

    private func admits(
        _ signature: RequestSignature, _ request: IngestRequest, now: Int64 = 1_795_262_400
    ) -> Bool { signature.admits(request, nowSeconds: now) }

    @Test func `Square signs the address and the very bytes of the body`() {
        // The example of Square's SDKs.
        let body =
            #"{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","#
            + #""event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","#
            + #""created_at":"2022-07-13T20:30:59.037339943Z","#
            + #""data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}"#
        let address = "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9"
        let right = "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="
        let field = "X-Square-HmacSha256-Signature"
        func square(_ url: String) -> RequestSignature {
            .square(key: "Ibxx_5AKakO-3qeNVR61Dw", url: url)
        }
        #expect(admits(square(address), request(body, [(field, right)])))
        let wrong = [
            (address + "/", body, right), (address, body + " ", right),
            (address, body.replacing("\":", with: "\": "), right), (address, body, ""),
            (address, body, "G" + right.dropFirst(2) + "="),
            (address, body, String(right.dropLast())),
        ]
        for (url, body, signature) in wrong {
            #expect(!admits(square(url), request(body, [(field, signature)])))
        }
        #expect(!admits(square(address), request(body)))
    }

    @Test func `Shopify signs the body`() {
        let right = ("X-Shopify-Hmac-Sha256", "KMJZlZzJXWUZPlSPI1QghoszUe9dRTpH2aMDOeph9GQ=")
        let signature = RequestSignature.shopify(secret: "hush")
        #expect(admits(signature, request(#"{"available":4}"#, [right])))
        #expect(!admits(signature, request(#"{"available":5}"#, [right])))
        #expect(!admits(.shopify(secret: "hushed"), request(#"{"available":4}"#, [right])))
    }

    @Test func `NCR signs lines of the head with a key of the day, which must be today's`() {
        let fields = [
            ("Date", "Sat, 21 Nov 2026 12:00:00 GMT"), ("Content-Type", "application/json"),
            ("nep-organization", "acme"),
            (
                "Authorization",
                "AccessKey us:pY7iqsnZYH4C61I9yuDJbnT4e0vGdYjWzsh0ydaw+0U/"
                    + "kYYx1OwjJr1nmpZTWDymC7kglA+RBp1DhIGzPk5ErA=="
            ),
        ]
        let signature = RequestSignature.ncr(key: "us", secret: "sec", withinSeconds: 300)
        let good = request("{}", fields, target: "/ingest/ncr")
        #expect(admits(signature, good))
        #expect(admits(signature, good, now: 1_795_262_700))
        #expect(!admits(signature, good, now: 1_795_262_701))
        #expect(!admits(signature, good, now: 1_795_262_099))
        #expect(!admits(signature, request("{}", fields, target: "/ingest/other")))
        for dropped in fields.indices {
            var less = fields
            less.remove(at: dropped)
            #expect(!admits(signature, request("{}", less, target: "/ingest/ncr")))
        }
    }

    @Test func `a token is compared whole, and HMACs are made of the declared parts`() {
        let token = RequestSignature.token(header: "X-Clover-Auth", value: "open sesame")
        #expect(admits(token, request("", [("x-clover-auth", "open sesame")])))
        #expect(!admits(token, request("", [("x-clover-auth", "open sesam")])))
        #expect(!admits(token, request("")))

        // RFC 2202, case 2; and RFC 4231, case 2.
        let sha1 = RequestSignature.hmac(
            .init(
                header: "X-Sig", prefix: "sha1=", algorithm: .sha1, encoding: .hex, secret: "Jefe"))
        let text = "what do ya want for nothing?"
        let hex = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        #expect(admits(sha1, request(text, [("X-Sig", "sha1=" + hex)])))
        #expect(admits(sha1, request(text, [("X-Sig", "sha1=" + hex.uppercased())])))
        #expect(!admits(sha1, request(text, [("X-Sig", hex)])))
        let sha512 = RequestSignature.hmac(
            .init(
                header: "X-Sig", algorithm: .sha512, encoding: .hex,
                parts: [.header("X-Time"), .path, .method, .body], separator: " ", secret: "Jefe"))
        let parts = "7 /a POST {}"
        let digest = RequestSignature.hex(
            RequestSignature.hmac(512, Array("Jefe".utf8), Array(parts.utf8)))
        #expect(
            admits(sha512, request("{}", [("X-Sig", digest), ("x-time", "7")], target: "/a?b")))
        #expect(!admits(sha512, request("{}", [("X-Sig", digest)], target: "/a?b")))
        #expect(
            RequestSignature.hex(
                RequestSignature.hmac(512, Array("Jefe".utf8), Array(text.utf8))
            ).hasPrefix("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"))
    }

    @Test func `dates are read in both forms and written in one`() {
        let table: [(String, Int64?)] = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("1994-11-06T08:49:37Z", 784_111_777), ("1994-11-06T08:49:37.000Z", 784_111_777),
            ("Sun, 06 Nov 1994 08:49:37 CET", nil), ("Sun, 36 Nov 1994 08:49:37 GMT", nil),
            ("yesterday", nil), ("", nil), ("1994-11-06", nil),
        ]
        for (text, seconds) in table { #expect(HTTPDate.seconds(text) == seconds, "\(text)") }
        #expect(HTTPDate.iso(784_111_777) == "1994-11-06T08:49:37.000Z")
    }
}
