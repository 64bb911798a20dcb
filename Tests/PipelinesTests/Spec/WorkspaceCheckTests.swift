import Foundation
import Testing

@testable import Pipelines

/// What `validate` says of the files of workspaces that calls name.
@Suite struct WorkspaceCheckTests {
    private func told(_ workspaces: String?, environment: [String: String] = [:]) throws -> String {
        let directory = NSTemporaryDirectory() + "millrace-workspaces-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        try """
        version: 1
        connections:
          topics: {embedded: ./topics}
          crm: {http: {url: "http://127.0.0.1:8089/"}}
        streams:
          events:
            from: {topic: events, connection: topics}
            format: json
            fields: {message_id: string, retailer_id: string, at: timestamp}
            time: {field: at, out_of_orderness: 1s}
            on_error: fail
        pipelines:
          send:
            from: events
            to:
              call: {connection: crm, path: "/send", tenant: retailer_id, workspaces: ./workspaces.yaml}
        """.write(toFile: directory + "/p.yaml", atomically: true, encoding: .utf8)
        try workspaces?.write(
            toFile: directory + "/workspaces.yaml", atomically: true, encoding: .utf8)
        let output = ValidateCommand.run(
            path: directory + "/p.yaml", json: false, environment: environment)
        #expect(output.exitCode == (output.text.contains("no problems") ? 0 : 2))
        return output.text.replacing(directory + "/", with: "")
    }

    @Test func `a file of workspaces is looked into, and its problems told with their lines`()
        throws
    {
        let whole = """
            freshmart:
              headers: {Authorization: "Bearer ${CRM_FRESHMART}"}
              rate_limit: {per_hour: 250000, burst: 70}
            """
        #expect(try told(whole, environment: ["CRM_FRESHMART": "k"]).contains("no problems"))
        let cases: [(text: String?, said: [String])] = [
            (nil, ["p.yaml:16:", "the file of workspaces \"workspaces.yaml\" cannot be read"]),
            (whole, ["workspaces.yaml:2:", "CRM_FRESHMART"]),
            ("freshmart: {headers: [", ["workspaces.yaml:"]),
            ("freshmart:\n  rate_limt: {per_hour: 1}\n", ["workspaces.yaml:2:3", "rate_limt"]),
            ("corner:\n  provider: postal\n", ["workspaces.yaml:2:13", "postal"]),
        ]
        for (text, said) in cases {
            let told = try told(text)
            for part in said { #expect(told.contains(part), "\(told)") }
        }
    }
}
