/// The little of XML that S3's answers need: elements without attributes that matter, and text.
enum XMLText {
    /// The contents of every element `name`, in their order; elements of one name do not nest.
    static func elements(_ name: String, in text: Substring) -> [Substring] {
        var found: [Substring] = []
        var rest = text
        while let open = rest.firstRange(of: "<\(name)") {
            rest = rest[open.upperBound...]
            // Not the beginning of a longer name.
            guard let next = rest.first, next == ">" || next == " " || next == "/" else { continue }
            guard let end = rest.firstIndex(of: ">") else { break }
            let isEmpty = rest[..<end].hasSuffix("/")
            rest = rest[rest.index(after: end)...]
            if isEmpty {
                found.append("")
                continue
            }
            guard let close = rest.firstRange(of: "</\(name)>") else { break }
            found.append(rest[..<close.lowerBound])
            rest = rest[close.upperBound...]
        }
        return found
    }

    /// The text of the first element `name`.
    static func text(_ name: String, in text: Substring) -> String? {
        elements(name, in: text).first.map(decode)
    }

    /// Text with its references put in.
    static func decode(_ text: Substring) -> String {
        guard text.contains("&") else { return String(text) }
        var result = ""
        var rest = text
        while let at = rest.firstIndex(of: "&") {
            result += rest[..<at]
            rest = rest[rest.index(after: at)...]
            guard let end = rest.firstIndex(of: ";") else { return result + "&" + rest }
            let word = rest[..<end]
            rest = rest[rest.index(after: end)...]
            switch word {
            case "amp": result += "&"
            case "lt": result += "<"
            case "gt": result += ">"
            case "quot": result += "\""
            case "apos": result += "'"
            default:
                let digits = word.dropFirst(word.hasPrefix("#x") ? 2 : 1)
                let scalar = UInt32(digits, radix: word.hasPrefix("#x") ? 16 : 10)
                if word.hasPrefix("#"), let scalar = scalar.flatMap(Unicode.Scalar.init) {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += "&\(word);"
                }
            }
        }
        return result + rest
    }
}
