import StreamRuntime

/// What the machine gives: plain arithmetic on one thread and on two. Two virtual cores often are halves of one, so
/// figures of two workers are to be read against these.
enum CoreBenchmarks {
    /// Prints how much more two threads do than one, three times.
    static func run() throws {
        for _ in 0..<3 {
            let one = try seconds(threads: 1)
            let two = try seconds(threads: 2)
            print(
                "arithmetic in registers: two threads do \(text(2 * one / two)) times what one does "
                    + "(\(text(one)) s, \(text(two)) s)")
        }
    }

    private static func text(_ value: Double) -> String {
        "\((value * 100).rounded() / 100)"
    }

    private static func seconds(threads: Int) throws -> Double {
        let clock = SystemClock()
        let began = clock.nanos
        let running = try (0..<threads).map { number in
            try BenchmarkThread { sink(work(UInt64(number))) }
        }
        for thread in running { thread.join() }
        return Double(clock.nanos - began) / 1e9
    }

    /// Six chains of arithmetic beside each other, as many as a core can take at once.
    private static func work(_ seed: UInt64) -> UInt64 {
        var a = seed &+ 88_172_645_463_325_252
        var (b, c, d, e, f) = (a &+ 1, a &+ 2, a &+ 3, a &+ 5, a &+ 9)
        for _ in 0..<200_000_000 {
            a ^= a << 13
            b ^= b << 13
            c ^= c << 13
            d ^= d << 13
            e &+= e >> 3
            f &+= f >> 3
            a ^= a >> 7
            b ^= b >> 7
            c ^= c >> 7
            d ^= d >> 7
            e ^= a
            f ^= b
        }
        return a ^ b ^ c ^ d ^ e ^ f
    }

    /// Keeps the work from being left out.
    @inline(never)
    private static func sink(_ value: UInt64) {
        if value == 0 { print("nothing is left") }
    }
}
