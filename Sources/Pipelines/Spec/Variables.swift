/// Puts environment variables and files into text: `${NAME}`, `${NAME:-default}`, `${file:PATH}`.
struct Variables: Sendable {
    /// The variables there are.
    let environment: [String: String]
    /// Gives the text of a file a secret is kept in, or nil when it cannot be read.
    let readFile: @Sendable (String) -> String?

    /// Text with its variables put in.
    struct Resolved {
        var text = ""
        var unset: [SpecScalar.UnsetVariable] = []
        var hasVariables = false
    }

    func resolve(_ raw: String) -> Resolved {
        guard raw.contains("${") else { return Resolved(text: raw) }
        var result = Resolved()
        let scalars = Array(raw.unicodeScalars)
        var at = 0
        while at < scalars.count {
            guard scalars[at] == "$", at + 1 < scalars.count, scalars[at + 1] == "{",
                let close = scalars[at...].firstIndex(of: "}")
            else {
                result.text.unicodeScalars.append(scalars[at])
                at += 1
                continue
            }
            let inside = String(String.UnicodeScalarView(scalars[(at + 2)..<close]))
            result.hasVariables = true
            if let value = value(of: inside) {
                result.text += value
            } else {
                result.unset.append(.init(name: inside, offset: at))
            }
            at = close + 1
        }
        return result
    }

    private func value(of inside: String) -> String? {
        if inside.hasPrefix("file:") {
            return readFile(String(inside.dropFirst(5))).map { text in
                String(text.drop { $0 == " " }.reversed().drop { $0.isNewline }.reversed())
            }
        }
        let utf8 = Array(inside.utf8)
        var split = 0
        while split + 1 < utf8.count, utf8[split] != 0x3A || utf8[split + 1] != 0x2D { split += 1 }
        let hasDefault = split + 1 < utf8.count
        let name = hasDefault ? String(decoding: utf8[..<split], as: UTF8.self) : inside
        if let value = environment[name], !value.isEmpty || !hasDefault { return value }
        return hasDefault ? String(decoding: utf8[(split + 2)...], as: UTF8.self) : nil
    }
}

/// Tells text that looks like a password or a key from text that does not.
enum SecretText {
    private static let words = [
        "password", "passwd", "secret", "token", "access_key", "api_key", "apikey", "api.key",
        "private_key",
        "credential", "sasl.jaas", "ssl.key.pem",
    ]

    /// Why `value`, written under `key`, looks like a secret; nil when it does not.
    static func reason(key: String, value: String) -> String? {
        let name = key.lowercased()
        if let word = words.first(where: { name.contains($0) }) {
            return "its key says \"\(word)\""
        }
        if value.hasPrefix("AKIA"), value.utf8.count == 20 { return "it looks like an AWS key" }
        if value.hasPrefix("eyJ"), value.filter({ $0 == "." }).count == 2 {
            return "it looks like a signed token"
        }
        if value.contains("-----BEGIN ") { return "it looks like a private key" }
        for prefix in ["ghp_", "xoxb-", "sk_live_", "rk_live_"] where value.hasPrefix(prefix) {
            return "it starts like an access token (\(prefix)…)"
        }
        if let scheme = value.firstRange(of: "://") {
            let rest = value[scheme.upperBound...].prefix { $0 != "/" }
            if let at = rest.lastIndex(of: "@"), rest[..<at].contains(":") {
                return "the address carries a password"
            }
        }
        return nil
    }
}
