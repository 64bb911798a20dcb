import Testing

@testable import StreamRuntime

@Suite struct ShareProtocolTests {
    private var process = ShareProtocol(isBounded: false)

    @Test
    mutating func `a share runs when it is assigned and is released after its last checkpoint`() {
        #expect(process.receive(.assigned([2, 0])) == [.start(0), .start(2)])
        #expect(process.receive(.revoked([2])) == [.stop(2)])
        #expect(process.owned == [0, 2])
        #expect(process.receive(.ended(share: 2, .stopped)) == [.release([2])])
        #expect(process.owned == [0])
        #expect(process.active == [0])
    }

    @Test mutating func `shares revoked together are released together`() {
        _ = process.receive(.assigned([0, 1, 2]))
        #expect(process.receive(.revoked([1, 2])) == [.stop(1), .stop(2)])
        #expect(process.receive(.ended(share: 2, .stopped)) == [])
        #expect(process.receive(.ended(share: 1, .restartable)) == [.release([1, 2])])
    }

    @Test mutating func `a lost share is abandoned, and started anew only after its job has ended`()
    {
        _ = process.receive(.assigned([0]))
        #expect(process.receive(.lost([0])) == [.abandon(0), .release([0])])
        #expect(process.receive(.assigned([0])) == [])
        #expect(process.receive(.ended(share: 0, .failed)) == [.start(0)])
    }

    @Test mutating func `a share that comes back while it is being stopped is started again`() {
        _ = process.receive(.assigned([0]))
        _ = process.receive(.revoked([0]))
        #expect(process.receive(.assigned([0])) == [])
        #expect(process.receive(.ended(share: 0, .stopped)) == [.start(0)])
    }

    @Test mutating func `a share that can go on is tried again after a pause, but not for ever`() {
        process = ShareProtocol(isBounded: false, attemptsMax: 2)
        _ = process.receive(.assigned([0, 1]))
        for _ in 0..<2 {
            #expect(process.receive(.ended(share: 0, .restartable)) == [.pause(0)])
            #expect(process.receive(.pauseOver(share: 0)) == [.start(0)])
        }
        #expect(process.receive(.ended(share: 0, .restartable)) == [.stop(1)])
        #expect(process.receive(.ended(share: 1, .stopped)) == [.leave(failed: 0)])
    }

    @Test mutating func `a committed checkpoint makes earlier failures forgotten`() {
        process = ShareProtocol(isBounded: false, attemptsMax: 1)
        _ = process.receive(.assigned([0]))
        for _ in 0..<3 {
            #expect(process.receive(.ended(share: 0, .restartable)) == [.pause(0)])
            #expect(process.receive(.pauseOver(share: 0)) == [.start(0)])
            process.noteProgress(of: 0)
        }
    }

    @Test mutating func `a fenced share waits for the group's word before it is tried again`() {
        _ = process.receive(.assigned([0, 1]))
        #expect(process.receive(.ended(share: 0, .fenced)) == [.pause(0)])
        #expect(process.receive(.lost([0, 1])) == [.abandon(1), .release([0, 1])])
        #expect(process.receive(.pauseOver(share: 0)) == [])
        #expect(process.receive(.ended(share: 1, .failed)) == [])

        _ = process.receive(.assigned([0]))
        #expect(process.receive(.ended(share: 0, .fenced)) == [.pause(0)])
        #expect(process.receive(.pauseOver(share: 0)) == [.start(0)])
    }

    @Test
    mutating func `asked to stop, every share gets its last checkpoint before the group is left`() {
        _ = process.receive(.assigned([0, 1]))
        #expect(process.receive(.stopAsked) == [.stop(0), .stop(1)])
        #expect(process.receive(.assigned([3])) == [])
        #expect(process.receive(.ended(share: 1, .stopped)) == [])
        #expect(process.receive(.ended(share: 0, .stopped)) == [.leave(failed: nil)])
        #expect(process.receive(.assigned([0])) == [])
    }

    @Test mutating func `a process without shares stops at once`() {
        #expect(process.receive(.stopAsked) == [.leave(failed: nil)])
    }

    @Test mutating func `a bounded run ends when all its shares have finished`() {
        process = ShareProtocol(isBounded: true)
        _ = process.receive(.assigned([0, 1]))
        #expect(process.receive(.ended(share: 0, .finished)) == [])
        #expect(process.receive(.assigned([2])) == [.start(2), .start(0)])
        #expect(process.receive(.ended(share: 0, .finished)) == [])
        #expect(process.receive(.ended(share: 1, .finished)) == [])
        #expect(process.receive(.ended(share: 2, .finished)) == [.leave(failed: nil)])
    }

    @Test mutating func `what was finished is released without a job`() {
        process = ShareProtocol(isBounded: true)
        _ = process.receive(.assigned([0, 1]))
        _ = process.receive(.ended(share: 0, .finished))
        #expect(process.receive(.revoked([0])) == [.release([0])])
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `no share ever runs that is not owned or being ended, whatever happens`(seed: UInt64) {
        var random = TestRandom(seed: seed)
        for _ in 0..<300 {
            var process = ShareProtocol(isBounded: false)
            var jobs: Set<Int> = []
            var paused: Set<Int> = []
            var given: Set<Int> = []
            var isRevoking = false
            for _ in 0..<60 {
                let event: ShareProtocol.Event
                let share = random.next(3)
                switch random.next(6) {
                case 0 where !given.contains(share):
                    given.insert(share)
                    event = .assigned([share])
                case 1 where given.contains(share) && !isRevoking:
                    isRevoking = true
                    event = .revoked([share])
                case 2 where !given.isEmpty && random.next(4) == 0:
                    event = .lost(given.sorted())
                    given = []
                    isRevoking = false
                case 3 where paused.contains(share):
                    paused.remove(share)
                    event = .pauseOver(share: share)
                case 4, 5:
                    guard jobs.remove(share) != nil else { continue }
                    let endings: [ShareProtocol.Ending] = [.stopped, .restartable, .fenced]
                    event = .ended(share: share, endings[random.next(3)])
                default: continue
                }
                for action in process.receive(event) {
                    switch action {
                    case .start(let share):
                        #expect(jobs.insert(share).inserted, "started twice, seed \(seed)")
                        #expect(given.contains(share), "started unowned, seed \(seed)")
                    case .release(let shares):
                        if isRevoking {
                            isRevoking = false
                            #expect(jobs.isDisjoint(with: shares), "released, runs, seed \(seed)")
                        }
                        given.subtract(shares)
                    case .pause(let share): paused.insert(share)
                    case .stop(let share), .abandon(let share):
                        #expect(jobs.contains(share), "ended without a job, seed \(seed)")
                    case .leave: break
                    }
                }
                #expect(jobs == Set(process.active), "seed \(seed)")
                if process.receive(.assigned([])) != [] { Issue.record("nothing gave actions") }
            }
        }
    }
}
