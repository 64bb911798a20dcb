import Testing

@testable import Pipelines

@Suite struct TenMistakesTests {
    @Test func `a file with ten different mistakes gives ten errors at the right line and column`()
    {
        let text = """
            version: 1
            connections:
              local: {embedded: ./topics}
              crm: {kafka: {bootstrap: "broker:9092", properties: {sasl.password: hunter2}}}
            streams:
              orders:
                from: {topic: orders, conection: local}
                format: jsn
                fields: {order_id: string, user_id: int46, amount: "decimal(12,2)", ts: timestamp}
                time: {field: ts, out_of_orderness: 5}
                on_error: {dead_letter: orders.rejected}
              clicks:
                from: {topic: clicks, connection: local}
                format: json
                fields: {user_id: int64, page: string, at: timestamp}
                time: {field: at, out_of_orderness: 5s}
                on_error: drop
            pipelines:
              pages:
                from: clicks
                steps:
                  - filter: pgae = 'home'
                to: {topic: pages, connection: locl}
              busy:
                from: clicks
                steps:
                  - filtre: user_id > 10
                to: {topic: busy, connection: local}
              per_minute:
                from: click
                steps:
                  - aggregate:
                      id: minute
                      by: user_id
                      window: {tumble: 1m}
                      select: {clicks: count(*)}
                to: {topic: minutes, connection: local}
            """
        let found = problems(text)
        #expect(
            found == [
                "E114 4:71", "E106 7:27", "E109 8:13", "E112 9:41", "E110 10:41", "E301 22:17",
                "E201 23:36", "E117 27:9", "E202 30:11", "E107 32:9",
            ])
    }

    @Test func `a problem is shown with its place, its line, a mark and the fix`() {
        let file = planned("version: 1\nstreams: {}\npipelnes:\n  a: {from: b}\n")
        #expect(
            Validate.output(file, json: false).text == """
                pipelines.yaml:1:1: error[E107]: the file has none of: pipelines, feature_views, on_demand, include
                    1 | version: 1
                      | ^
                  fix: add at least one of: pipelines, feature_views, on_demand, include

                pipelines.yaml:2:1: error[E108]: "streams" is empty
                    2 | streams: {}
                      | ^~~~~~~
                  fix: declare at least one stream

                pipelines.yaml:3:1: error[E106]: unknown key "pipelnes" in the file
                    3 | pipelnes:
                      | ^~~~~~~~
                  fix: write "pipelines"; keys: version, include, job, connections, streams, pipelines, online, \
                entities, feature_views, push_sources, on_demand, services, tests

                3 errors in pipelines.yaml

                """)
    }
}

/// A file planned with no environment, and with these files to include.
func planned(
    _ text: String, environment: [String: String] = [:], included: [String: String] = [:]
) -> PlannedFile {
    PlannedFile(
        file: "pipelines.yaml", text: text,
        variables: Variables(environment: environment, readFile: { _ in nil }),
        include: { included[$0].map { .text($0) } ?? .failed("No such file or directory") })
}

/// The file with a mistake, and the one it includes.
func planned(_ example: ErrorExample) -> PlannedFile {
    planned(example.text, included: example.included.map { ["shop.yaml": $0] } ?? [:])
}

/// Code and place of each problem.
func problems(_ text: String, environment: [String: String] = [:]) -> [String] {
    planned(text, environment: environment).problems.map {
        "\($0.code.rawValue) \($0.position.line):\($0.position.column)"
    }
}
