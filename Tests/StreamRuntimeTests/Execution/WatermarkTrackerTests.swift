import StreamRuntime
import Testing

private func time(_ micros: Int64) -> EventTime { EventTime(micros: micros) }

@Test func `event time is that of the slowest live input`() {
    var tracker = WatermarkTracker(inputs: 2)
    let result1 = tracker.advance(0, to: time(10))
    #expect(!result1)
    let result2 = tracker.advance(1, to: time(4))
    #expect(result2)
    #expect(tracker.combined == time(4))
    let result3 = tracker.advance(1, to: time(20))
    #expect(result3)
    #expect(tracker.combined == time(10))
}

@Test func `an idle input does not hold event time back, and a late return does not turn it back`()
{
    var tracker = WatermarkTracker(inputs: 2)
    _ = tracker.advance(0, to: time(10))
    _ = tracker.advance(1, to: time(4))
    let result4 = tracker.idle(1)
    #expect(result4)
    #expect(tracker.combined == time(10))
    let result5 = tracker.advance(1, to: time(6))
    #expect(!result5)
    #expect(tracker.combined == time(10))
    let result6 = tracker.advance(0, to: time(30))
    #expect(!result6)
    let result7 = tracker.advance(1, to: time(25))
    #expect(result7)
    #expect(tracker.combined == time(25))
}

@Test func `when every input is idle event time is that of the one that came farthest`() {
    var tracker = WatermarkTracker(inputs: 2)
    _ = tracker.advance(0, to: time(10))
    _ = tracker.advance(1, to: time(4))
    _ = tracker.idle(0)
    _ = tracker.idle(1)
    #expect(tracker.combined == time(10))
    #expect(tracker.isIdle)
}

@Test
func `an ended input leaves event time to those still there, and the last end is the end of time`()
{
    var tracker = WatermarkTracker(inputs: 2)
    _ = tracker.advance(0, to: time(10))
    _ = tracker.end(0)
    #expect(tracker.combined == .earliest)
    _ = tracker.advance(1, to: time(3))
    #expect(tracker.combined == time(3))
    let result8 = tracker.end(1)
    #expect(result8)
    #expect(tracker.combined == .endOfTime)
    #expect(tracker.isEnded)
}
