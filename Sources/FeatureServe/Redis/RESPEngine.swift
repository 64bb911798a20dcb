import Codecs
import Glibc
import StreamRuntime

/// Answers commands of the Redis protocol from an online store; one per event loop, with memory that is used
/// again for every command.
///
/// A key that is a declared entity's in the server's project, in database 0, is the entity's row: fields of its
/// views are read and written typed. All other fields and keys are hashes kept as they come.
/// - Note: `@unchecked Sendable` because it is made before its loop runs and used by that loop only.
final class RESPEngine: @unchecked Sendable {
    let shared: RESPShared
    var store: OnlineStore { shared.store }
    var layout: FeastLayout { shared.layout }
    /// The answers under way.
    let out = ByteArena(capacity: 1 << 16)
    let command = RESPCommand()

    private let layoutTables: [FeastLayout.Table]
    private let rawKey = ByteArena(capacity: 1024)
    let encoded = ByteArena(capacity: 1024)
    var writers: [RowWriter.Place: RowWriter] = [:]
    /// The plans of the last commands, most recent first.
    private var recent: [FieldPlan] = []
    private static let recentMax = 16
    /// Commands that were answered by such a plan, without being parsed.
    private(set) var knownReads = 0
    /// Whether what is not in memory is waited for on this thread; otherwise commands that need it are left.
    private let waits: Bool

    /// The largest command.
    static let commandBytesMax = 64 << 20

    init(_ shared: RESPShared, waits: Bool = true) {
        self.shared = shared
        self.waits = waits
        layoutTables = shared.layout.tables
    }

    /// Answers the command that begins at `bytes`, if it is there whole.
    ///
    /// - Returns: the bytes it took; 0 when more must come first; -1 when it has to be answered by an engine that
    ///   waits, and nothing was done.
    func step(_ bytes: UnsafePointer<UInt8>, _ available: Int, _ session: RESPSession) -> Int {
        if session.isAdmitted, session.queue == nil {
            let taken = readKnownFields(bytes, available, session)
            if taken != 0 { return taken }
        }
        switch command.parse(bytes, available, bytesMax: RESPEngine.commandBytesMax) {
        case .partial: return 0
        case .broken(let problem):
            shared.errors.add()
            RESPText.error("ERR Protocol error: \(problem)", to: out)
            session.isEnding = true
            return available
        case .whole(let taken):
            if command.count > 0 {
                if !waits, mustWait(session) { return -1 }
                run(session, raw: UnsafeBufferPointer(start: bytes, count: taken))
            }
            return taken
        }
    }

    private func run(_ session: RESPSession, raw: UnsafeBufferPointer<UInt8>) {
        let start = out.count
        shared.commands.add()
        do throws(RESPRefusal) {
            try dispatch(session, raw: raw)
        } catch {
            out.count = start
            shared.errors.add()
            if session.queue != nil { session.isQueueBroken = true }
            RESPText.error(error.text, to: out)
        }
    }

    // MARK: reading fields

    /// Answers an HMGET whose list of fields was asked for before: nothing is parsed but the key.
    ///
    /// - Returns: the bytes it took; 0 when it is another command, or not there whole.
    private func readKnownFields(
        _ bytes: UnsafePointer<UInt8>, _ available: Int, _ session: RESPSession
    ) -> Int {
        guard available > 24, bytes[0] == 0x2A, !recent.isEmpty else { return 0 }
        var at = 1
        guard let arguments = RESPCommand.number(bytes, available, &at), arguments > 2,
            available &- at > 16,
            memcmp(bytes + at, RESPEngine.readHead, RESPEngine.readHead.count) == 0
        else { return 0 }
        at &+= RESPEngine.readHead.count
        guard let keyLength = RESPCommand.number(bytes, available, &at), keyLength > 0,
            keyLength < available &- at &- 2
        else { return 0 }
        let key = bytes + at
        at &+= keyLength &+ 2
        var index = 0
        while index < recent.count {
            let plan = recent[index]
            let length = plan.raw.count
            if plan.fields.count == arguments &- 2, length <= available &- at, plan.isDeclared,
                plan.raw.withUnsafeBufferPointer({ memcmp($0.baseAddress!, bytes + at, length) })
                    == 0, locate(key, keyLength, session) == plan.table
            {
                if index > 0 { recent.swapAt(0, index) }
                guard mayGoOn(session) else { return 0 }
                do throws(RESPRefusal) {
                    guard try appendFields(plan, session) else {
                        session.isPaid = session.caller.isLimited
                        return -1
                    }
                } catch {
                    return 0
                }
                shared.commands.add()
                knownReads &+= 1
                return at &+ length
            }
            index &+= 1
        }
        return 0
    }

