import Codecs
import StreamRuntime

extension RESPEngine {
    /// The hash key of argument 1.
    func hashKey(_ session: RESPSession, _ index: Int = 1) -> [UInt8] {
        HashStore.key(session.space, command[index])
    }

    /// Runs what reads or writes the store, its failures told as refusals.
    func told<Result>(_ body: () throws(JobFailure) -> Result) throws(RESPRefusal) -> Result {
        do throws(JobFailure) {
            return try body()
        } catch {
            throw RESPRefusal(error)
        }
    }

    func readField(_ session: RESPSession) throws(RESPRefusal) {
        let absent = RESPText.absent(version: session.version)
        let table = locate(1, session)
        if let table, let place = layout.tables[table].places[command.bytes(2)] {
            let run = ValueRun(slot: place.slot, first: place.fragment, last: place.fragment)
            try check([run], table, session)
            _ = try told { () throws(JobFailure) in try appendDeclared(table, run, absent) }
        } else {
            try checkHashes(session, writing: false)
            let field = [command.bytes(2)]
            try told { () throws(JobFailure) in
                try shared.hashes.append(
                    field[...], of: hashKey(session), absent: absent, to: out)
            }
        }
    }

    func fieldExists(_ session: RESPSession) throws(RESPRefusal) {
        let field = command.bytes(2)
        RESPText.integer(try names(session).contains(field) ? 1 : 0, to: out)
    }

    /// The names of all fields of the key that is argument 1.
    func names(_ session: RESPSession) throws(RESPRefusal) -> [[UInt8]] {
        var names: [[UInt8]] = []
        if let table = locate(1, session) {
            for (slot, isPresent) in try presentViews(table, session).enumerated() where isPresent {
                names += layout.tables[table].names[slot]
            }
        }
        guard session.caller.mayReadAll else { return names }
        let key = hashKey(session)
        names += try told { () throws(JobFailure) in
            try shared.hashes.read(key) { blob in
                (0..<blob.count).map { Array(blob.name($0)) }
            } ?? []
        }
        return names
    }

    func readNames(_ session: RESPSession) throws(RESPRefusal) {
        let names = try names(session)
        RESPText.array(names.count, to: out)
        for name in names { RESPText.bulk(name, to: out) }
    }

    func readAll(_ session: RESPSession) throws(RESPRefusal) {
        var pairs: [(name: [UInt8], value: [UInt8])] = []
        if let table = locate(1, session) {
            for (slot, isPresent) in try presentViews(table, session).enumerated() where isPresent {
                let block = ByteArena()
                let names = layout.tables[table].names[slot]
                guard try copyBlock(table, slot, into: block) else { continue }
                for (index, name) in names.enumerated() {
                    let value = RenderedValues.value(
                        block.base, features: names.count - 1, index: index)
                    pairs.append((name, Array(value)))
                }
            }
        }
        if session.caller.mayReadAll {
            let key = hashKey(session)
            pairs += try told { () throws(JobFailure) in
                try shared.hashes.read(key) { blob in
                    (0..<blob.count).map { (Array(blob.name($0)), Array(blob.value($0))) }
                } ?? []
            }
        }
        RESPText.map(pairs.count, version: session.version, to: out)
        for (name, value) in pairs {
            RESPText.bulk(name, to: out)
            RESPText.bulk(value, to: out)
        }
    }

    /// Copies the `RenderedValues` of a view of the row whose key is in `encoded`; false when it has none.
    private func copyBlock(
        _ table: Int, _ slot: Int, into block: ByteArena
    ) throws(RESPRefusal) -> Bool {
        var read = ViewRead.absent
        let hash = Hash.xxh3(encoded.base, encoded.count)
        _ = try told { () throws(JobFailure) in
            try store.tables[layout.tables[table].index].shard(hash).read(
                hash: hash, key: encoded.base, keyLength: encoded.count, slots: [slot],
                asValues: true, reads: &read, into: block)
        }
        return read.isPresent
    }

    /// Whether there is anything under the key that is argument `index`.
    func exists(_ index: Int, _ session: RESPSession) throws(RESPRefusal) -> Bool {
        if let table = locate(index, session), try presentViews(table, session).contains(true) {
            return true
        }
        guard session.caller.mayReadAll else { return false }
        let key = hashKey(session, index)
        return try told { () throws(JobFailure) in try shared.hashes.read(key) { _ in } != nil }
    }

    func keysExist(_ session: RESPSession) throws(RESPRefusal) {
        var found = 0
        for index in 1..<command.count where try exists(index, session) { found += 1 }
        RESPText.integer(found, to: out)
    }

