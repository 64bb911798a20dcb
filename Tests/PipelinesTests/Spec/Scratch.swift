import Testing

@testable import Pipelines

@Test func scratch() {
    print(
        PlanCommand.run(path: "/work/wt/spec/pipelines.yaml", format: .text, environment: [:]).text)
}