    private static let readHead = Array("$5\r\nHMGET\r\n$".utf8)

    /// The table that the key belongs to, with its key there in `encoded`.
    @inline(__always)
    func locate(
        _ key: UnsafePointer<UInt8>, _ length: Int, _ session: RESPSession
    ) -> Int? {
        guard session.space == 0, length < 1 << 16 else { return nil }
        rawKey.count = 0
        rawKey.append(key, length)
        encoded.count = 0
        var index = 0
        while index < layoutTables.count {
            if layoutTables[index].keys.encode(rawKey.base, length, to: encoded) { return index }
            index &+= 1
        }
        return nil
    }

    /// The table of the key that is argument `index`.
    func locate(_ index: Int, _ session: RESPSession) -> Int? {
        let key = command[index]
        guard let base = key.baseAddress else { return nil }
        return locate(base, key.count, session)
    }

    /// Answers HMGET.
    func readFields(_ session: RESPSession, raw: UnsafeBufferPointer<UInt8>) throws(RESPRefusal) {
        let table = locate(1, session)
        let from = command.rawStart(2)
        let plan = FieldPlan(
            table: table, layout: layout, raw: Array(raw[from...]),
            fields: (2..<command.count).map { command.bytes($0) })
        if plan.isDeclared, command.count < 1 << 12, raw[0] == 0x2A {
            recent.insert(plan, at: 0)
            if recent.count > RESPEngine.recentMax { recent.removeLast() }
        }
        _ = try appendFields(plan, session)
    }

    /// Appends what the plan asks of the row whose key is in `encoded`, and of the hash beside it.
    ///
    /// - Returns: false, with nothing appended, when that has to be waited for and is not here.
    @inline(__always)
    private func appendFields(
        _ plan: FieldPlan, _ session: RESPSession
    ) throws(RESPRefusal) -> Bool {
        try check(plan.runs, plan.table, session)
        let start = out.count
        RESPText.array(plan.fields.count, to: out)
        let absent = RESPText.absent(version: session.version)
        let runs = plan.runs
        do throws(JobFailure) {
            guard plan.isDeclared, let table = plan.table else {
                try appendMixed(plan, absent, session)
                return true
            }
            let hash = Hash.xxh3(encoded.base, encoded.count)
            let shard = store.tables[layoutTables[table].index].shard(hash)
            let result = runs.withUnsafeBufferPointer { runs in
                Result { () throws(JobFailure) in
                    try shard.appendValues(
                        hash: hash, key: encoded.base, keyLength: encoded.count,
                        runs: runs.baseAddress!, count: runs.count, absent: absent,
                        fetches: waits, to: out)
                }
            }
            if try result.get() >= 0 { return true }
            out.count = start
            return false
        } catch {
            throw RESPRefusal(error)
        }
    }

    private func appendMixed(
        _ plan: FieldPlan, _ absent: StaticString, _ session: RESPSession
    ) throws(JobFailure) {
        let key = HashStore.key(session.space, command[1])
        for run in plan.runs {
            if run.slot < 0 {
                try shared.hashes.append(
                    plan.fields[run.first...run.last], of: key, absent: absent, to: out)
            } else {
                _ = try appendDeclared(plan.table!, run, absent)
            }
        }
    }

    /// Appends the fragments of one view of the row whose key is in `encoded`; returns whether it has a value.
    func appendDeclared(
        _ table: Int, _ run: ValueRun, _ absent: StaticString
    ) throws(JobFailure) -> Bool {
        let hash = Hash.xxh3(encoded.base, encoded.count)
        let runs = [run]
        return try store.tables[layoutTables[table].index].shard(hash).appendValues(
            hash: hash, key: encoded.base, keyLength: encoded.count, runs: runs, count: 1,
            absent: absent, to: out) > 0
    }

    /// Which views of the row whose key is in `encoded` have a value that the session's key may read.
    func presentViews(_ table: Int, _ session: RESPSession) throws(RESPRefusal) -> [Bool] {
        let present = try presentViews(table)
        if session.caller.mayReadAll { return present }
        return zip(present, layoutTables[table].views).map {
            $0 && session.caller.mayRead($1.name)
        }
    }

    /// Which views of the row whose key is in `encoded` have a value.
    func presentViews(_ table: Int) throws(RESPRefusal) -> [Bool] {
        let count = layoutTables[table].views.count
        guard count > 0 else { return [] }
        let hash = Hash.xxh3(encoded.base, encoded.count)
        do throws(JobFailure) {
            return try store.tables[layoutTables[table].index].shard(hash).presence(
                hash: hash, key: encoded.base, keyLength: encoded.count)
        } catch {
            throw RESPRefusal(error)
        }
    }
}
