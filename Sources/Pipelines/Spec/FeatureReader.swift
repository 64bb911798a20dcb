import FeatureServe
import StreamRuntime

/// Reads entities, feature views, push sources, on-demand features and services.
struct FeatureReader {
    let diagnostics: Diagnostics

    func entity(_ entry: SpecNode.Entry) -> EntitySpec? {
        let keys = (entry.value["keys"]?.entries ?? []).compactMap { key -> Located<Field>? in
            guard let text = key.value.text, let type = try? TypeText.parse(text) else {
                return nil
            }
            guard KeyEncoder.accepts(type) else {
                diagnostics.report(
                    .notAKey, "a key cannot be \(type)", at: key.value.position,
                    fix: "use a type without parts, such as string or int64")
                return nil
            }
            return Located(value: Field(key.key, type), position: key.keyPosition)
        }
        return keys.isEmpty
            ? nil : EntitySpec(name: entry.name, keys: keys, notes: notes(entry.value))
    }

    func featureView(_ entry: SpecNode.Entry) -> FeatureViewSpec? {
        let node = entry.value
        guard let entity = node["entity"]?.located else { return nil }
        return FeatureViewSpec(
            name: entry.name, entity: entity, from: node["from"]?.located,
            ttl: node["ttl"]?.duration, history: node["history"]?.duration,
            geo: node["geo"].flatMap(geo),
            features: node["features"]?.items.compactMap(feature),
            degrade: node["degrade"].flatMap(degrade), notes: notes(node))
    }

    private func geo(_ node: SpecNode) -> GeoSpec? {
        guard let latitude = node["latitude"]?.located, let longitude = node["longitude"]?.located
        else { return nil }
        return GeoSpec(
            latitude: latitude, longitude: longitude, entitiesMax: node["entities"]?.integer)
    }

    private func feature(_ node: SpecNode) -> FeatureSpec? {
        if let name = node.located { return FeatureSpec(name: name) }
        guard let name = node["name"]?.located else { return nil }
        let type = node["type"].flatMap { type in
            type.text.flatMap { try? TypeText.parse($0) }.map {
                Located(value: $0, position: type.position)
            }
        }
        // Its type could not be read: what is wrong with it was told.
        if type == nil, node["type"] != nil { return nil }
        return FeatureSpec(
            name: name, type: type, defaultValue: node["default"]?.expression,
            degrade: node["degrade"].flatMap(degrade), notes: notes(node))
    }

    private func degrade(_ node: SpecNode) -> Located<[Degradation]>? {
        var order: [Degradation] = []
        for item in node.items {
            guard let word = item.text.flatMap(Degradation.init(rawValue:)) else { continue }
            if order.contains(word) {
                diagnostics.report(
                    .badValue, "\"\(word.rawValue)\" is twice in degrade", at: item.position,
                    fix: "name it once")
                continue
            }
            order.append(word)
        }
        return Located(value: order, position: node.position)
    }

    private func notes(_ node: SpecNode) -> DefinitionNotes {
        let tags = (node["tags"]?.entries ?? []).compactMap { entry in
            entry.value.text.map { DefinitionNotes.Tag(name: entry.key, value: $0) }
        }
        return DefinitionNotes(
            description: node["description"]?.text ?? "", owner: node["owner"]?.text ?? "",
            tags: tags.sorted { $0.name < $1.name })
    }

    func pushSource(_ entry: SpecNode.Entry) -> PushSourceSpec? {
        let view = entry.value["view"] ?? entry.value
        return view.located.map { PushSourceSpec(name: entry.name, view: $0) }
    }

    func service(_ entry: SpecNode.Entry) -> ServiceSpec? {
        ServiceSpec(name: entry.name, features: entry.value.items.flatMap(reference))
    }

    /// VIEW, VIEW:FEATURE or a mapping of views with lists of features.
    private func reference(_ node: SpecNode) -> [FeatureReference] {
        if let scalar = node.scalar {
            let parts = scalar.text.split(
                separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let view = Located(value: String(parts[0]), position: node.position)
            return [
                FeatureReference(
                    view: view,
                    features: parts.count == 2
                        ? [Located(value: String(parts[1]), position: node.position)] : nil)
            ]
        }
        return node.entries.map { entry in
            FeatureReference(
                view: entry.name, features: entry.value.oneOrMore.compactMap(\.located))
        }
    }

    func onDemand(_ entry: SpecNode.Entry) -> OnDemandSpec? {
        let node = entry.value
        guard let select = node["select"] else { return nil }
        let declared = node["request"]?.entries ?? []
        let request = declared.compactMap(requestField)
        let rank = node["rank"].flatMap { rank in
            rank["by"]?.located.map {
                RankSpec(by: $0, filter: rank["where"]?.located, top: rank["top"]?.integer)
            }
        }
        return OnDemandSpec(
            name: entry.name, request: request,
            unreadable: Set(declared.map(\.key)).subtracting(request.map(\.name.value)),
            sources: (node["sources"]?.items ?? []).flatMap(reference),
            items: select.entries.compactMap { item in
                item.value.expression.map { SpecItem(name: item.name, expression: $0) }
            }, rank: rank, notes: notes(node))
    }

    private func requestField(_ entry: SpecNode.Entry) -> RequestFieldSpec? {
        let node = entry.value
        guard let text = node.text ?? node["type"]?.text, let type = try? TypeText.parse(text)
        else { return nil }
        return RequestFieldSpec(
            name: entry.name, type: type, defaultValue: node["default"]?.expression,
            description: node["description"]?.text ?? "")
    }
}