    func type(_ session: RESPSession) throws(RESPRefusal) {
        if try exists(1, session) {
            RESPText.simple("hash", to: out)
        } else {
            RESPText.simple("none", to: out)
        }
    }

    /// Answers TTL and PTTL: only hashes end, rows of declared views age by the view's ttl.
    func timeLeft(_ session: RESPSession, unitMillis: Int64) throws(RESPRefusal) {
        let key = hashKey(session)
        let end =
            session.caller.mayReadAll
            ? try told { () throws(JobFailure) in try shared.hashes.read(key) { $0.endMillis } }
            : nil
        if let end, end > 0 {
            let left = end - shared.now() / 1000
            RESPText.integer(Int((left + unitMillis - 1) / unitMillis), to: out)
        } else {
            RESPText.integer(try exists(1, session) ? -1 : -2, to: out)
        }
    }

    /// Answers SCAN: rows of declared entities first, then hashes.
    func scan(_ session: RESPSession) throws(RESPRefusal) {
        guard let cursor = UInt64(command.text(1)) else { throw RESPRefusal("invalid cursor") }
        var pattern: GlobPattern?
        var count = 10
        var wantsHashes = true
        var index = 2
        while index < command.count {
            guard index + 1 < command.count else { throw RESPRefusal("syntax error") }
            switch command.text(index).uppercased() {
            case "MATCH": pattern = GlobPattern(command.bytes(index + 1))
            case "COUNT":
                guard let wanted = command.integer(index + 1), wanted > 0 else {
                    throw RESPRefusal("value is not an integer or out of range")
                }
                count = wanted
            case "TYPE": wantsHashes = command.text(index + 1).lowercased() == "hash"
            default: throw RESPRefusal("syntax error")
            }
            index += 2
        }
        var place = RESPShared.ScanPlace()
        if cursor == 0 {
            // Rows are found where they rest.
            try told { () throws(JobFailure) in try store.sync() }
        } else if let known = shared.place(cursor) {
            place = known
        } else {
            throw RESPRefusal("invalid cursor: the scan is too old, or was made by another server")
        }
        var keys: [[UInt8]] = []
        // A thousand at a time at least: a client that leaves COUNT at 10 would ask very often.
        var left = max(count, 1000)
        var next: RESPShared.ScanPlace? = wantsHashes ? place : nil
        while let from = next, left > 0 {
            next = try scanPhase(session, from, pattern, &left, &keys)
        }
        RESPText.array(2, to: out)
        RESPText.bulk(next.map { "\(shared.keep($0))" } ?? "0", to: out)
        RESPText.array(keys.count, to: out)
        for key in keys { RESPText.bulk(key, to: out) }
    }

    /// Looks at the next keys of one table or of the hashes; returns where to go on.
    private func scanPhase(
        _ session: RESPSession, _ from: RESPShared.ScanPlace, _ pattern: GlobPattern?,
        _ left: inout Int, _ keys: inout [[UInt8]]
    ) throws(RESPRefusal) -> RESPShared.ScanPlace? {
        var place = from
        var seen = left
        var found: [[UInt8]] = []
        func take(_ key: UnsafeBufferPointer<UInt8>) {
            if pattern?.matches(key) ?? true { found.append(Array(key)) }
        }
        if from.phase < layout.tables.count, session.space == 0 {
            let table = layout.tables[from.phase]
            let key = ByteArena(capacity: 256)
            try told { () throws(JobFailure) in
                try store.scan(store.tables[table.index], after: from.after) { encoded, row in
                    let bytes = encoded.assumingMemoryBound(to: UInt8.self)
                    place.after = Array(bytes)
                    if (0..<table.views.count).contains(where: {
                        row.slots[$0].state == .value
                            && session.caller.mayRead(table.views[$0].name)
                    }) {
                        key.count = 0
                        table.keys.append(encoded: bytes, to: key)
                        take(UnsafeBufferPointer(start: UnsafePointer(key.base), count: key.count))
                    }
                    seen -= 1
                    return seen > 0
                }
            }
        } else if session.caller.mayReadAll {
            place.phase = layout.tables.count
            let prefix = pattern?.literalPrefix ?? []
            try told { () throws(JobFailure) in
                try shared.hashes.scan(session.space, prefix: prefix, after: from.after) { key in
                    place.after = Array(key)
                    take(key)
                    seen -= 1
                    return seen > 0
                }
            }
        }
        keys += found
        left = seen
        if seen <= 0 { return place }
        guard place.phase < layout.tables.count else { return nil }
        return RESPShared.ScanPlace(phase: place.phase + 1, after: nil)
    }
}
