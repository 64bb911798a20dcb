import FeatureServe
import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct AuditTests {
    @Test func `lookups of a running job are sampled, and agree with its feature log`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        let text = try String(contentsOfFile: place.file, encoding: .utf8)
        try text.replacingOccurrences(
            of: "job: {name: shop,", with: "job: {name: shop, serve: {log: {sample: 100%}},"
        ).write(toFile: place.file, atomically: true, encoding: .utf8)
        try place.append(60, from: 0)
        let ran = RunCommand.run(
            path: place.file,
            options: RunOptions(untilEnd: true, workers: 1, serves: false, isQuiet: true))
        #expect(ran == 0)
        var options = AuditCommand.Options()
        options.file = place.file
        #expect(AuditCommand.run(options).text.contains("no served features were logged"))

        let plan = try #require(
            PlannedFile(path: place.file, environment: [:], only: []).plan)
        let metrics = MetricsRegistry()
        let writer = try #require(try ServedLogWriter(plan, metrics: metrics))
        do {
            let store = try OnlineStores.open(plan, budget: 8 << 20)
            var serving = FeatureServer.Options()
            serving.port = 0
            serving.served = writer.log
            let server = FeatureServer(store: store, metrics: metrics, options: serving)
            let port = try server.start()
            for user in 0..<9 {
                _ = try Lookup.onServer(
                    port: port, catalog: store.catalog, view: "spending", keys: ["u\(user)"])
            }
            server.stop()
        }
        writer.stop()
        options.json = true
        let output = AuditCommand.run(options)
        #expect(output.exitCode == 0, "\(output.text)")
        #expect(output.text.contains("\"rows\": 9"), "\(output.text)")
        #expect(output.text.contains("\"equal\": 9"), "\(output.text)")
        #expect(output.text.contains("\"wrong\": null"), "\(output.text)")
        options.views = ["spendin"]
        #expect(AuditCommand.run(options).text.contains("spending"))
    }
}
