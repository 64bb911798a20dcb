import StreamRuntime

/// Where the keys and fields of Feast's Redis layout lie in an online store.
final class FeastLayout: Sendable {
    /// A view's feature, or its event time, which counts as one feature more.
    struct Place: Hashable, Sendable {
        let slot: Int
        let fragment: Int
    }

    /// One entity's keys and fields.
    struct Table: Sendable {
        let index: Int
        let keys: FeastEntityKey
        let views: [FeatureView]
        /// Names of fields in the order of the views and their features, each view's event time last.
        let names: [[[UInt8]]]
        let places: [[UInt8]: Place]
    }

    let tables: [Table]
    let project: String

    /// The layout of `catalog` for keys of `project`; entities that Feast cannot name are left out.
    ///
    /// - Throws: when two features would share a field, which murmur3 makes possible.
    init(catalog: FeatureCatalog, project: String) throws(JobFailure) {
        var tables: [Table] = []
        for (index, entity) in catalog.entities.enumerated() {
            guard let keys = FeastEntityKey(entity: entity, project: project) else { continue }
            let views = catalog.views(ofTable: index)
            var places: [[UInt8]: Place] = [:]
            var names: [[[UInt8]]] = []
            for (slot, view) in views.enumerated() {
                var fields = view.features.map {
                    FeastField.name(view: view.name, feature: $0.name)
                }
                fields.append(FeastField.time(view: view.name))
                for (fragment, name) in fields.enumerated() {
                    let place = Place(slot: slot, fragment: fragment)
                    guard places.updateValue(place, forKey: name) == nil else {
                        throw JobFailure(
                            .environment,
                            "two features of entity \"\(entity.name)\" have one name in the Redis layout",
                            at: "feature view \(view.name)",
                            remedy: "rename the feature, or serve without RESP")
                    }
                }
                names.append(fields)
            }
            tables.append(
                Table(index: index, keys: keys, views: views, names: names, places: places))
        }
        self.tables = tables
        self.project = project
    }

    /// The table that `key` belongs to, its key there appended to `encoded`; nil when it is no declared
    /// entity's.
    ///
    /// - Precondition: 8 bytes past the end of the key are readable.
    @inline(__always)
    func locate(_ key: UnsafePointer<UInt8>, _ length: Int, into encoded: ByteArena) -> Int? {
        var index = 0
        while index < tables.count {
            if tables[index].keys.encode(key, length, to: encoded) { return index }
            index &+= 1
        }
        return nil
    }
}

/// What a list of fields asks for, worked out once and kept.
final class FieldPlan {
    /// Position in the layout's tables, or nil when the key is no declared entity's.
    let table: Int?
    /// The fields as they came, framed: what tells the plan from others.
    let raw: [UInt8]
    let fields: [[UInt8]]
    /// In the order of the request; slot -1 is a range of fields that no view declares.
    let runs: [ValueRun]
    let isDeclared: Bool

    init(table: Int?, layout: FeastLayout, raw: [UInt8], fields: [[UInt8]]) {
        self.table = table
        self.raw = raw
        self.fields = fields
        var runs: [ValueRun] = []
        for (index, field) in fields.enumerated() {
            let place = table.flatMap { layout.tables[$0].places[field] }
            let slot = place?.slot ?? -1
            let fragment = place?.fragment ?? index
            if let last = runs.last, last.slot == slot, last.last + 1 == fragment {
                runs[runs.count - 1].last = fragment
            } else {
                runs.append(ValueRun(slot: slot, first: fragment, last: fragment))
            }
        }
        self.runs = runs
        isDeclared = runs.allSatisfy { $0.slot >= 0 }
    }
}
