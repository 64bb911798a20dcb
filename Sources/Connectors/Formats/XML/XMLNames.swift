/// The names that paths ask for, each with a number.
///
/// An element whose local name nobody asks for leads nowhere and is passed over with all it holds.
struct XMLNames {
    private var locals: [[UInt8]] = []
    private var uris: [[UInt8]] = []

    /// The number of a local name; asked for from now on.
    mutating func local(_ text: String) -> Int32 { XMLNames.number(Array(text.utf8), &locals) }

    /// The number of a namespace; asked for from now on.
    mutating func uri(_ text: String) -> Int32 { XMLNames.number(Array(text.utf8), &uris) }

    private static func number(_ bytes: [UInt8], _ all: inout [[UInt8]]) -> Int32 {
        if let known = all.firstIndex(of: bytes) { return Int32(known) }
        all.append(bytes)
        return Int32(all.count - 1)
    }

    /// The number of a local name, or -1.
    func findLocal(_ bytes: UnsafePointer<UInt8>, _ length: Int) -> Int32 {
        XMLNames.find(bytes, length, locals)
    }

    /// The number of a namespace, or -1.
    func findURI(_ bytes: UnsafePointer<UInt8>, _ length: Int) -> Int32 {
        XMLNames.find(bytes, length, uris)
    }

    private static func find(
        _ bytes: UnsafePointer<UInt8>, _ length: Int, _ all: [[UInt8]]
    ) -> Int32 {
        for index in all.indices where all[index].count == length {
            let isEqual = all[index].withUnsafeBufferPointer { wanted in
                var at = 0
                while at < length, wanted[at] == bytes[at] { at &+= 1 }
                return at == length
            }
            if isEqual { return Int32(index) }
        }
        return -1
    }
}

/// A name of a path in numbers.
struct XMLKey {
    let local: Int32
    /// -1 for any namespace.
    let uri: Int32
    let isAttribute: Bool

    init(_ name: XMLPath.Name, _ names: inout XMLNames) {
        local = names.local(name.local)
        uri = name.uri.map { names.uri($0) } ?? -1
        isAttribute = name.isAttribute
    }

    init(member: String, _ names: inout XMLNames) {
        local = names.local(member)
        uri = -1
        isAttribute = false
    }
}

/// A path in numbers, from the element it is looked for in.
struct XMLRoute {
    struct Step {
        let key: XMLKey
        let condition: (key: XMLKey, text: [UInt8])?
    }

    let steps: [Step]

    init(_ steps: ArraySlice<XMLPath.Step>, _ names: inout XMLNames) {
        self.steps = steps.map { step in
            Step(
                key: XMLKey(step.name, &names),
                condition: step.condition.map { (XMLKey($0.name, &names), Array($0.text.utf8)) })
        }
    }
}
