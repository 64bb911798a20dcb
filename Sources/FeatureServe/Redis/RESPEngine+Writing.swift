import StreamRuntime

extension RESPEngine {
    /// The fields of a write that belong to one view.
    private struct ViewFields {
        let slot: Int
        var fields: [RowWriter.Field] = []
        var eventMicros: Int64?
    }

    /// A write, sorted by what it writes to.
    private struct Sorted {
        var views: [ViewFields] = []
        var others: [(name: [UInt8], value: [UInt8])] = []
    }

    /// Answers HSET: a view's row with its `_ts` field is an upsert by event time, everything else a hash's
    /// fields.
    func setFields(_ session: RESPSession, answersOK: Bool) throws(RESPRefusal) {
        guard command.count % 2 == 0 else {
            throw RESPRefusal("wrong number of arguments for 'hset' command")
        }
        let table = locate(1, session)
        let sorted = try sort(table, from: 2, timeOf: nil)
        let written = try write(session, table, sorted, timeName: nil)
        if answersOK {
            RESPText.simple("OK", to: out)
        } else {
            RESPText.integer(written.added, to: out)
        }
    }

    /// Answers HSETNEWER key ts-field ts field value …: 1 when the fields were set, 0 when what is there is
    /// newer.
    func setNewer(_ session: RESPSession) throws(RESPRefusal) {
        guard command.count % 2 == 0 else {
            throw RESPRefusal("wrong number of arguments for 'hsetnewer' command")
        }
        let name = command.bytes(2)
        let table = locate(1, session)
        let sorted = try sort(table, from: 2, timeOf: name)
        guard TimeText.order(command.bytes(3), command.bytes(3)) != nil else {
            throw RESPRefusal("the time is neither a number nor a Timestamp")
        }
        let written = try write(session, table, sorted, timeName: name)
        RESPText.integer(written.isApplied ? 1 : 0, to: out)
    }

    /// Sorts the pairs of arguments by the views they belong to.
    ///
    /// - Parameter timeOf: the field whose value may also be a number of microseconds.
    private func sort(
        _ table: Int?, from: Int, timeOf: [UInt8]?
    ) throws(RESPRefusal) -> Sorted {
        var sorted = Sorted()
        var index = from
        while index < command.count {
            let name = command.bytes(index)
            let value = command[index + 1]
            index += 2
            guard let table, let place = layout.tables[table].places[name] else {
                sorted.others.append((name, Array(value)))
                continue
            }
            let view = layout.tables[table].views[place.slot]
            let at =
                sorted.views.firstIndex { $0.slot == place.slot }
                ?? {
                    sorted.views.append(ViewFields(slot: place.slot))
                    return sorted.views.count - 1
                }()
            if place.fragment < view.features.count {
                sorted.views[at].fields.append(
                    RowWriter.Field(feature: place.fragment, bytes: value))
            } else if name == timeOf, let micros = Int64(String(decoding: value, as: UTF8.self)) {
                sorted.views[at].eventMicros = micros
            } else {
                do throws(FeastProblem) {
                    sorted.views[at].eventMicros = try FeastTimestamp.micros(value)
                } catch {
                    throw RESPRefusal("field _ts:\(view.name): \(error)")
                }
            }
        }
        return sorted
    }

    /// Writes what was sorted, the declared views first.
    private func write(
        _ session: RESPSession, _ table: Int?, _ sorted: Sorted, timeName: [UInt8]?
    ) throws(RESPRefusal) -> HashStore.Written {
        var total = HashStore.Written()
        var rows: [(writer: RowWriter, view: ViewFields)] = []
        for view in sorted.views {
            let writer = try writer(table!, view.slot, session)
            guard view.eventMicros != nil else {
                throw RESPRefusal(
                    "a row of feature view \"\(writer.view.name)\" comes with its event time; "
                        + "set the field _ts:\(writer.view.name) too")
            }
            rows.append((writer, view))
        }
        // All are read before any is written, so that a refused command leaves nothing behind.
        for row in rows { try row.writer.prepare(encoded, row.view.fields) }
        for row in rows {
            let isNew = try row.writer.oldTime(encoded) == nil
            guard try row.writer.write(eventMicros: row.view.eventMicros!) else {
                total.isApplied = false
                continue
            }
            if isNew { total.added += row.view.fields.count + 1 }
        }
        guard !sorted.others.isEmpty else { return total }
        try checkHashes(session, writing: true)
        let key = hashKey(session)
        let written = try told { () throws(JobFailure) in
            try shared.hashes.set(key, sorted.others) { name, stored, given in
                guard name == timeName || name.starts(with: FeastField.timePrefix) else {
                    return false
                }
                return TimeText.order(stored, given).map { $0 > 0 } ?? false
            }
        }
        total.added += written.added
        total.isApplied = total.isApplied && written.isApplied
        return total
    }

    /// The writer of a view that clients may write.
    private func writer(
        _ table: Int, _ slot: Int, _ session: RESPSession
    ) throws(RESPRefusal) -> RowWriter {
        let name = layout.tables[table].views[slot].name
        guard session.caller.mayWrite(name) else { throw .forbidden("write feature view \(name)") }
        let place = RowWriter.Place(table: table, slot: slot)
        if let known = writers[place] { return known }
        let view = layout.tables[table].views[slot]
        guard !shared.readOnly.contains(view.name) else {
            throw RESPRefusal(
                "feature view \"\(view.name)\" is written by its pipeline only; "
                    + "declare it without `from:`, or a push source for it, to write it here")
        }
        let made = try told { () throws(JobFailure) in
            try RowWriter(
                store: store, layout: layout.tables[table], slot: slot, now: shared.now)
        }
        writers[place] = made
        return made
    }

