import Foundation
import Synchronization
import Testing

@testable import StreamRuntime

@Suite struct SharedCheckpointTests {
    let scratch = ScratchDirectory()
    private let archive = MemoryArchive()

    private func machine(_ name: String) -> String { scratch.path + "/" + name }

    @Test func `a machine without state of its own goes on where another stopped`() throws {
        do {
            let job = try SharedJob(machine("one"), archive)
            try job.set("b", 7)
            for number in 1...3 { try job.checkpoint(Int64(number)) }
            try job.set("a", 99)
        }
        let job = try SharedJob(machine("two"), archive)
        #expect(job.restored == 3)
        #expect(job.storage.restored?.positions == ["in/0": [3]])
        #expect(job.storage.restored?.tokens == ["out": [3]])
        #expect(try job.number("a") == 3)
        #expect(try job.number("b") == 7)
        #expect(job.storage.skipped == [])
        try job.checkpoint(4)
        #expect(try SharedJob(machine("three"), archive).number("a") == 4)
    }

    @Test func `a machine that stopped and comes back takes what another has done since`() throws {
        do {
            let one = try SharedJob(machine("one"), archive)
            for key in 0..<100 { try one.set("key \(key)", Int64(key)) }
            try one.checkpoint(1)
        }
        let own = archive.names
        do {
            let two = try SharedJob(machine("two"), archive)
            for number in 2...5 { try two.checkpoint(Int64(number)) }
        }
        let before = archive.contents.withLock { $0.downloads.count }
        let one = try SharedJob(machine("one"), archive)
        #expect(one.restored == 5)
        #expect(try one.number("a") == 5)
        // What it has itself is not fetched again.
        let downloads = archive.contents.withLock { $0.downloads.dropFirst(before) }
        #expect(!downloads.isEmpty)
        #expect(Set(downloads).isDisjoint(with: own))
    }

    @Test(arguments: MemoryArchive.Fault.allCases)
    func `a kill at any request leaves one checkpoint that all machines agree on`(
        fault: MemoryArchive.Fault
    ) throws {
        var outcomes: Set<Int64> = []
        var step = 0
        while true {
            let archive = MemoryArchive()
            let home = machine("\(fault)-\(step)")
            do {
                let job = try SharedJob(home, archive)
                try job.checkpoint(1)
            }
            let isKilled: Bool
            do {
                let dying = MemoryArchive(archive, killedAt: step, fault)
                let job = try SharedJob(home, dying, retained: 1)
                isKilled = (try? job.checkpoint(2)) == nil
            }
            let other = try SharedJob(home + "-other", archive)
            let same = try SharedJob(home, archive)
            #expect(same.restored == other.restored, "\(step)")
            #expect(try same.number("a") == same.restored)
            #expect(try other.number("a") == other.restored)
            outcomes.insert(try #require(same.restored))
            // The number is free again, and the next checkpoint is as good as any.
            let next = try #require(same.restored) + 1
            try same.checkpoint(next)
            #expect(try SharedJob(home + "-third", archive).number("a") == next)
            if !isKilled && step > 6 { break }
            step += 1
        }
        #expect(outcomes == [1, 2])
    }

    @Test func `a request that failed is repeated without sending files again`() throws {
        let flaky = FlakyArchive(archive)
        let job = try SharedJob(machine("one"), flaky)
        try job.set("a", 1)
        _ = try job.complete(1)
        for failing in [0, 1, 1] {
            flaky.failing.withLock { $0 = failing }
            let failure = #expect(throws: JobFailure.self) { try job.storage.publish(1) }
            #expect(failure?.recovery == .retry(afterMillis: 5000))
        }
        flaky.failing.withLock { $0 = .max }
        try job.storage.publish(1)
        let uploads = archive.contents.withLock { $0.uploads }
        #expect(Set(uploads).count == uploads.count)
        #expect(try SharedJob(machine("two"), archive).number("a") == 1)
    }

    @Test func `a sorted file is sent once and shared by later checkpoints`() throws {
        let job = try SharedJob(machine("one"), archive)
        for key in 0..<500 { try job.set("key \(key)", Int64(key)) }
        for number in 1...4 { try job.checkpoint(Int64(number)) }
        let uploads = archive.contents.withLock { $0.uploads }
        #expect(!uploads.isEmpty)
        #expect(Set(uploads).count == uploads.count)
    }

    @Test(arguments: ["manifest cut", "manifest changed", "manifest gone", "file cut", "file gone"])
    func `a damaged checkpoint is passed over and named, but never one that was committed`(
        damage: String
    ) throws {
        for transaction in [nil, NamedTransaction()] {
            let archive = MemoryArchive()
            do {
                let job = try SharedJob(
                    machine("\(damage) \(transaction == nil)"), archive, transaction: transaction)
                for number in 1...2 { try job.checkpoint(Int64(number)) }
            }
            let newest = try #require(archive.names.last { $0.hasPrefix("orders/checkpoints/2-") })
            // A file that only the newest checkpoint has.
            let shared = SharedCheckpoints(archive, scope: "orders/", job: "orders")
            let files = try shared.manifests().map { try shared.manifest($0.id).manifest }
            let own = shared.objects(files[0]).subtracting(shared.objects(files[1]))
            let file = try #require(own.sorted().first)
            archive.contents.withLock { contents in
                switch damage {
                case "manifest cut": contents.objects[newest]!.bytes.removeLast(5)
                case "manifest changed": contents.objects[newest]!.bytes[40] ^= 1
                case "manifest gone": contents.objects[newest] = nil
                case "file cut": contents.objects[file]!.bytes.removeLast()
                default: contents.objects[file] = nil
                }
            }
            let other = machine("other \(damage) \(transaction == nil)")
            if transaction != nil {
                let failure = #expect(throws: JobFailure.self) {
                    try SharedJob(other, archive, transaction: transaction)
                }
                #expect(failure?.kind == .corruption)
                #expect(failure?.problem.contains("checkpoint 2-") == true)
                continue
            }
            let job = try SharedJob(other, archive)
            #expect(job.restored == 1)
            #expect(try job.number("a") == 1)
            #expect(job.storage.skipped.count == 1)
            #expect(job.storage.skipped[0].problem.contains("checkpoint 2-"))
            try job.checkpoint(2)
            #expect(try SharedJob(other + "-next", archive).number("a") == 2)
        }
    }

