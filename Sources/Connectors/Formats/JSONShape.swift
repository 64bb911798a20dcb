import StreamRuntime

/// Where a wanted value lies in a document that was checked.
struct JSONSpan {
    /// Nothing was there.
    static let missing = JSONSpan(start: 0, length: 0, hasEscape: false, isBlocked: false)

    var start: Int
    var length: Int
    /// A string with escapes.
    var hasEscape: Bool
    /// The path led through something that is not an object.
    var isBlocked: Bool
}

/// The members of an object that are wanted, by name, and the wanted ones inside them.
final class JSONMembers {
    /// What a member leads to.
    final class Member {
        let name: [UInt8]
        /// The leaves whose value this member is.
        fileprivate(set) var leaves: [Int] = []
        /// The wanted members of this member.
        fileprivate(set) var inner: JSONMembers?
        /// Every leaf at or below this member.
        fileprivate(set) var below: [Int] = []

        fileprivate init(name: [UInt8]) { self.name = name }
    }

    private(set) var members: [Member] = []

    /// Adds the path of leaf `leaf`.
    func add(_ path: ArraySlice<String>, leaf: Int) {
        let name = Array(path.first!.utf8)
        let index =
            members.firstIndex { $0.name == name }
            ?? {
                members.append(Member(name: name))
                return members.count - 1
            }()
        members[index].below.append(leaf)
        if path.count == 1 {
            members[index].leaves.append(leaf)
        } else {
            let inner = members[index].inner ?? JSONMembers()
            inner.add(path.dropFirst(), leaf: leaf)
            members[index].inner = inner
        }
    }

    /// The member with this name, or -1.
    func find(_ name: UnsafePointer<UInt8>, _ length: Int) -> Int {
        for index in members.indices where members[index].name.count == length {
            let isEqual = members[index].name.withUnsafeBufferPointer { wanted in
                var at = 0
                while at < length, wanted[at] == name[at] { at &+= 1 }
                return at == length
            }
            if isEqual { return index }
        }
        return -1
    }
}

/// How a value of a declared type is read, with the shapes of what is inside it.
final class JSONShape {
    let type: ColumnType
    let unit: TimeUnit
    let zone: LocalZone?
    let takesAnyText: Bool
    let decimals: DebeziumDecimals
    /// A struct's members; leaf i is its field i.
    let members: JSONMembers?
    /// A struct's fields, or a list's element.
    let inner: [JSONShape]
    let innerNames: [String]
    /// Whether a list also takes an object, as a list of its members.
    let isMap: Bool

    init(
        _ type: ColumnType, unit: TimeUnit, zone: LocalZone?, takesAnyText: Bool,
        decimals: DebeziumDecimals
    ) {
        self.decimals = decimals
        self.type = type
        self.unit = unit
        self.zone = zone
        self.takesAnyText = takesAnyText
        if case .list(.structure(let fields)) = type {
            isMap = fields.map(\.name) == ["key", "value"] && fields[0].type == .string
        } else {
            isMap = false
        }
        switch type {
        case .structure(let fields):
            let members = JSONMembers()
            for (leaf, field) in fields.enumerated() { members.add([field.name], leaf: leaf) }
            self.members = members
            inner = fields.map {
                JSONShape(
                    $0.type, unit: unit, zone: zone, takesAnyText: takesAnyText, decimals: decimals)
            }
            innerNames = fields.map(\.name)
        case .list(let element):
            members = nil
            inner = [
                JSONShape(
                    element, unit: unit, zone: zone, takesAnyText: takesAnyText, decimals: decimals)
            ]
            innerNames = []
        default:
            members = nil
            inner = []
            innerNames = []
        }
    }
}
