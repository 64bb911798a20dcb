import Foundation
import StreamRuntime
import Testing

@testable import Connectors

/// What a lookup was answered, on disk.
@Suite struct LookupJournalTests {
    private static let terms = LookupTerms(foundMicros: 100, missingMicros: 10)

    private func question(_ key: UInt8, _ time: Int64) -> LookupQuestion {
        LookupQuestion(number: 0, key: [key], hash: 0, parts: [.integer(Int64(key))], time: time)
    }

    private func directory() -> String {
        NSTemporaryDirectory() + "millrace-journal-\(UUID().uuidString)"
    }

    private func open(
        _ directory: String, others: [String] = [], definition: Int64 = 1
    ) throws -> LookupJournal {
        try LookupJournal(
            directory, others: others, definition: definition, terms: Self.terms)
    }

    @Test func `an answer holds in its cell, for its key and its question`() throws {
        let place = directory()
        defer { try? FileManager.default.removeItem(atPath: place) }
        do {
            let journal = try open(place)
            try journal.write(
                [
                    (question(1, 150), .found([0x7B, 0x7D])), (question(2, 155), .missing),
                    (question(3, 155), .failed("down")),
                ], at: 7)
            #expect(try journal.answer(to: question(1, 100)) == .found([0x7B, 0x7D]))
        }
        let journal = try open(place)
        #expect(try journal.answer(to: question(1, 199)) == .found([0x7B, 0x7D]))
        #expect(try journal.answer(to: question(1, 200)) == nil)
        #expect(try journal.answer(to: question(2, 150)) == .missing)
        #expect(try journal.answer(to: question(2, 160)) == nil)
        #expect(try journal.answer(to: question(3, 155)) == .failed("down"))
        #expect(try journal.answer(to: question(3, 156)) == nil)
        #expect(try journal.answer(to: question(4, 150)) == nil)
    }

    @Test func `answers to another question do not count`() throws {
        let place = directory()
        defer { try? FileManager.default.removeItem(atPath: place) }
        do { try open(place).write([(question(1, 0), .missing)], at: 0) }
        #expect(try open(place, definition: 2).answer(to: question(1, 0)) == nil)
    }

    @Test func `journals of other runs count first, and are only read`() throws {
        let (live, own) = (directory(), directory())
        defer { for place in [live, own] { try? FileManager.default.removeItem(atPath: place) } }
        let writer = try open(live)
        try writer.write([(question(1, 0), .found([1]))], at: 0)
        // The live job goes on meanwhile.
        let journal = try open(own, others: [live, live + "-none"])
        try journal.write([(question(2, 0), .found([2]))], at: 0)
        #expect(try journal.answer(to: question(1, 0)) == .found([1]))
        #expect(try journal.answer(to: question(2, 0)) == .found([2]))
        #expect(try writer.answer(to: question(2, 0)) == nil)
    }

    @Test func `a journal takes from another what it has not`() throws {
        let (live, replay) = (directory(), directory())
        defer {
            for place in [live, replay] { try? FileManager.default.removeItem(atPath: place) }
        }
        do { try open(live).write([(question(1, 0), .found([1]))], at: 0) }
        do {
            try open(replay).write(
                [(question(1, 0), .found([9])), (question(2, 0), .missing)], at: 0)
        }
        for _ in 0..<2 { try LookupJournal.merge(replay, into: live) }
        let journal = try open(live)
        #expect(try journal.answer(to: question(1, 0)) == .found([1]))
        #expect(try journal.answer(to: question(2, 5)) == .missing)
    }

    @Test func `answers of cells that are over are forgotten, and it is known that they were`()
        throws
    {
        let place = directory()
        defer { try? FileManager.default.removeItem(atPath: place) }
        do {
            let journal = try open(place)
            let all = (0..<10).map { (question(1, Int64($0) * 100), LookupAnswer.Outcome.missing) }
            try journal.write(all + [(question(2, 320), .failed("down"))], at: 0)
            #expect(!journal.hasForgotten(question(1, -1000)))
            try journal.trim(before: 399)
            #expect(journal.horizon == 399)
            #expect(try journal.answer(to: question(1, 299)) == nil)
            // The cell that begins at 300 ends at 400.
            #expect(try journal.answer(to: question(1, 301)) == .missing)
            #expect(try journal.answer(to: question(2, 320)) == .failed("down"))
            try journal.trim(before: 400)
            #expect(try journal.answer(to: question(1, 301)) == nil)
            #expect(try journal.answer(to: question(1, 401)) == .missing)
            #expect(journal.hasForgotten(question(1, 399)))
            #expect(!journal.hasForgotten(question(1, 400)))
            // An answer that is given again counts until the next time.
            try journal.write([(question(1, 350), .found([1]))], at: 0)
            #expect(try journal.answer(to: question(1, 301)) == .found([1]))
        }
        let journal = try open(place)
        #expect(journal.horizon == 400)
        let former = directory()
        defer { try? FileManager.default.removeItem(atPath: former) }
        let replay = try open(former, others: [place])
        #expect(replay.hasForgotten(question(1, 399)))
    }

    @Test func `answers to former questions are forgotten with those to this one`() throws {
        let place = directory()
        defer { try? FileManager.default.removeItem(atPath: place) }
        do {
            try open(place, definition: .min).write([(question(1, 0), .missing)], at: 0)
            let former = try open(place, definition: -1)
            try former.write([(question(1, 0), .missing), (question(1, 500), .missing)], at: 0)
        }
        do { try open(place).trim(before: 200) }
        do {
            let former = try open(place, definition: -1)
            #expect(try former.answer(to: question(1, 0)) == nil)
            #expect(try former.answer(to: question(1, 500)) == .missing)
        }
        #expect(try open(place, definition: .min).answer(to: question(1, 0)) == nil)
    }
}
