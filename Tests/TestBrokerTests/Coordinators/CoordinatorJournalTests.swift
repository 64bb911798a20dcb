import Glibc
import Testing

@testable import TestBroker

@Suite struct CoordinatorJournalTests {
    private static let records: [CoordinatorRecord] = {
        var transaction = TransactionRecord(id: "x", producer: 7, epoch: 3, timeout: 1000)
        transaction.phase = .prepareCommit
        transaction.partitions = [TopicPartition(topic: "t", partition: 2)]
        transaction.groups = ["g"]
        let member = GroupMember(
            id: "m", instance: "one", client: "c", sessionTimeout: 1, rebalanceTimeout: 2,
            protocols: [GroupProtocol(name: "sticky", metadata: [1, 2])], assignment: [9],
            expiry: 0)
        let place = TopicPartition(topic: "t", partition: 0)
        return [
            .producers(next: 12), .transaction(transaction),
            .group(
                GroupSnapshot(
                    id: "g", generation: 4, protocolType: "consumer", protocolName: nil,
                    leader: "m", members: [member])),
            .offsets(
                group: "g", [place: CommittedOffset(offset: 5, metadata: "é", time: 8)],
                producer: nil),
            .offsets(group: "g", [place: CommittedOffset(offset: 6)], producer: 7),
            .offsetsEnded(group: "g", producer: 7, isCommit: true),
            .offsetsDeleted(group: "g", [place]), .groupDeleted("g"),
        ]
    }()

    private func withPath(_ body: (String) throws -> Void) rethrows {
        var template = Array("/tmp/coordinators.XXXXXX".utf8CString)
        let directory = String(cString: mkdtemp(&template))
        defer {
            unlink(directory + "/log")
            rmdir(directory)
        }
        try body(directory + "/log")
    }

    @Test func `what was written is read back after the file is opened again`() throws {
        try withPath { path in
            try CoordinatorJournal(path: path).append(Self.records)
            #expect(try CoordinatorJournal(path: path).replay() == Self.records)
        }
    }

    @Test func `a torn or damaged end is cut off and nothing before it`() throws {
        try withPath { path in
            try CoordinatorJournal(path: path).append(Array(Self.records[..<3]))
            var whole = stat()
            stat(path, &whole)
            try CoordinatorJournal(path: path).append([Self.records[3]])
            var all = stat()
            stat(path, &all)
            for size in whole.st_size..<all.st_size {
                truncate(path, size)
                let journal = try CoordinatorJournal(path: path)
                #expect(try journal.replay() == Array(Self.records[..<3]))
                try journal.append([Self.records[3]])
                #expect(try CoordinatorJournal(path: path).replay() == Array(Self.records[..<4]))
            }
        }
    }
}
