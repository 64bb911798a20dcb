import Foundation
import Testing

@testable import Pipelines

@Suite struct IncludeTests {
    private static let streams = """
        streams:
          orders:
            from: {topic: orders, connection: local}
            format: json
            fields: {order_id: string, amount: int64, ts: timestamp}
            time: {field: ts, out_of_orderness: 5s}
            on_error: drop

        """
    private static let pipelines = """
        pipelines:
          large:
            from: orders
            steps:
              - filter: amount > 100
            to: {topic: orders.large}

        """
    private static let head = """
        version: 1
        connections: {local: {embedded: ./topics}}

        """

    @Test func `files that are included make the same plan as one file`() throws {
        let one = planned(IncludeTests.head + IncludeTests.streams + IncludeTests.pipelines)
        let several = planned(
            IncludeTests.head + "include: [shop/streams.yaml, shop/large.yaml]\n",
            included: [
                "shop/streams.yaml": IncludeTests.streams,
                "shop/large.yaml": IncludeTests.pipelines,
            ])
        #expect(several.problems.map { $0.rendered(in: several.source) } == [])
        #expect(one.plan?.fingerprint == several.plan?.fingerprint)
        let step = try #require(several.plan?.steps.first)
        #expect(step.place == "shop/large.yaml, line 5")
        let before = try #require(one.plan)
        #expect(
            PlanChanges(from: before.json.text, to: try #require(several.plan)).lines
                == ["changes since the last run: none"])
    }

    @Test func `a problem in an included file is shown with that file's line`() {
        let file = planned(
            IncludeTests.head + "include: [large.yaml]\n" + IncludeTests.streams,
            included: [
                "large.yaml": IncludeTests.pipelines.replacing("amount > 100", with: "amuont > 100")
            ])
        #expect(
            file.problems.map { $0.rendered(in: file.source) } == [
                """
                large.yaml:5:17: error[E301]: unknown column "amuont"
                    5 |       - filter: amuont > 100
                      |                 ^~~~~~
                  fix: write "amount"

                """
            ])
    }

    @Test(arguments: [
        (
            "twice: {included: 1}\n" + pipelines,
            "large.yaml:1:1: error[E106]: unknown key \"twice\" in the file"
        ),
        (
            "include: [other.yaml]\n" + pipelines,
            "large.yaml:1:1: error[E120]: \"include\" stands in an included file"
        ),
        (
            pipelines + "streams:\n" + "  orders: {}\n",
            "large.yaml:8:3: error[E208]: \"orders\" is declared in two files"
        ), ("- a\n", "large.yaml:1:1: error[E108]: the file is a list"),
        ("\tpipelines: {}\n", "large.yaml:1:1: error[E102]: a tab in the indentation"),
        ("", "large.yaml:1:1: error[E107]: the file is empty"),
    ])
    func `a mistake in an included file is told of there`(text: String, says: String) {
        let file = planned(
            IncludeTests.head + "include: [large.yaml]\n" + IncludeTests.streams,
            included: ["large.yaml": text])
        let told = file.problems.map { $0.rendered(in: file.source) }
        #expect(told.contains { $0.hasPrefix(says) }, "\(told)")
    }

    @Test func `a name in two files is shown with both places`() {
        let file = planned(
            IncludeTests.head + "include: [large.yaml]\n" + IncludeTests.streams
                + IncludeTests.pipelines,
            included: ["large.yaml": IncludeTests.pipelines])
        #expect(file.problems.map(\.code) == [.repeatedName])
        #expect(file.problems.first?.notes == ["it is first declared in pipelines.yaml:12:3"])
        #expect(file.problems.first?.position.file == 1)
    }

    @Test func `an included file that is not there is told of where it is named`() {
        let file = planned(
            IncludeTests.head + "include: [no.yaml]\n" + IncludeTests.streams
                + IncludeTests.pipelines)
        #expect(
            file.problems.map { $0.rendered(in: file.source) } == [
                """
                pipelines.yaml:3:11: error[E100]: the included file no.yaml cannot be read: No such file or directory
                    3 | include: [no.yaml]
                      |           ^~~~~~~
                  fix: create it, or correct the path: it is relative to the file that includes it

                """
            ])
    }

    @Test func `included files are found beside the file that includes them`() throws {
        let place = FileManager.default.temporaryDirectory.appendingPathComponent(
            "millrace-include-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: place.appendingPathComponent("shop"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: place) }
        let entry = place.appendingPathComponent("pipelines.yaml").path
        try Data(
            (IncludeTests.head + "include: [shop/large.yaml]\n" + IncludeTests.streams).utf8
        ).write(to: URL(fileURLWithPath: entry))
        try Data(IncludeTests.pipelines.utf8).write(
            to: place.appendingPathComponent("shop/large.yaml"))
        #expect(ValidateCommand.run(path: entry, json: false, environment: [:]).exitCode == 0)
        let plan = PlanCommand.run(path: entry, format: .text, environment: [:])
        #expect(plan.text.contains("(\(place.path)/shop/large.yaml, line 5)"))
    }
}
