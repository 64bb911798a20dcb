import StreamRuntime
import Testing

struct EventLagTests {
    private func lag(of times: [Int64], at now: Int64) -> EventLag {
        let lag = EventLag()
        times.withUnsafeBufferPointer { lag.add($0.baseAddress!, count: $0.count, now: now) }
        return lag
    }

    @Test func `a lag is told within a sixteenth of itself`() {
        for micros: Int64 in [0, 1, 15, 16, 17, 100, 999, 1_000, 20_000, 3_600_000_000, 1 << 55] {
            let told = lag(of: [-micros], at: 0).quantile(1)!
            #expect(told >= micros && told - micros <= micros / 16, "\(micros) told as \(told)")
        }
    }

    @Test func `a quantile is the lag that so many rows stay within`() {
        let counted = lag(of: (1...1000).map { -Int64($0) * 100 }, at: 0)
        #expect(counted.count == 1000)
        for (share, micros) in [(0.5, 50_000), (0.99, 99_000), (0.999, 99_900), (1, 100_000)]
            as [(Double, Int64)]
        {
            let told = counted.quantile(share)!
            #expect(told >= micros && told - micros <= micros / 16, "\(share): \(told)")
        }
    }

    @Test func `rows of one moment count one by one, those of the future as no lag`() {
        let counted = lag(of: [5, 5, 5, 5, 900], at: 10)
        #expect(counted.count == 5)
        #expect(counted.quantile(0.2) == 0)
        #expect(counted.quantile(0.9) == 5)
    }

    @Test func `nothing counted has no quantile`() {
        #expect(EventLag().quantile(0.5) == nil)
    }
}
