import FeatureServe
import Operators
import StreamRuntime

extension Planner {
    /// The views computed at lookup, types checked through every expression.
    func planOnDemand(_ views: [PlannedFeatureView]) -> [PlannedOnDemand] {
        spec.onDemand.compactMap { view in
            if needed == nil { checkOnDemand(view, views) }
            return OnDemandPlanner(planner: self, spec: view, views: views).plan()
        }
    }

    /// Names that mean something else already.
    private func checkOnDemand(_ view: OnDemandSpec, _ views: [PlannedFeatureView]) {
        if spec.featureViews.contains(where: { $0.name.value == view.name.value }) {
            diagnostics.report(
                .repeatedName,
                "\"\(view.name.value)\" is a feature view and an on-demand view",
                at: view.name.position, fix: "give one of them another name")
        }
        let declared = spec.featureViews.map(\.name.value)
        for reference in view.sources {
            checkReference(reference, declared: declared, what: "feature view") { name in
                views.first { $0.name == name }?.features
            }
        }
        let keys = spec.entities.flatMap(\.keys)
        for field in view.request {
            guard let key = keys.first(where: { $0.value.name == field.name.value }),
                key.value.type != field.type
            else { continue }
            diagnostics.report(
                .entityType,
                "\"\(field.name.value)\" is a key of another type: both come from one place of a request",
                at: field.name.position,
                notes: ["types: \(field.type) here, \(key.value.type) in the entity"],
                fix: "write \(field.name.value): \(key.value.type), or choose another name")
        }
    }
}

/// Plans one on-demand view: what its expressions may name, what they read, what types they have.
struct OnDemandPlanner {
    let planner: Planner
    let spec: OnDemandSpec
    let views: [PlannedFeatureView]

    /// A column that expressions may name.
    private enum Origin {
        case request
        /// A stored view, as a struct of its features.
        case view(Int)
        /// A feature of `sources` by its own name.
        case short(view: Int, feature: String)
        case item(Int)
    }

    private var diagnostics: Diagnostics { planner.diagnostics }

    func plan() -> PlannedOnDemand? {
        var fields: [Field] = []
        var origins: [Origin] = []
        func add(_ field: Field, _ origin: Origin) {
            fields.append(field)
            origins.append(origin)
        }
        for (index, view) in views.enumerated() {
            add(Field(view.name, .structure(view.features)), .view(index))
        }
        for field in spec.request {
            if !FeatureView.accepts(field.type) {
                diagnostics.report(
                    .notAFeature, "\"\(field.name.value)\" cannot be a field of a request",
                    at: field.name.position, notes: ["types: it is \(field.type)"],
                    fix: "use numbers, text, booleans, timestamps, or lists of them")
            }
            if fields.contains(where: { $0.name == field.name.value }) {
                repeated(field.name.value, at: field.name.position)
                continue
            }
            add(Field(field.name.value, field.type), .request)
        }
        let shorts = shortNames()
        for short in shorts {
            if fields.contains(where: { $0.name == short.field.name }) {
                repeated(short.field.name, at: short.position)
                continue
            }
            add(short.field, .short(view: short.view, feature: short.field.name))
        }
        return compile(fields, origins, shorts)
    }

    private typealias Short = (view: Int, field: Field, position: Position)

    /// The features of `sources`, which need no view before them.
    private func shortNames() -> [Short] {
        spec.sources.flatMap { reference -> [Short] in
            guard let index = views.firstIndex(where: { $0.name == reference.view.value }) else {
                return []
            }
            let known = views[index].features
            guard let wanted = reference.features else {
                return known.map { (index, $0, reference.view.position) }
            }
            return wanted.compactMap { name in
                known.first { $0.name == name.value }.map { (index, $0, name.position) }
            }
        }
    }

    private func repeated(_ name: String, at position: Position) {
        diagnostics.report(
            .repeatedColumn, "\"\(name)\" would mean two things in \"\(spec.name.value)\"",
            at: position,
            fix: "choose a name that no view, request field, source or feature before it has")
    }

