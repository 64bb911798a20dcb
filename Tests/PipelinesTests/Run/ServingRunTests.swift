import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// Files that have nothing to read.
@Suite struct ServingRunTests {
    @Test(.timeLimit(.minutes(1)))
    func
        `a file without inputs is served until it is stopped, and not at all to the end of its input`()
        throws
    {
        let directory = NSTemporaryDirectory() + "millrace-serving-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let text = """
            version: 1
            job: {state: \(directory), serve: {host: 127.0.0.1, port: 0}}
            entities:
              user: {keys: {user_id: int64}}
            feature_views:
              account: {entity: user, features: [{name: limit_eur, type: double}]}

            """
        for (untilEnd, asked) in [(false, 4), (true, 0)] {
            let file = PlannedFile(
                file: "pipelines.yaml", text: text,
                variables: Variables(environment: [:], readFile: { _ in nil }))
            let runner = JobRunner(
                plan: try #require(file.plan, "\(file.problems)"),
                options: RunOptions(untilEnd: untilEnd, workers: 1, serves: false, isQuiet: true))
            var asks = 0
            let summary = try runner.run {
                asks += 1
                return asks >= 4
            }
            #expect(summary.rows == 0 && asks == asked)
        }
    }
}
