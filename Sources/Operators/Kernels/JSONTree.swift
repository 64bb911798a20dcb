import StreamRuntime

/// A JSON value taken apart, to be changed and written again; numbers and strings stay as written.
indirect enum JSONTree {
    typealias Member = (key: [UInt8], value: JSONTree)

    /// A number, string, true, false or null in its own words.
    case plain([UInt8])
    case array([JSONTree])
    /// Keys in their quotes.
    case object([Member])

    static let null = JSONTree.plain(Array("null".utf8))

    /// The checked value at `range`.
    init(_ json: JSONText, _ range: Range<Int>) {
        switch json.bytes[range.lowerBound] {
        case UInt8(ascii: "["):
            var items: [JSONTree] = []
            json.forEachMember(range) { _, value in items.append(JSONTree(json, value)) }
            self = .array(items)
        case UInt8(ascii: "{"):
            var members: [Member] = []
            json.forEachMember(range) { name, value in
                members.append((Array(json.bytes[name]), JSONTree(json, value)))
            }
            self = .object(members)
        default: self = .plain(Array(json.bytes[range]))
        }
    }

    /// The text's value; nil when the text is not JSON.
    init?(text: UnsafeBufferPointer<UInt8>) {
        let json = JSONText(text)
        guard let root = json.root() else { return nil }
        self.init(json, root)
    }

    init?(bytes: [UInt8]) {
        guard let tree = bytes.withUnsafeBufferPointer({ JSONTree(text: $0) }) else { return nil }
        self = tree
    }

    var isNull: Bool {
        if case .plain(let bytes) = self { return bytes.first == UInt8(ascii: "n") }
        return false
    }

    /// The name in quotes.
    static func quoted(_ name: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        name.withUnsafeBufferPointer { JSONQuoting.append($0, to: &bytes) }
        return bytes
    }

    /// Appends the value without blanks.
    func append(to arena: ByteArena) {
        switch self {
        case .plain(let bytes): bytes.withUnsafeBufferPointer { arena.add($0) }
        case .array(let items):
            arena.add(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { arena.add(UInt8(ascii: ",")) }
                item.append(to: arena)
            }
            arena.add(UInt8(ascii: "]"))
        case .object(let members):
            arena.add(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { arena.add(UInt8(ascii: ",")) }
                member.key.withUnsafeBufferPointer { arena.add($0) }
                arena.add(UInt8(ascii: ":"))
                member.value.append(to: arena)
            }
            arena.add(UInt8(ascii: "}"))
        }
    }

    /// Appends the value on lines of its own, four blanks deeper in each level.
    func appendPretty(to arena: ByteArena, depth: Int = 0) {
        func line(_ depth: Int) {
            arena.add(10)
            for _ in 0..<(depth * 4) { arena.add(32) }
        }
        switch self {
        case .array(let items) where !items.isEmpty:
            arena.add(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { arena.add(UInt8(ascii: ",")) }
                line(depth + 1)
                item.appendPretty(to: arena, depth: depth + 1)
            }
            line(depth)
            arena.add(UInt8(ascii: "]"))
        case .object(let members) where !members.isEmpty:
            arena.add(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { arena.add(UInt8(ascii: ",")) }
                line(depth + 1)
                member.key.withUnsafeBufferPointer { arena.add($0) }
                arena.add(UInt8(ascii: ":"))
                arena.add(32)
                member.value.appendPretty(to: arena, depth: depth + 1)
            }
            line(depth)
            arena.add(UInt8(ascii: "}"))
        default: append(to: arena)
        }
    }

    /// The members of all objects in the order of their keys.
    var normalized: JSONTree {
        switch self {
        case .plain: self
        case .array(let items): .array(items.map(\.normalized))
        case .object(let members):
            .object(
                members.map { ($0.key, $0.value.normalized) }
                    .sorted { $0.0.lexicographicallyPrecedes($1.0) })
        }
    }

    /// Without the members that are null.
    var withoutNulls: JSONTree {
        switch self {
        case .plain: self
        case .array(let items): .array(items.map(\.withoutNulls))
        case .object(let members):
            .object(members.filter { !$0.value.isNull }.map { ($0.key, $0.value.withoutNulls) })
        }
    }

    static func == (left: JSONTree, right: JSONTree) -> Bool {
        switch (left, right) {
        case (.plain(let a), .plain(let b)): a == b
        case (.array(let a), .array(let b)):
            a.count == b.count && zip(a, b).allSatisfy { $0.0 == $0.1 }
        case (.object(let a), .object(let b)):
            a.count == b.count
                && a.allSatisfy { member in
                    b.contains { $0.key == member.key && $0.value == member.value }
                }
        default: false
        }
    }

    /// Whether `other` is in it somewhere: equal, as some members of an object, as some elements of a list.
    func contains(_ other: JSONTree) -> Bool {
        if holds(other) { return true }
        switch self {
        case .plain: return false
        case .array(let items): return items.contains { $0.contains(other) }
        case .object(let members): return members.contains { $0.value.contains(other) }
        }
    }

    private func holds(_ other: JSONTree) -> Bool {
        switch (self, other) {
        case (.plain(let a), .plain(let b)): a == b
        case (.array(let a), .array(let b)):
            b.allSatisfy { wanted in a.contains { $0.holds(wanted) } }
        case (.object(let a), .object(let b)):
            b.allSatisfy { wanted in
                a.contains { $0.key == wanted.key && $0.value.holds(wanted.value) }
            }
        default: false
        }
    }

    /// The value changed as RFC 7396 says: members that are null go.
    func patched(_ patch: JSONTree) -> JSONTree {
        guard case .object(let changes) = patch else { return patch }
        var mine: [Member] = []
        if case .object(let members) = self { mine = members }
        var made = mine.filter { member in !changes.contains { $0.key == member.key } }
        for change in changes where !change.value.isNull {
            let before = mine.first { $0.key == change.key }?.value ?? .null
            made.append((change.key, before.patched(change.value)))
        }
        return .object(made)
    }

    /// The value with the members of another one put into its objects at every depth; nulls change nothing.
    func merged(_ other: JSONTree) -> JSONTree {
        if other.isNull { return self }
        guard case .object(let changes) = other, case .object(let mine) = self else {
            return other
        }
        let changed = changes.filter { !$0.value.isNull }
        var made = mine.filter { member in !changed.contains { $0.key == member.key } }
        for change in changed {
            let before = mine.first { $0.key == change.key }?.value ?? .null
            made.append((change.key, before.merged(change.value)))
        }
        return .object(made)
    }

    /// The patch that makes `other` of it.
    func difference(_ other: JSONTree) -> JSONTree {
        guard case .object(let mine) = self, case .object(let theirs) = other else { return other }
        var made: [Member] = []
        for member in mine where !theirs.contains(where: { $0.key == member.key }) {
            made.append((member.key, .null))
        }
        for member in theirs {
            guard let before = mine.first(where: { $0.key == member.key })?.value else {
                made.append(member)
                continue
            }
            if !(before == member.value) {
                made.append((member.key, before.difference(member.value)))
            }
        }
        return .object(made)
    }

    /// What `change` may do with the place a path leads to.
    enum Change {
        /// Only where nothing is.
        case insert
        /// Only where something is.
        case replace
        case set
        case remove
    }

    /// The value with the place at `path` changed to `value`.
    func changed(
        _ path: ArraySlice<JSONText.Step>, _ change: Change, to value: JSONTree
    ) -> JSONTree {
        guard let step = path.first else {
            return change == .insert || change == .remove ? self : value
        }
        let rest = path.dropFirst()
        switch (self, step) {
        case (.object(var members), .key(let name)):
            let key = JSONTree.quoted(name)
            if let place = members.firstIndex(where: { $0.key == key }) {
                if rest.isEmpty, change == .remove {
                    members.remove(at: place)
                } else {
                    members[place].value = members[place].value.changed(rest, change, to: value)
                }
            } else if change == .set || change == .insert,
                let made = JSONTree.made(rest, value)
            {
                members.append((key, made))
            }
            return .object(members)
        case (.array(var items), .index(let written)):
            let place =
                written == .max ? items.count : (written < 0 ? items.count + written : written)
            if items.indices.contains(place) {
                if rest.isEmpty, change == .remove {
                    items.remove(at: place)
                } else {
                    items[place] = items[place].changed(rest, change, to: value)
                }
            } else if place == items.count, change == .set || change == .insert,
                let made = JSONTree.made(rest, value)
            {
                items.append(made)
            }
            return .array(items)
        default: return self
        }
    }

    /// What a path leads to where nothing is yet; nil when an array would have to begin with gaps.
    private static func made(_ path: ArraySlice<JSONText.Step>, _ value: JSONTree) -> JSONTree? {
        guard let step = path.first else { return value }
        guard let inner = made(path.dropFirst(), value) else { return nil }
        switch step {
        case .key(let name): return .object([(quoted(name), inner)])
        case .index(let place): return place == 0 || place == .max ? .array([inner]) : nil
        case .every: return .array([inner])
        }
    }
}