    @Test func `only what the transaction has committed counts, whatever the store holds`() throws {
        let transaction = NamedTransaction()
        do {
            let job = try SharedJob(machine("one"), archive, transaction: transaction)
            try job.checkpoint(1)
            // The process dies between the manifest and the commit.
            try job.set("a", 2)
            _ = try job.complete(2)
            try job.storage.publish(2)
        }
        #expect(!archive.names.contains { $0.contains("/claims/") })
        do {
            let job = try SharedJob(machine("two"), archive, transaction: transaction)
            #expect(job.restored == 1)
            #expect(try job.number("a") == 1)
            try job.set("b", 1)
            try job.checkpoint(2)
        }
        for name in ["one", "two", "three"] {
            let job = try SharedJob(machine(name), archive, transaction: transaction)
            #expect(job.restored == 2)
            #expect(try job.number("b") == 1, "the second one of this number")
        }
    }

    @Test func `a transaction that forgot what the store proves is an error`() throws {
        let transaction = NamedTransaction()
        do {
            let job = try SharedJob(machine("one"), archive, transaction: transaction)
            for number in 1...3 { try job.checkpoint(Int64(number)) }
        }
        let failure = #expect(throws: JobFailure.self) {
            try SharedJob(machine("two"), archive, transaction: NamedTransaction())
        }
        #expect(failure?.problem.contains("it was 2 or a newer one") == true)
        let without = #expect(throws: JobFailure.self) { try SharedJob(machine("two"), archive) }
        #expect(without?.problem.contains("count only by the Kafka transactions") == true)
        // A first checkpoint that was never committed proves nothing.
        let fresh = MemoryArchive()
        do {
            let job = try SharedJob(machine("f"), fresh, transaction: NamedTransaction())
            _ = try job.complete(1)
            try job.storage.publish(1)
        }
        #expect(try SharedJob(machine("g"), fresh, transaction: NamedTransaction()).restored == nil)
    }

    @Test func `of two processes that run one job, one is told and harms nothing`() throws {
        let one = try SharedJob(machine("one"), archive, retained: 2)
        try one.checkpoint(1)
        let two = try SharedJob(machine("two"), archive, retained: 2)
        for number in 2...9 { try two.checkpoint(Int64(number)) }
        let before = archive.names
        try one.set("a", 200)
        _ = try one.complete(2)
        // Its number is long gone, and with it the claim: what it writes must still be nobody's.
        let failure = #expect(throws: JobFailure.self) { try one.storage.publish(2) }
        #expect(failure?.problem.contains("another process runs job \"orders\"") == true)
        #expect(failure?.recovery == .stopAndAsk)
        #expect(Set(before).isSubset(of: archive.names))
        #expect(try SharedJob(machine("three"), archive).number("a") == 9)
    }

    @Test func `a directory from before there was a store is taken into it`() throws {
        do {
            let job = try SharedJob(machine("one"), nil)
            for number in 1...2 { try job.checkpoint(Int64(number)) }
        }
        #expect(try SharedJob(machine("one"), archive).restored == 2)
        #expect(try SharedJob(machine("two"), archive).number("a") == 2)
    }

    @Test func `another job's checkpoints are refused`() throws {
        do { try SharedJob(machine("one"), archive).checkpoint(1) }
        let failure = #expect(throws: JobFailure.self) {
            try SharedJob(machine("two"), archive, job: "returns")
        }
        #expect(failure?.problem.contains("belong to job \"orders\"") == true)
    }

    @Test func `the store lists and inspects what it holds`() throws {
        do {
            let job = try SharedJob(machine("one"), archive)
            for number in 1...2 { try job.checkpoint(Int64(number)) }
        }
        let shared = SharedCheckpoints(archive, scope: "orders/", job: "orders")
        let listings = try shared.list()
        #expect(listings.map(\.checkpoint) == [2, 1])
        #expect(try shared.inspect(listings[0].id).positions == ["in/0": [2]])
        let file = try #require(shared.objects(try listings[0].manifest.get()).first)
        archive.contents.withLock { $0.objects[file] = nil }
        let failure = #expect(throws: JobFailure.self) { try shared.inspect(listings[0].id) }
        #expect(failure?.kind == .corruption)
    }
}

