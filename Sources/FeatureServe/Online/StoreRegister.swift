import StreamRuntime

/// The numbers under which a store keeps its entities and views, for as long as it lives.
///
/// - Shape: one record of text lines: `online 2`, then `opening NUMBER`, `entity ID NAME KEY:TYPE…` and
///   `view ID ENTITY_ID NAME FEATURE:TYPE…`, fields separated by tabs. A view whose features change gets a
///   new number, and its values are written anew.
struct StoreRegister {
    /// The record's key; no table has the id 0xFFFF.
    static let key: [UInt8] = [0xFF, 0xFF, 0x72]

    private var lines: [String] = []
    private(set) var isChanged = false

    /// Reads the register that an earlier run left, if any.
    init(_ bytes: [UInt8]?) throws(JobFailure) {
        guard let bytes else { return }
        let all = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        guard all.first == "online 2" else {
            throw JobFailure(
                .environment,
                "the online store was written in \(all.first == "online 1" ? "an older" : "a newer")"
                    + " format",
                at: "online store, register \"\(all.first ?? "")\"",
                remedy:
                    "use the version of millrace that wrote it, or delete its directory and replay")
        }
        lines = Array(all.dropFirst())
    }

    var bytes: [UInt8] { Array(("online 2\n" + lines.joined(separator: "\n") + "\n").utf8) }

    /// The number of this opening of the store: one more than that of the last.
    mutating func open() -> UInt64 {
        let last = lines.first { $0.hasPrefix("opening\t") }.flatMap { UInt64(Self.field($0, 1)) }
        lines.removeAll { $0.hasPrefix("opening\t") }
        let number = (last ?? 0) + 1
        lines.insert("opening\t\(number)", at: 0)
        isChanged = true
        return number
    }

    /// The number of `entity`, given on first sight.
    mutating func number(of entity: Entity) throws(JobFailure) -> UInt16 {
        let signature = entity.name + "\t" + Self.text(entity.keys)
        if let known = Self.number(in: lines, "entity", signature) { return known }
        if lines.contains(where: { $0.hasPrefix("entity\t") && Self.field($0, 2) == entity.name }) {
            throw JobFailure(
                .environment,
                "the keys of entity \"\(entity.name)\" are not those it was kept under",
                at: "online store",
                remedy:
                    "give the changed entity a new name, or delete the online store's directory "
                    + "and replay")
        }
        return append("entity", signature)
    }

    /// The number of `view`, given on first sight.
    mutating func number(of view: FeatureView) -> UInt16 {
        let signature = view.entity + "/" + view.name + "\t" + Self.text(view.features)
        return Self.number(in: lines, "view", signature) ?? append("view", signature)
    }

    private mutating func append(_ kind: String, _ signature: String) -> UInt16 {
        let number = UInt16(lines.count { $0.hasPrefix(kind + "\t") } + 1)
        lines.append("\(kind)\t\(number)\t\(signature)")
        isChanged = true
        return number
    }

    private static func number(in lines: [String], _ kind: String, _ signature: String) -> UInt16? {
        for line in lines where line.hasPrefix(kind + "\t") {
            if let number = UInt16(field(line, 1)), line == "\(kind)\t\(number)\t\(signature)" {
                return number
            }
        }
        return nil
    }

    private static func field(_ line: String, _ index: Int) -> String {
        let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
        return index < parts.count ? String(parts[index]) : ""
    }

    private static func text(_ fields: [Field]) -> String {
        fields.map { "\($0.name):\($0.type)" }.joined(separator: "\t")
    }
}
