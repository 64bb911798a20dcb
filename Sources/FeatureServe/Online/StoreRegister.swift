import StreamRuntime

/// The numbers under which a store keeps its entities and views, for as long as it lives.
///
/// - Shape: one record of text lines: `online 2`, then `opening NUMBER CHECKPOINT`, `entity ID NAME KEY:TYPE…`,
///   `view ID ENTITY_ID NAME FEATURE:TYPE…` and `source ID TOPIC`, fields separated by tabs. A view whose features change gets a
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

    /// Notes that the store is opened for a job that goes on from `checkpoint`.
    ///
    /// - Returns: the openings that matter for versions at rest, this one last: one after which a job went on
    ///   from an earlier checkpoint does not.
    mutating func open(checkpoint: Int64?) -> [StoreEpochs.Opening] {
        var openings = lines.filter { $0.hasPrefix("opening\t") }.compactMap { line in
            UInt64(Self.field(line, 1)).flatMap { number in
                Int64(Self.field(line, 2)).map {
                    StoreEpochs.Opening(generation: number, restored: $0)
                }
            }
        }
        guard let checkpoint else { return openings }
        let number = (openings.last?.generation ?? 0) + 1
        openings.removeAll { $0.restored >= checkpoint }
        openings.append(StoreEpochs.Opening(generation: number, restored: checkpoint))
        lines.removeAll { $0.hasPrefix("opening\t") }
        lines.insert(
            contentsOf: openings.suffix(Self.openingsMax).map {
                "opening\t\($0.generation)\t\($0.restored)"
            }, at: 0)
        isChanged = true
        return openings
    }

    /// Older ones have no versions left but of keys that nobody writes.
    private static let openingsMax = 1000

    /// The number of the source that reads `topic`, given on first sight, from 1 on.
    mutating func number(ofSource topic: String) -> UInt16 {
        Self.number(in: lines, "source", topic) ?? append("source", topic)
    }

    /// The topics of all sources, by their numbers less one.
    var sources: [String] {
        lines.filter { $0.hasPrefix("source\t") }.map { Self.field($0, 2) }
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
