import Testing

@testable import StreamRuntime

@Suite struct TaskInputsTests {
    private static let table: [(input: Int, element: StreamElement, reached: OrderPlace)] = [
        (0, .watermark(EventTime(micros: 40)), OrderPlace(.earliest)),
        (1, .watermark(EventTime(micros: 30)), OrderPlace(EventTime(micros: 30))),
        (1, .place(place(40, 5)), OrderPlace(EventTime(micros: 40))),
        (0, .place(place(40, 9)), place(40, 5)),
        // The same place again is no news, and nothing goes back.
        (0, .place(place(40, 9)), place(40, 5)),
        (1, .watermark(EventTime(micros: 40)), place(40, 5)),
        (1, .place(place(40, -1)), place(40, 9)),
        (0, .watermark(EventTime(micros: 41)), place(40, -1)),
        // An input that is idle or has ended holds nothing back.
        (1, .idle, OrderPlace(EventTime(micros: 41))),
        (0, .end, OrderPlace(EventTime(micros: 41))),
        (1, .end, OrderPlace(.endOfTime)),
    ]

    private static func place(_ time: Int64, _ offset: Int64) -> OrderPlace {
        OrderPlace(time: time, origin: 3, offset: offset)
    }

    @Test func `a task has reached the place of its slowest live input`() {
        let rings = [Ring(), Ring()]
        var inputs = TaskInputs(rings: rings)
        for (input, element, reached) in TaskInputsTests.table {
            let before = inputs.reached
            let taken = rings[input].offer(element)
            #expect(taken)
            guard case .time(let advanced) = inputs.take() else {
                Issue.record("\(element) moves time")
                return
            }
            #expect(inputs.reached == reached, "after \(element) of input \(input)")
            #expect(advanced == (reached != before))
        }
    }
}
