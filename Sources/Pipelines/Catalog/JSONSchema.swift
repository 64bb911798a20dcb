/// The JSON Schema of pipelines files, made from the same shapes the reader checks.
enum JSONSchema {
    /// The published schema.
    static var document: JSONText {
        guard case .members(let members) = schema(of: Catalog.file) else { return .null }
        return .members(
            [
                member("$schema", .string("https://json-schema.org/draft/2020-12/schema")),
                member("title", .string("Millrace pipelines file")),
            ] + members + [member("$defs", .object([("step", step)]))])
    }

    /// The schema of a file that another one includes: the same parts, some keys left out.
    static var includedDocument: JSONText {
        guard case .mapping(let file) = Catalog.includedFile else { return .null }
        let parts = file.keys.filter { !$0.isLater }.map { key in
            (
                key.name,
                JSONText.object([
                    ("$ref", .string("pipelines.schema.json#/properties/\(key.name)"))
                ])
            )
        }
        return .object([
            ("$schema", .string("https://json-schema.org/draft/2020-12/schema")),
            ("title", .string("Millrace pipelines file that another one includes")),
            ("type", .string("object")), ("properties", .object(parts)),
            ("additionalProperties", .boolean(false)),
        ])
    }

    static func schema(of shape: Shape) -> JSONText {
        switch shape {
        case .text(let kind): text(kind)
        case .list(let item, let min):
            .object(
                [("type", .string("array")), ("items", schema(of: item))]
                    + (min > 0 ? [("minItems", .integer(min))] : []))
        case .mapping(let mapping): self.mapping(mapping)
        case .table(let table):
            .object(
                [
                    ("type", .string("object")),
                    ("propertyNames", name(table.key)),
                    ("additionalProperties", schema(of: table.value)),
                ] + (table.min > 0 ? [("minProperties", .integer(table.min))] : []))
        case .either(let shapes): .object([("anyOf", .array(shapes.map(schema)))])
        case .step: .object([("$ref", .string("#/$defs/step"))])
        case .anything:
            .object([
                ("type", .strings(["string", "number", "boolean", "array", "object"]))
            ])
        }
    }

    private static var step: JSONText {
        .object([
            ("type", .string("object")), ("minProperties", .integer(1)),
            ("maxProperties", .integer(1)), ("additionalProperties", .boolean(false)),
            (
                "properties",
                .object(Verb.present.map { ($0.name, described(schema(of: $0.shape), $0.meaning)) })
            ),
        ])
    }

    private static func mapping(_ mapping: MappingShape) -> JSONText {
        let keys = mapping.keys.filter { !$0.isLater }
        var members: [(String, JSONText)] = [
            ("type", .string("object")),
            (
                "properties",
                .object(keys.map { ($0.name, described(schema(of: $0.shape), $0.meaning)) })
            ), ("additionalProperties", .boolean(false)),
        ]
        let required = keys.filter(\.isRequired).map(\.name)
        if !required.isEmpty { members.append(("required", .strings(required))) }
        let needs = keys.filter { !$0.needs.isEmpty }
        if !needs.isEmpty {
            members.append(
                ("dependentRequired", .object(needs.map { ($0.name, .strings($0.needs)) })))
        }
        let companions = keys.filter { !$0.with.isEmpty }
        if !companions.isEmpty {
            let rules = companions.map { key in
                (key.name, JSONText.object([("anyOf", .array(key.with.map(requires)))]))
            }
            members.append(("dependentSchemas", .object(rules)))
        }
        var rules = mapping.oneOf.map {
            JSONText.object([("oneOf", .array($0.map(requires)))])
        }
        if !mapping.needsOne.isEmpty {
            rules.append(.object([("anyOf", .array(mapping.needsOne.map(requires)))]))
        }
        if let rule = mapping.requiredUnless {
            let unless = JSONText.object([
                ("required", .strings([rule.other])),
                (
                    "properties",
                    .object([(rule.other, .object([("enum", .strings([rule.word]))]))])
                ),
            ])
            rules.append(.object([("anyOf", .array([requires(rule.key), unless]))]))
        }
        if !rules.isEmpty { members.append(("allOf", .array(rules))) }
        return .object(members)
    }

    private static func requires(_ key: String) -> JSONText {
        .object([("required", .strings([key]))])
    }

    private static func described(_ schema: JSONText, _ meaning: String) -> JSONText {
        guard case .members(let members) = schema else { return schema }
        return .members([member("description", .string(meaning))] + members)
    }

    private static func member(_ name: String, _ value: JSONText) -> JSONText.Member {
        JSONText.Member(name: name, value: value)
    }

    private static let variable = "\\$\\{[^}]+\\}"

    private static func name(_ kind: TextKind) -> JSONText {
        switch kind {
        case .name: pattern(SpecScalars.namePattern)
        case .template: pattern(SpecScalars.templatePattern)
        default: .object([("minLength", .integer(1))])
        }
    }

    private static func text(_ kind: TextKind) -> JSONText {
        switch kind {
        case .any, .expression:
            .object([
                ("type", .strings(["string", "number", "boolean"])), ("minLength", .integer(1)),
            ])
        case .expressionOrNull:
            .object([
                ("type", .strings(["string", "number", "boolean", "null"])),
                ("minLength", .integer(1)),
            ])
        case .place, .type: .object([("type", .string("string")), ("minLength", .integer(1))])
        case .name: orVariable(SpecScalars.namePattern)
        case .template: orVariable(SpecScalars.templatePattern)
        case .reference: orVariable(SpecScalars.referencePattern)
        case .topic: orVariable(SpecScalars.topicPattern)
        case .duration: orVariable(SpecScalars.durationPattern)
        case .size: orVariable(SpecScalars.sizePattern)
        case .fieldOrigin:
            orVariable(
                "^(value|key|timestamp|offset|partition|file_name|file_time|header:.+)$")
        case .integer(let range):
            orVariable(
                .object([
                    ("type", .string("integer")), ("minimum", .integer(range.lowerBound)),
                    ("maximum", .integer(range.upperBound)),
                ]))
        case .boolean: orVariable(.object([("type", .string("boolean"))]))
        case .words(let words): orVariable(.object([("enum", .strings(words))]))
        }
    }

    private static func pattern(_ pattern: String) -> JSONText {
        .object([("type", .string("string")), ("pattern", .string(pattern))])
    }

    private static func orVariable(_ text: String) -> JSONText {
        pattern("\(text)|\(variable)")
    }

    private static func orVariable(_ schema: JSONText) -> JSONText {
        .object([("anyOf", .array([schema, pattern(variable)]))])
    }
}
