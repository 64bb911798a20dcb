import StreamRuntime

/// A serving plan with what a gRPC answer needs of it, made once.
final class GRPCPlan {
    let plan: ServingPlan
    let identity: [UInt8]
    /// The columns' names, each as an entry of a `FeatureList`.
    let columnNames: [UInt8]
    /// What stands in for a column's values that are not there, as `Value`s; no bytes for null.
    let standIns: [[UInt8]]
    /// The views, each as an entry of `feature_view_metadata`.
    let viewNames: [UInt8]

    init(_ plan: ServingPlan, identity: [UInt8], names: [String]) {
        self.plan = plan
        self.identity = identity
        let arena = ByteArena(capacity: 1 << 10)
        for name in names { ProtoWriter.text(1, name, to: arena) }
        columnNames = Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
        standIns = plan.columns.map { column in
            guard !column.isComputed, column.standIn != nil else { return [] }
            let definition = plan.views[column.view].declaration.definitions[column.feature]
            arena.count = 0
            FeastValue.append(
                (definition.standIn ?? .null).column(of: definition.type), 0, to: arena)
            return Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
        }
        arena.count = 0
        let asked = plan.views.filter { $0.columns > 0 }.map(\.declaration.name)
        for name in asked + plan.computed.map(\.declaration.name) {
            ProtoWriter.message(2, to: arena) { ProtoWriter.text(1, name, to: arena) }
        }
        viewNames = Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
    }
}
