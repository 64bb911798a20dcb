/// One problem of a pipelines file: what is wrong, where, and how to put it right.
struct SpecDiagnostic: Equatable, Sendable {
    let code: DiagnosticCode
    let message: String
    let position: Position
    /// The types involved and other facts, a line each.
    let notes: [String]
    let fix: String
}

extension SpecDiagnostic {
    /// The problem as a terminal shows it: place, message, the line with a mark under it, the fix.
    func rendered(in set: SourceText) -> String {
        let source = set.holder(of: position)
        let line = source.line(position.line)
        let number = String(position.line)
        let gutter = String(repeating: " ", count: max(5 - number.count, 0)) + number
        let blank = String(repeating: " ", count: gutter.count)
        let before = line.prefix(position.column - 1)
        let padding =
            String(String.UnicodeScalarView(before.map { $0 == "\t" ? "\t" : " " }))
            + String(repeating: " ", count: max(0, position.column - 1 - before.count))
        let room = max(1, line.count - position.column + 1)
        let marks = "^" + String(repeating: "~", count: min(position.length, room) - 1)
        let quoted = String(String.UnicodeScalarView(line))
        var text = "\(source.file):\(position.line):\(position.column): "
        text += "\(code.isWarning ? "warning" : "error")[\(code.rawValue)]: \(message)\n"
        text += "\(gutter) | \(quoted)\n\(blank) | \(padding)\(marks)\n"
        for note in notes { text += "  note: \(note)\n" }
        text += "  fix: \(fix)\n"
        return text
    }

    /// The problem as one JSON object.
    func json(in source: SourceText) -> JSONText {
        .object([
            ("file", .string(source.holder(of: position).file)), ("line", .integer(position.line)),
            ("column", .integer(position.column)), ("length", .integer(position.length)),
            ("code", .string(code.rawValue)), ("message", .string(message)),
            ("notes", .array(notes.map { .string($0) })), ("fix", .string(fix)),
        ])
    }
}

/// The problems found so far; every stage adds to it, so that all are told at once.
final class Diagnostics {
    private var found: [SpecDiagnostic] = []
    private var warned: [SpecDiagnostic] = []

    /// Adds a problem, or a warning if the code is one.
    func report(
        _ code: DiagnosticCode, _ message: String, at position: Position, notes: [String] = [],
        fix: String
    ) {
        let made = SpecDiagnostic(
            code: code, message: message, position: position, notes: notes, fix: fix)
        if code.isWarning {
            if !warned.contains(made) { warned.append(made) }
        } else if !found.contains(made) {
            found.append(made)
        }
    }

    var isEmpty: Bool { found.isEmpty }

    /// Whether a problem is already known on this stretch, so that a later stage need not add to it.
    func hasProblem(at position: Position) -> Bool {
        found.contains {
            $0.position.line == position.line && $0.position.column == position.column
                && $0.position.file == position.file
        }
    }

    /// All problems by file, line and column, then code.
    var sorted: [SpecDiagnostic] { Diagnostics.sorted(found) }

    /// All warnings, likewise.
    var warnings: [SpecDiagnostic] { Diagnostics.sorted(warned) }

    private static func sorted(_ found: [SpecDiagnostic]) -> [SpecDiagnostic] {
        found.sorted {
            (
                $0.position.file, $0.position.line, $0.position.column, $0.code.rawValue,
                $0.message
            )
                < (
                    $1.position.file, $1.position.line, $1.position.column, $1.code.rawValue,
                    $1.message
                )
        }
    }
}
