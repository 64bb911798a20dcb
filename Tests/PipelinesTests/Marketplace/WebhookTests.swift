import FeatureServe
import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// The requests that the makers of point-of-sale systems send to the marketplace's streams, signed as they do. The
/// signatures were made by another program (Python's hmac).
@Suite struct WebhookTests {
    private struct Webhook {
        let stream: String
        let body: String
        /// The field that shows who sent it; nil when none does.
        let signature: (name: String, value: String)?
        var fields: [(name: String, value: String)] = []
    }

    private static let webhooks = [
        Webhook(
            stream: "square_events",
            body:
                #"{"merchant_id":"M1","type":"inventory.count.updated","event_id":"e1","created_at":"2026-11-21T12:00:00Z","data":{"object":{"inventory_counts":[]}}}"#,
            signature: (
                "x-square-hmacsha256-signature", "fUkhyYODIJ414B14IgA8uPtqmLLRK8QAXJ8sRYPAhtQ="
            )),
        Webhook(
            stream: "shopify_levels",
            body:
                #"{"inventory_item_id":271878346596884015,"location_id":24826418,"available":4,"updated_at":"2026-11-21T07:00:00-05:00"}"#,
            signature: ("X-Shopify-Hmac-Sha256", "a1gcsqw7L4jKoDRgDUnAzk/Xf34B4bzAXtie+z8jIo4="),
            fields: [
                ("X-Shopify-Webhook-Id", "w1"), ("X-Shopify-Shop-Domain", "corner.myshopify.com"),
            ]),
        Webhook(
            stream: "clover_posts",
            body: #"{"appId":"A1","merchants":{"M1":[{"objectId":"I:1","type":"UPDATE","ts":1}]}}"#,
            signature: ("X-Clover-Auth", "clover-code")),
        Webhook(
            stream: "ncr_stock", body: #"{"quantity":"4","version":1}"#,
            signature: (
                "Authorization",
                "AccessKey ncr-key:hNAGNq+fQogq5fA1YTUn1bh+UX8mZw/orO06/P1mEONzowBCo1HCY3Zof7/qRaVFr8fwybyzicXu6y7zr/TuYA=="
            ),
            fields: [
                ("Date", "Sat, 21 Nov 2026 12:00:00 GMT"), ("Content-Type", "application/json"),
                ("nep-organization", "acme"),
            ]),
        // Its form is not signed: on a server with keys, senders need one with the right to the stream.
        Webhook(
            stream: "lightspeed_updates",
            body:
                "payload=%7B%22id%22%3A%22u1%22%2C%22outlet_id%22%3A%22o1%22%2C%22count%22%3A%224%22%7D&retailer_id=r1",
            signature: nil,
            fields: [("Content-Type", "application/x-www-form-urlencoded")]),
    ]

    @Test func `each system's webhook is taken as it is signed, and no other`() throws {
        let directory = NSTemporaryDirectory() + "millrace-webhooks-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        for name in ["pipelines.yaml", "marketplace"] {
            try FileManager.default.copyItem(
                atPath: root.appendingPathComponent(name).path, toPath: directory + "/" + name)
        }
        let file = PlannedFile(
            path: directory + "/pipelines.yaml",
            environment: [
                "SQUARE_SIGNATURE_KEY": "square-key",
                "SQUARE_NOTIFICATION_URL": "https://shop.example/ingest/square_events",
                "SHOPIFY_SECRET": "shopify-secret", "CLOVER_AUTH_CODE": "clover-code",
                "NCR_SHARED_KEY": "ncr-key", "NCR_SECRET_KEY": "ncr-secret",
            ], only: [])
        let plan = try #require(
            file.plan, "\(file.problems.map { $0.rendered(in: file.source) }.joined())")
        let desk = try #require(try StreamDesk(plan, clock: SetClock()))
        defer { desk.close() }
        let taking = plan.sources.filter { $0.ingest != nil }.map(\.name)
        #expect(Set(taking) == Set(WebhookTests.webhooks.map(\.stream)))
        func status(
            _ webhook: Webhook, _ signature: String?, body: String? = nil
        ) -> Int {
            var fields = webhook.fields
            if let signature, let field = webhook.signature {
                fields.append((field.name, signature))
            }
            return desk.take([
                IngestRequest(
                    stream: webhook.stream,
                    head: IngestHead(
                        method: "POST", target: "/ingest/\(webhook.stream)", fields: fields),
                    body: Array((body ?? webhook.body).utf8))
            ])[0].status
        }
        for webhook in WebhookTests.webhooks {
            let right = webhook.signature?.value
            #expect(desk.rules(of: webhook.stream)?.isSigned == (right != nil))
            #expect(status(webhook, right) == 200, "\(webhook.stream)")
            guard let right else { continue }
            #expect(status(webhook, nil) == 401, "\(webhook.stream)")
            #expect(status(webhook, String(right.dropLast(2)) + "A=") == 401, "\(webhook.stream)")
            #expect(status(webhook, "") == 401, "\(webhook.stream)")
        }
        // What Square and Shopify sign is the body; NCR and Clover sign no body.
        for webhook in WebhookTests.webhooks.prefix(2) {
            let right = webhook.signature?.value
            #expect(status(webhook, right, body: webhook.body + " ") == 401, "\(webhook.stream)")
        }
    }
}
