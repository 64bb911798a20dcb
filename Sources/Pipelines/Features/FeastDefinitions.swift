/// What a Feast registry declares, as far as it has a counterpart here.
///
/// - Source: the messages of `feast/core/*.proto`, Feast 0.67.
struct FeastDefinitions {
    struct Notes {
        let description: String
        let owner: String
        let tags: [(key: String, value: String)]
    }

    struct Feature {
        let name: String
        /// The number of Feast's value type.
        let type: Int
        let description: String
        let tags: [(key: String, value: String)]
    }

    struct Entity {
        let name: String
        let joinKey: String
        let type: Int
        let notes: Notes
    }

    struct View {
        let name: String
        let entities: [String]
        let keys: [Feature]
        let features: [Feature]
        let ttlSeconds: Int
        let notes: Notes
        /// The push source that fills it.
        let pushSource: String?
    }

    struct OnDemand {
        let name: String
        let features: [Feature]
        let request: [Feature]
        let views: [String]
        let notes: Notes
    }

    struct Service {
        let name: String
        let parts: [(view: String, features: [String])]
        let notes: Notes
    }

    var entities: [Entity] = []
    var views: [View] = []
    var onDemand: [OnDemand] = []
    var services: [Service] = []
    /// Every project of the file.
    private(set) var projects: [String] = []

    private static let pushSourceType = 9

    /// What the project called `project` declares in a registry's bytes, or all projects; nil when the bytes
    /// are no registry.
    init?(_ bytes: [UInt8], project: String?) {
        guard let root = FeastMessage(bytes[...]) else { return nil }
        let all =
            (root.messages(1) + root.messages(6) + root.messages(7) + root.messages(8)
            + root.messages(14)).compactMap { $0.message(1) }
        let isEntity = root.messages(1).count
        for (index, spec) in all.enumerated() {
            let name = spec.text(index < isEntity ? 9 : 2)
            if !name.isEmpty, !projects.contains(name) { projects.append(name) }
        }
        guard !projects.isEmpty || all.isEmpty else { return nil }
        func specs(_ number: Int, project at: Int) -> [FeastMessage] {
            root.messages(number).compactMap { $0.message(1) }.filter {
                project == nil || $0.text(at) == project
            }
        }
        for spec in specs(1, project: 9) {
            let joinKey = spec.text(4)
            entities.append(
                Entity(
                    name: spec.text(1), joinKey: joinKey.isEmpty ? spec.text(1) : joinKey,
                    type: spec.number(2),
                    notes: Notes(
                        description: spec.text(3), owner: spec.text(10), tags: spec.map(8))))
        }
        for spec in specs(6, project: 2) {
            views.append(
                View(
                    name: spec.text(1), entities: spec.texts(3),
                    keys: spec.messages(12).map(FeastDefinitions.feature),
                    features: spec.messages(4).map(FeastDefinitions.feature),
                    ttlSeconds: spec.message(6)?.number(1) ?? 0,
                    notes: Notes(
                        description: spec.text(10), owner: spec.text(11), tags: spec.map(5)),
                    pushSource: FeastDefinitions.pushSource(spec.message(9))))
        }
        for spec in specs(14, project: 2) {
            views.append(
                View(
                    name: spec.text(1), entities: spec.texts(3),
                    keys: spec.messages(5).map(FeastDefinitions.feature),
                    features: spec.messages(4).map(FeastDefinitions.feature),
                    ttlSeconds: spec.message(9)?.number(1) ?? 0,
                    notes: Notes(
                        description: spec.text(6), owner: spec.text(8), tags: spec.map(7)),
                    pushSource: FeastDefinitions.pushSource(spec.message(11))))
        }
        for spec in specs(8, project: 2) { onDemand.append(FeastDefinitions.onDemand(spec)) }
        for spec in specs(7, project: 2) {
            services.append(
                Service(
                    name: spec.text(1),
                    parts: spec.messages(3).map { part in
                        (part.text(1), part.messages(2).map { $0.text(1) })
                    },
                    notes: Notes(
                        description: spec.text(5), owner: spec.text(6), tags: spec.map(4))))
        }
    }

    private static func feature(_ spec: FeastMessage) -> Feature {
        Feature(
            name: spec.text(1), type: spec.number(2), description: spec.text(4), tags: spec.map(3))
    }

    private static func pushSource(_ source: FeastMessage?) -> String? {
        guard let source, source.number(1) == pushSourceType else { return nil }
        return source.text(20)
    }

    private static func onDemand(_ spec: FeastMessage) -> OnDemand {
        var request: [Feature] = []
        var views: [String] = []
        for entry in spec.messages(4) {
            guard let source = entry.message(2) else { continue }
            if let options = source.message(2)?.message(18) {
                request += options.messages(3).map(feature)
            }
            if let view = source.message(1)?.message(1)?.text(1) { views.append(view) }
            if let view = source.message(3)?.text(1) { views.append(view) }
        }
        return OnDemand(
            name: spec.text(1), features: spec.messages(3).map(feature), request: request,
            views: views.sorted(),
            notes: Notes(description: spec.text(6), owner: spec.text(8), tags: spec.map(7)))
    }
}
