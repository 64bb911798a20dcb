import StreamRuntime
import Testing

@Test func `a task snapshots when the last of its inputs shows the barrier`() {
    var aligner = BarrierAligner(inputs: 3)
    let result1 = aligner.receive(checkpoint: 7, on: 1)
    #expect(result1 == .pause(input: 1))
    #expect(aligner.isPaused(1))
    #expect(!aligner.isPaused(0))
    let result2 = aligner.receive(checkpoint: 7, on: 0)
    #expect(result2 == .pause(input: 0))
    let result3 = aligner.receive(checkpoint: 7, on: 2)
    #expect(result3 == .snapshot(checkpoint: 7))
    #expect((0..<3).allSatisfy { !aligner.isPaused($0) })
}

@Test func `a task with one input snapshots at once, checkpoint after checkpoint`() {
    var aligner = BarrierAligner(inputs: 1)
    for checkpoint in Int64(1)...3 {
        let result4 = aligner.receive(checkpoint: checkpoint, on: 0)
        #expect(result4 == .snapshot(checkpoint: checkpoint))
    }
}

@Test func `reading a paused input is a bug and traps`() async {
    await #expect(processExitsWith: .failure) {
        var aligner = BarrierAligner(inputs: 2)
        _ = aligner.receive(checkpoint: 1, on: 0)
        _ = aligner.receive(checkpoint: 1, on: 0)
    }
}
