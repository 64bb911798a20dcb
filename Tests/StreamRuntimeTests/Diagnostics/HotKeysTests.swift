import StreamRuntime
import Testing

@Suite struct HotKeysTests {
    private func keys(_ count: Int, _ make: (Int) -> String) -> KeyColumn {
        let column = Column(.string, capacity: count)
        for row in 0..<count { column.append(make(row)) }
        return KeyEncoder(columns: []).encode([column], count: count)
    }

    @Test func `keys that many rows have are found among very many others, with their share`() {
        let counters = StepCounters()
        let watch = KeyWatch(counters.hotKeys, types: [.string])
        var state: UInt64 = 7
        for _ in 0..<40 {
            watch.look(
                keys(4096) { row in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    switch Int(state >> 33) % 100 {
                    case 0..<30: return "first"
                    case 30..<40: return "second"
                    default: return "other \(state)"
                    }
                })
        }
        let hot = HotKeys.together([counters.hotKeys, StepCounters().hotKeys])
        #expect(hot.map(\.text) == ["first", "second"])
        #expect(abs(hot[0].share - 0.3) < 0.04 && abs(hot[1].share - 0.1) < 0.04)
    }

    @Test func `rows spread over keys have no hot ones, and a few rows tell nothing`() {
        let even = StepCounters()
        let watch = KeyWatch(even.hotKeys, types: [.string])
        for batch in 0..<20 { watch.look(keys(4096) { "key \(($0 + batch * 7) % 1000)" }) }
        #expect(HotKeys.together([even.hotKeys]) == [])
        let few = StepCounters()
        KeyWatch(few.hotKeys, types: [.string]).look(keys(64) { _ in "same" })
        #expect(HotKeys.together([few.hotKeys]) == [])
    }
}
