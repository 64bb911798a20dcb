import FeatureServe
import StreamRuntime

/// Reads what `ingest:` of a stream says.
struct IngestReader {
    let diagnostics: Diagnostics

    /// What `node` declares, for the stream `name`.
    func read(_ node: SpecNode, of name: String) -> PlannedIngest {
        var ingest = PlannedIngest()
        if let signature = node["signature"] { ingest.signature = self.signature(signature) }
        ingest.id = node["id"].flatMap { part($0, takesBody: true) }
        ingest.key = node["key"].flatMap { part($0, takesBody: false) }
        switch node["split"]?.text {
        case nil, "none": ingest.split = .none
        case "lines": ingest.split = .lines
        case .some(let path): ingest.split = .elements(IngestReader.steps(path))
        }
        if let unwrap = node["unwrap"], let text = unwrap.text {
            if text.hasPrefix("form:"), text.count > 5 {
                ingest.formField = String(text.dropFirst(5))
            } else {
                diagnostics.report(
                    .badValue, "\"\(text)\" does not say what the body is wrapped in",
                    at: unwrap.position, fix: "write form:FIELD")
            }
        }
        ingest.headers = (node["headers"]?.oneOrMore ?? []).compactMap(\.text)
        ingest.isValidated = node["validate"]?.text == "true"
        if let size = node["max_body"], let bytes = size.text.flatMap(SpecScalars.size) {
            ingest.bodyBytesMax = bytes
            if bytes < 1 || bytes > PlannedIngest.bodyBytesLimit {
                diagnostics.report(
                    .badSize, "a body cannot have \(size.text ?? "")", at: size.position,
                    fix: "write a size from 1B to 64MiB")
            }
        }
        if let remember = node["remember"]?.duration { ingest.remember = remember }
        if let partitions = node["partitions"]?.integer { ingest.partitions = partitions }
        return ingest
    }

    /// The steps of a path; `$` stands for the document.
    static func steps(_ path: String) -> [String] {
        var steps = path.split(separator: ".").map(String.init)
        if steps.first == "$" { steps.removeFirst() }
        return steps
    }

    private func part(_ node: SpecNode, takesBody: Bool) -> PlannedIngest.Part? {
        guard let text = node.text else { return nil }
        if text.hasPrefix("header:"), text.count > 7 { return .header(String(text.dropFirst(7))) }
        if takesBody, text == "body" { return .body }
        return .path(IngestReader.steps(text))
    }

    private func signature(_ node: SpecNode) -> RequestSignature? {
        if let square = node["square"], let key = secret(square, "key"),
            let url = square["url"]?.text
        {
            return .square(key: key, url: url)
        }
        if let shopify = node["shopify"], let secret = secret(shopify, "secret") {
            return .shopify(secret: secret)
        }
        if let ncr = node["ncr"], let key = ncr["key"]?.text, let secret = secret(ncr, "secret") {
            let within = ncr["within"]?.duration ?? .seconds(300)
            return .ncr(key: key, secret: secret, withinSeconds: within.micros / 1_000_000)
        }
        if let token = node["token"], let header = token["header"]?.text,
            let value = secret(token, "value")
        {
            return .token(header: header, value: value)
        }
        if let hmac = node["hmac"] { return self.hmac(hmac).map { .hmac($0) } }
        return nil
    }

    private func hmac(_ node: SpecNode) -> RequestSignature.HMAC? {
        guard let header = node["header"]?.text, let secret = secret(node, "secret") else {
            return nil
        }
        var parts: [RequestSignature.HMAC.Part] = []
        for item in node["of"]?.oneOrMore ?? [] {
            switch item.text {
            case "url": parts.append(.url)
            case "method": parts.append(.method)
            case "path": parts.append(.path)
            case "body": parts.append(.body)
            case .some(let text) where text.hasPrefix("header:") && text.count > 7:
                parts.append(.header(String(text.dropFirst(7))))
            case let text:
                diagnostics.report(
                    .badValue, "\"\(text ?? "")\" is no part of a request", at: item.position,
                    fix: "write url, method, path, body or header:NAME")
            }
        }
        if parts.contains(.url), node["url"] == nil {
            diagnostics.report(
                .conflictingKeys, "the signature is made over the url, which is not given",
                at: node.position, fix: "add url: the address that the sender was given")
        }
        return RequestSignature.HMAC(
            header: header, prefix: node["prefix"]?.text ?? "",
            algorithm: node["algorithm"]?.text.flatMap { .init(rawValue: $0) } ?? .sha256,
            encoding: node["encoding"]?.text.flatMap { .init(rawValue: $0) } ?? .base64,
            parts: parts.isEmpty ? [.body] : parts, separator: node["separator"]?.text ?? "",
            url: node["url"]?.text ?? "", secret: secret)
    }

    /// A value that must not stand in the file itself.
    private func secret(_ node: SpecNode, _ key: String) -> String? {
        guard let value = node[key], let scalar = value.scalar else { return nil }
        if !scalar.hasVariables, SecretText.reason(key: key, value: scalar.raw) == nil {
            diagnostics.report(
                .literalSecret, "\"\(key)\" of the signature is written into the file",
                at: value.position, fix: "write ${NAME} and set the variable, or ${file:PATH}")
        }
        return scalar.text
    }
}
