import StreamRuntime

/// How the elements that a field of a nested type holds are read.
struct XMLShape {
    /// A member of a struct.
    struct Member {
        let name: String
        let key: XMLKey
        let shape: XMLShape
        /// The element's own text, `_`.
        let isText: Bool
    }

    private let inner: [XMLShape]
    let isList: Bool
    let isStructure: Bool
    let members: [Member]
    /// The shape of a list's elements.
    var element: XMLShape? { inner.first }

    init(_ type: ColumnType, _ names: inout XMLNames) {
        switch type {
        case .list(let element):
            isList = true
            isStructure = false
            inner = [XMLShape(element, &names)]
            members = []
        case .structure(let fields):
            isList = false
            isStructure = true
            inner = []
            var members: [Member] = []
            for field in fields {
                members.append(
                    Member(
                        name: field.name, key: XMLKey(member: field.name, &names),
                        shape: XMLShape(field.type, &names),
                        isText: field.name == "_" && !XMLShape.isNested(field.type)))
            }
            self.members = members
        default:
            isList = false
            isStructure = false
            inner = []
            members = []
        }
    }

    static func isNested(_ type: ColumnType) -> Bool {
        switch type {
        case .list, .structure: true
        default: false
        }
    }
}
