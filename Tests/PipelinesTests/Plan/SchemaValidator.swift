@testable import Pipelines

/// Checks a value against a JSON Schema: as much of the language as the published schema uses.
struct SchemaValidator {
    let root: SpecNode

    /// The schema's own text, read as YAML, which JSON is.
    init(schema: String) {
        root = YAMLReader(
            source: SourceText(file: "schema", text: schema),
            variables: Variables(environment: [:], readFile: { _ in nil }),
            diagnostics: Diagnostics()
        ).read()!
    }

    func accepts(_ value: SpecNode) -> Bool { accepts(value, root) }

    private func accepts(_ value: SpecNode, _ schema: SpecNode) -> Bool {
        for (keyword, rule) in schema.entries.map({ ($0.key, $0.value) }) {
            let isFine: Bool =
                switch keyword {
                case "$schema", "title", "description", "$defs": true
                case "$ref":
                    accepts(value, root["$defs"]![String(rule.text!.split(separator: "/").last!)]!)
                case "type": rule.oneOrMore.contains { isOf(value, type: $0.text!) }
                case "enum":
                    isOf(value, type: "string")
                        && rule.items.contains { $0.text == value.scalar?.raw }
                case "pattern":
                    !isOf(value, type: "string") || matches(value.scalar!.raw, rule.scalar!.raw)
                case "minLength":
                    !isOf(value, type: "string") || value.scalar!.raw.count >= rule.integer!
                case "minimum": value.integer.map { $0 >= rule.integer! } ?? true
                case "maximum": value.integer.map { $0 <= rule.integer! } ?? true
                case "items": value.items.allSatisfy { accepts($0, rule) }
                case "minItems": !isOf(value, type: "array") || value.items.count >= rule.integer!
                case "properties":
                    value.entries.allSatisfy { entry in
                        rule.entry(entry.key).map { accepts(entry.value, $0.value) } ?? true
                    }
                case "additionalProperties": acceptsAdditional(value, rule, schema)
                case "propertyNames":
                    value.entries.allSatisfy { accepts(string($0.key), rule) }
                case "required":
                    !isOf(value, type: "object")
                        || rule.items.allSatisfy { value.entry($0.text!) != nil }
                case "minProperties":
                    !isOf(value, type: "object") || value.entries.count >= rule.integer!
                case "maxProperties":
                    !isOf(value, type: "object") || value.entries.count <= rule.integer!
                case "dependentRequired":
                    rule.entries.allSatisfy { key in
                        value.entry(key.key) == nil
                            || key.value.items.allSatisfy { value.entry($0.text!) != nil }
                    }
                case "dependentSchemas":
                    rule.entries.allSatisfy {
                        value.entry($0.key) == nil || accepts(value, $0.value)
                    }
                case "anyOf": rule.items.contains { accepts(value, $0) }
                case "oneOf": rule.items.filter { accepts(value, $0) }.count == 1
                case "allOf": rule.items.allSatisfy { accepts(value, $0) }
                default: false
                }
            if !isFine { return false }
        }
        return true
    }

    private func acceptsAdditional(_ value: SpecNode, _ rule: SpecNode, _ schema: SpecNode) -> Bool
    {
        let known = schema.entry("properties")?.value.entries.map(\.key) ?? []
        return value.entries.filter { !known.contains($0.key) }.allSatisfy { entry in
            rule.text == "false" ? false : accepts(entry.value, rule)
        }
    }

    private func isOf(_ value: SpecNode, type: String) -> Bool {
        switch value.content {
        case .list: type == "array"
        case .mapping: type == "object"
        case .scalar(let scalar):
            switch SpecScalar.kind(of: scalar) {
            case .string: type == "string"
            case .boolean: type == "boolean"
            case .integer: type == "integer" || type == "number"
            case .number: type == "number"
            case .null: type == "null"
            }
        }
    }

    private func matches(_ text: String, _ pattern: String) -> Bool {
        guard let regex = try? Regex(pattern) else { return false }
        return text.firstMatch(of: regex) != nil
    }

    private func string(_ text: String) -> SpecNode {
        let place = Position(line: 1, column: 1)
        return SpecNode(
            content: .scalar(
                SpecScalar(
                    raw: text, text: text, kind: .string, isQuoted: true, hasVariables: false,
                    unset: [], places: [place])), position: place)
    }
}

extension SpecScalar {
    /// What a scalar is before variables are put in.
    fileprivate static func kind(of scalar: SpecScalar) -> Kind {
        scalar.isQuoted
            ? .string : scalar.kind == .string ? .string : SpecScalar.kind(ofPlain: scalar.raw)
    }
}
