import HTTP
import StreamRuntime

/// Text in which `{name}` stands for a part of the key.
public struct LookupTemplate: Equatable, Sendable {
    private enum Piece: Equatable, Sendable {
        case text(String)
        case part(Int)
    }

    private var pieces: [Piece] = []
    /// Names in it that are no part of the key.
    public private(set) var unknown: [String] = []

    /// The template `text` over the parts of the key called `names`; nil when a brace is not closed.
    public init?(_ text: String, names: [String]) {
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            if open > rest.startIndex { pieces.append(.text(String(rest[..<open]))) }
            rest = rest[rest.index(after: open)...]
            guard let close = rest.firstIndex(of: "}") else { return nil }
            let name = String(rest[..<close])
            if let index = names.firstIndex(of: name) {
                pieces.append(.part(index))
            } else {
                unknown.append(name)
            }
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
    }

    /// The part that alone is the whole template; nil for other text.
    public var onlyPart: Int? {
        if pieces.count == 1, case .part(let index) = pieces[0] { index } else { nil }
    }

    /// The text for a key; with `encode` its parts are percent-encoded.
    public func rendered(_ parts: [LookupKey], encode: Bool = false) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let fixed): text += fixed
            case .part(let index):
                text += encode ? HTTPText.encode(parts[index].text) : parts[index].text
            }
        }
        return text
    }
}