    /// Answers HDEL: a view's `_ts` field takes the view's row with it, a feature alone becomes null.
    func removeFields(_ session: RESPSession) throws(RESPRefusal) {
        let table = locate(1, session)
        var places: [Int: [Int]] = [:]
        var others: [[UInt8]] = []
        for index in 2..<command.count {
            let name = command.bytes(index)
            if let table, let place = layout.tables[table].places[name] {
                places[place.slot, default: []].append(place.fragment)
            } else {
                others.append(name)
            }
        }
        var removed = 0
        for (slot, fragments) in places.sorted(by: { $0.key < $1.key }) {
            let writer = try writer(table!, slot, session)
            guard let time = try writer.oldTime(encoded) else { continue }
            if fragments.contains(writer.view.features.count) {
                _ = try writer.remove(encoded)
            } else {
                let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
                try writer.prepare(
                    encoded, fragments.map { RowWriter.Field(feature: $0, bytes: nothing) })
                _ = try writer.write(eventMicros: time)
            }
            removed += Set(fragments).count
        }
        if !others.isEmpty {
            try checkHashes(session, writing: true)
            let key = hashKey(session)
            removed += try told { () throws(JobFailure) in try shared.hashes.remove(key, others) }
        }
        RESPText.integer(removed, to: out)
    }

    /// Answers DEL: rows of views that clients may write, and hashes.
    func removeKeys(_ session: RESPSession) throws(RESPRefusal) {
        var removed = 0
        // All are looked at before any goes, so that a refused command removes nothing.
        for index in 1..<command.count {
            if let table = locate(index, session) {
                for (slot, isPresent) in try presentViews(table).enumerated() where isPresent {
                    _ = try writer(table, slot, session)
                }
            }
            guard !session.caller.mayWriteAll else { continue }
            let key = hashKey(session, index)
            let isThere = try told { () throws(JobFailure) in
                try shared.hashes.read(key) { _ in } != nil
            }
            if isThere { try checkHashes(session, writing: true) }
        }
        for index in 1..<command.count {
            var hadAny = false
            if let table = locate(index, session) {
                for (slot, isPresent) in try presentViews(table).enumerated() where isPresent {
                    if try writer(table, slot, session).remove(encoded) { hadAny = true }
                }
            }
            let key = hashKey(session, index)
            if try told({ () throws(JobFailure) in try shared.hashes.remove(key) }) {
                hadAny = true
            }
            if hadAny { removed += 1 }
        }
        RESPText.integer(removed, to: out)
    }

    /// Answers EXPIRE and its kin: hashes end, rows of declared views age by the view's ttl instead.
    func expire(_ session: RESPSession, _ name: String) throws(RESPRefusal) {
        guard let amount = Int64(command.text(2)), amount.magnitude < 1 << 52, command.count == 3
        else {
            throw RESPRefusal(
                command.count == 3
                    ? "value is not an integer or out of range"
                    : "options of \(name) are not supported")
        }
        let millis = name.hasPrefix("P") ? amount : amount * 1000
        let end = name.hasSuffix("AT") ? millis : shared.now() / 1000 + millis
        try setEnd(session, atMillis: max(end, 1))
    }

    func persist(_ session: RESPSession) throws(RESPRefusal) { try setEnd(session, atMillis: 0) }

    private func setEnd(_ session: RESPSession, atMillis: Int64) throws(RESPRefusal) {
        let key = hashKey(session)
        let hasEnded = try told { () throws(JobFailure) in
            try shared.hashes.end(key, atMillis: atMillis)
        }
        let isThere = hasEnded ? true : try exists(1, session)
        RESPText.integer(isThere ? 1 : 0, to: out)
    }
}

/// Times of rows as clients write them: decimal numbers, or `Timestamp` messages.
enum TimeText {
    /// Below, at or above zero as `left` is before, at or after `right`; nil when they cannot be compared.
    static func order(_ left: [UInt8], _ right: [UInt8]) -> Int? {
        if let left = whole(left), let right = whole(right) {
            return left < right ? -1 : left > right ? 1 : 0
        }
        if let left = number(left), let right = number(right) {
            return left < right ? -1 : left > right ? 1 : 0
        }
        guard let left = time(left), let right = time(right) else { return nil }
        return left < right ? -1 : left > right ? 1 : 0
    }

    private static func whole(_ bytes: [UInt8]) -> Int64? {
        Int64(String(decoding: bytes, as: UTF8.self))
    }

    private static func number(_ bytes: [UInt8]) -> Double? {
        guard let first = bytes.first, first == 0x2D || first &- 0x30 < 10 else { return nil }
        return Double(String(decoding: bytes, as: UTF8.self))
    }

    private static func time(_ bytes: [UInt8]) -> (Int64, Int64)? {
        bytes.withUnsafeBufferPointer { bytes in
            (try? FeastTimestamp.read(bytes)).map { ($0.seconds, $0.nanos) }
        }
    }
}