    private func compile(
        _ inputs: [Field], _ inputOrigins: [Origin], _ shorts: [Short]
    ) -> PlannedOnDemand? {
        var fields = inputs
        var origins = inputOrigins
        var poisoned = spec.unreadable
        var items: [NamedExpression] = []
        var outputs: [Field] = []
        var reads: [Int: Set<String>] = [:]
        var views: [Set<Int>] = []
        for item in spec.items {
            let name = item.name.value
            if fields.contains(where: { $0.name == name }) {
                repeated(name, at: item.name.position)
                continue
            }
            let rows = PlannedRows(
                schema: Schema(fields), endpoints: [], poisoned: poisoned)
            guard let compiled = check(item, rows) else {
                poisoned.insert(name)
                continue
            }
            var depends: Set<Int> = []
            for read in compiled.reads {
                switch origins[read.column] {
                case .request: break
                case .item(let earlier): depends.formUnion(views[earlier])
                case .short(let view, let feature):
                    depends.insert(view)
                    reads[view, default: []].insert(feature)
                case .view(let view):
                    depends.insert(view)
                    let all = self.views[view].features
                    let read = read.field.map { [all[$0].name] } ?? all.map(\.name)
                    reads[view, default: []].formUnion(read)
                }
            }
            fields.append(Field(name, compiled.type))
            origins.append(.item(items.count))
            outputs.append(Field(name, compiled.type))
            items.append(.init(name: name, text: item.expression.text))
            views.append(depends)
        }
        let ranking = checkRanking(outputs, poisoned)
        let request = spec.request.map { field in
            OnDemandView.Input(
                Field(field.name.value, field.type),
                defaultValue: field.defaultValue.flatMap { planner.constant($0, as: field.type) },
                description: field.description)
        }
        guard diagnostics.isEmpty else { return nil }
        let sources = reads.keys.sorted().map { view in
            PlannedOnDemand.Source(
                view: view,
                features: self.views[view].features.map(\.name).filter {
                    reads[view]!.contains($0)
                })
        }
        let used = shorts.filter { reads[$0.view]?.contains($0.field.name) ?? false }
        return PlannedOnDemand(
            name: spec.name.value, request: request, sources: sources,
            shortNames: used.map(\.field.name), items: items, features: outputs,
            dependencies: views.map { view in
                sources.indices.filter { view.contains(sources[$0].view) }
            }, ranking: ranking, notes: spec.notes)
    }

    private func check(_ item: SpecItem, _ rows: PlannedRows) -> CompiledExpression? {
        let compiled: CompiledExpression
        do {
            compiled = try ExpressionCompiler(schema: rows.schema).compile(item.expression.text)
        } catch {
            // A view that could not be planned is not to be missed here too.
            let words = StepPlanner.words(of: item.expression.text)
            let broken = planner.spec.featureViews.map(\.name.value).filter { name in
                !views.contains { $0.name == name }
            }
            if words.isDisjoint(with: broken) {
                StepPlanner.report(
                    error, in: item.expression, rows, diagnostics: planner.diagnostics)
            }
            return nil
        }
        if !FeatureView.accepts(compiled.type) {
            diagnostics.report(
                .notAFeature, "\"\(item.name.value)\" cannot be a feature",
                at: item.expression.position,
                notes: ["types: \(item.expression.text) is \(compiled.type.brief)"],
                fix: "use numbers, text, booleans, timestamps, or lists of them")
            return nil
        }
        return compiled
    }

    private func checkRanking(
        _ outputs: [Field], _ poisoned: Set<String>
    ) -> OnDemandView.Ranking? {
        guard let rank = spec.rank else { return nil }
        func find(_ name: Located<String>) -> ColumnType? {
            if let field = outputs.first(where: { $0.name == name.value }) { return field.type }
            if !poisoned.contains(name.value) {
                diagnostics.report(
                    .unknownColumn,
                    "rank names \"\(name.value)\", which is no feature of \"\(spec.name.value)\"",
                    at: name.position,
                    fix: NearestWord.advice(
                        name.value, among: outputs.map(\.name), what: "features"))
            }
            return nil
        }
        switch find(rank.by) {
        case nil, .int64, .float64, .decimal: break
        case .some(let type):
            diagnostics.report(
                .notOrdered, "candidates cannot be ranked by \"\(rank.by.value)\"",
                at: rank.by.position, notes: ["types: \(rank.by.value) is \(type)"],
                fix: "rank by a number")
        }
        if let filter = rank.filter, let type = find(filter), type != .bool {
            diagnostics.report(
                .notBoolean, "\"\(filter.value)\" does not say who is a candidate",
                at: filter.position, notes: ["types: \(filter.value) is \(type)"],
                fix: "name a feature that is true or false")
        }
        return .init(score: rank.by.value, filter: rank.filter?.value, top: rank.top)
    }
}
