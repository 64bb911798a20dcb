import Operators
import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct RollingPlanTests {
    private func file(_ settings: String) -> PlannedFile {
        planned(
            ErrorExample.base.replacing(
                "- filter: amount > 100",
                with:
                    "- rolling: {id: r, by: user_id, select: {\"n_{over}\": count(*)}, \(settings)}"
            ))
    }

    @Test(arguments: [
        ("over: 30d, grain: 1d, delay: 1h", "a rolling step with a grain cannot have a delay"),
        ("over: [1m, 30d], grain: 1h", "a window of 1m is shorter than a grain of 1h"),
        ("over: 30d, grain: 1m", "30d has more than 10000 grains of 1m"),
        ("over: 30d, grain: 0s", "\"grain\" cannot be 0s"),
    ])
    func `a grain that fits no window is told`(settings: String, message: String) {
        #expect(file(settings).problems.map(\.message) == [message])
    }

    @Test func `a step with a grain keeps tiles, and says so in the plan`() throws {
        let plan = try #require(file("over: [1h, 30d], grain: 1h").plan)
        let step = try #require(plan.steps.first { $0.verb == "rolling" })
        #expect(step.schema.fields.suffix(2).map(\.name) == ["n_1h", "n_30d"])
        #expect(try StepFactory.makeOperator(step) is TiledSums)
        #expect(step.needsOrderedInput)
        #expect(plan.text(previous: nil).contains("in tiles of 1h"))
    }
}