@Suite struct SharedRetentionTests {
    let scratch = ScratchDirectory()
    private let archive = MemoryArchive()

    /// The files that manifests name, and those there are.
    private func files() throws -> (named: Set<String>, there: Set<String>) {
        let shared = SharedCheckpoints(archive, scope: "orders/", job: "orders")
        let named = try shared.manifests().reduce(into: Set<String>()) {
            $0.formUnion(shared.objects(try shared.manifest($1.id).manifest))
        }
        return (named, Set(archive.names.filter { $0.contains("/files/") }))
    }

    @Test func `the last checkpoints are kept, with the files they name and no others`() throws {
        let job = try SharedJob(scratch.path + "/one", archive, retained: 2)
        for number in 1...8 {
            for key in 0..<200 { try job.set("\(number * 7 % 5) \(key)", Int64(key)) }
            try job.checkpoint(Int64(number))
            let (named, there) = try files()
            #expect(named == there, "\(number)")
        }
        #expect(archive.names.filter { $0.contains("/checkpoints/") }.count == 2)
        #expect(archive.names.filter { $0.contains("/claims/") }.count == 2)
        #expect(try SharedJob(scratch.path + "/two", archive).number("a") == 8)
    }

    @Test func `what an earlier run left is found, and what is young is left alone`() throws {
        do {
            let job = try SharedJob(scratch.path + "/one", archive, retained: 4)
            for number in 1...4 { try job.checkpoint(Int64(number)) }
        }
        archive.contents.withLock { contents in
            contents.objects["orders/files/old"] = ([1], contents.nowMillis)
            contents.nowMillis += 3_600_001
            contents.objects["orders/files/young"] = ([1], contents.nowMillis)
            contents.objects["elsewhere/files/old"] = ([1], 0)
        }
        let job = try SharedJob(scratch.path + "/one", archive, retained: 2)
        try job.checkpoint(5)
        let checkpoints = archive.names.filter { $0.contains("/checkpoints/") }
        #expect(checkpoints.map { $0.dropFirst(19).prefix(2) } == ["4-", "5-"])
        #expect(!archive.names.contains("orders/files/old"))
        #expect(archive.names.contains("orders/files/young"))
        #expect(archive.names.contains("elsewhere/files/old"))
        let (named, there) = try files()
        #expect(named.isSubset(of: there))
    }

    @Test func `a store in which something cannot be read loses nothing`() throws {
        do { try SharedJob(scratch.path + "/one", archive).checkpoint(1) }
        archive.contents.withLock { contents in
            contents.objects["orders/checkpoints/9-odd"] = ([1, 2], 0)
            contents.objects["orders/files/old"] = ([1], 0)
            contents.nowMillis += 10_000_000
        }
        let job = try SharedJob(scratch.path + "/one", archive)
        try job.checkpoint(2)
        #expect(archive.names.contains("orders/files/old"))
    }
}

/// Fails at one writing request of each try, and works again afterwards.
private final class FlakyArchive: CheckpointArchive {
    private let archive: MemoryArchive
    /// Writing requests of a try that still work.
    let failing = Mutex<Int>(.max)
    init(_ archive: MemoryArchive) { self.archive = archive }

    private func step() throws(JobFailure) {
        let left = failing.withLock { left in
            if left != .max { left -= 1 }
            return left
        }
        if left < 0 {
            throw JobFailure(.checkpoint, "no answer", at: "memory:", remedy: "wait")
        }
    }

    var place: String { archive.place }
    func list(_ prefix: String) throws(JobFailure) -> ArchiveListing { try archive.list(prefix) }
    func read(_ name: String) throws(JobFailure) -> [UInt8]? { try archive.read(name) }
    func download(_ name: String, to path: String) throws(JobFailure) -> Bool {
        try archive.download(name, to: path)
    }
    func upload(_ path: String, as name: String) throws(JobFailure) {
        try step()
        try archive.upload(path, as: name)
    }
    func create(_ name: String, _ bytes: [UInt8]) throws(JobFailure) -> Bool {
        try step()
        return try archive.create(name, bytes)
    }
    func remove(_ name: String) throws(JobFailure) {
        try step()
        try archive.remove(name)
    }
}
