@testable import StreamRuntime

/// Walks worlds at random from a seed, and makes what breaks a promise as short as it can be.
struct Explorer: Sendable {
    let shape: Shape
    let seed: UInt64

    /// A walk that broke a promise.
    struct Failure: CustomStringConvertible, Sendable {
        var seed: UInt64
        var walk: Int
        var violation: ModelViolation
        var steps: [Step]
        /// What the broker was asked on the way, and answered.
        var story: [String] = []

        var description: String {
            "seed \(seed), walk \(walk): \(violation)\n"
                + steps.enumerated().map { "  \($0 + 1). \($1)" }.joined(separator: "\n")
                + "\nwhat the broker was asked:\n" + story.joined(separator: "\n")
        }
    }

    /// What an exploration found.
    struct Report: CustomStringConvertible, Sendable {
        let seed: UInt64
        var walks = 0
        var distinct = 0
        var steps = 0
        var seen = World.Seen()
        var failure: Failure?

        var description: String { "seed \(seed), \(walks) walks of \(steps) steps, \(seen)" }
    }

    /// Walks `walks` times; stops at the first failure.
    func explore(walks: Int) -> Report {
        var report = Report(seed: seed)
        var paths = Set<UInt64>()
        for walk in 0..<walks {
            var random = WalkRandom(seed: seed, walk: walk)
            var world = World(shape)
            var steps: [Step] = []
            var path: UInt64 = 14_695_981_039_346_656_037
            steps.reserveCapacity(shape.steps)
            var attempts = 0
            while steps.count < shape.steps, attempts < shape.steps * 40, world.violation == nil {
                attempts += 1
                let step = random.step(shape, calls: world.calls.count)
                guard world.apply(step) else { continue }
                steps.append(step)
                path = (path ^ step.number) &* 1_099_511_628_211
            }
            world.comeToRest()
            report.walks += 1
            report.steps += steps.count
            report.seen = report.seen + world.seen
            paths.insert(path)
            if let violation = world.violation {
                let shortest = shrink(steps)
                report.failure = Failure(
                    seed: seed, walk: walk, violation: shortest.violation ?? violation,
                    steps: shortest.steps, story: story(of: shortest.steps))
                break
            }
        }
        report.distinct = paths.count
        return report
    }

    /// The violation that these steps lead to, steps that cannot be done being left out.
    func violation(of steps: [Step]) -> (ModelViolation?, [Step]) {
        var world = World(shape)
        var done: [Step] = []
        for step in steps where world.violation == nil && world.apply(step) { done.append(step) }
        world.comeToRest()
        return (world.violation, done)
    }

    private func story(of steps: [Step]) -> [String] {
        var world = World(shape)
        world.story = []
        for step in steps where world.violation == nil { _ = world.apply(step) }
        world.comeToRest()
        return world.story ?? []
    }

    private func shrink(_ steps: [Step]) -> (violation: ModelViolation?, steps: [Step]) {
        var (best, shortest) = violation(of: steps)
        var size = max(1, shortest.count / 2)
        while true {
            var hasShrunk = false
            var at = 0
            while at < shortest.count {
                var candidate = shortest
                candidate.removeSubrange(at..<min(at + size, candidate.count))
                let (found, done) = violation(of: candidate)
                if found != nil, done.count < shortest.count {
                    shortest = done
                    best = found
                    hasShrunk = true
                } else {
                    at += size
                }
            }
            if size == 1, !hasShrunk { return (best, shortest) }
            size = max(1, size / 2)
        }
    }
}

extension Step {
    /// All of the step in one number.
    fileprivate var number: UInt64 {
        UInt64(kind.rawValue) | UInt64(process) << 8 | UInt64(share) << 16 | UInt64(part) << 24
            | UInt64(call) << 32
    }
}

/// Random steps from a seed.
struct WalkRandom: Sendable {
    private var state: UInt64

    /// A stream of its own for every walk: streams of neighbouring states would only be shifted.
    init(seed: UInt64, walk: Int) {
        state = seed
        state = next() ^ (UInt64(walk) &* 0xD6E8_FEB8_6659_FD93)
        state = next()
    }

    /// - Source: SplitMix64 (Steele, Lea, Flood 2014).
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// How often each kind is tried.
    private static let weights: [(Step.Kind, Int)] = [
        (.boot, 6), (.source, 14), (.sink, 22), (.checkpoint, 5), (.complete, 10), (.restart, 6),
        (.deliver, 40), (.answer, 40), (.heartbeat, 4), (.markers, 6), (.loseReply, 2),
        (.crash, 1), (.pause, 1), (.resume, 1), (.brokerDeath, 1), (.deathInCall, 2),
        (.deathInMarkers, 3), (.expireSessions, 1), (.expireTransactions, 1),
    ]

    private static let table: [Step.Kind] = weights.flatMap {
        [Step.Kind](repeating: $0.0, count: $0.1)
    }

    mutating func step(_ shape: Shape, calls: Int) -> Step {
        let drawn = next()
        let kind = Self.table[Int(drawn & 0xFFFF) % Self.table.count]
        return Step(
            kind, process: Int(drawn >> 16 & 0xFF) % shape.processes,
            share: Int(drawn >> 24 & 0xFF) % shape.shares, part: Int(drawn >> 32 & 3),
            call: calls == 0 ? 0 : Int(drawn >> 40 & 0xFF) % calls)
    }
}
