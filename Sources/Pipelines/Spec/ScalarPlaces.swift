/// Finds where in the file each character of a YAML scalar was written: through quotes, escapes, folded
/// lines and blocks.
enum ScalarPlaces {
    /// How the scalar is written.
    enum Style: Sendable {
        case plain, singleQuoted, doubleQuoted, block
    }

    /// - Shape: a position for every Unicode scalar of `value`, and one more for its end.
    static func find(
        _ value: String, style: Style, from start: Position, in source: SourceText
    ) -> [Position] {
        var walk = Walk(source: source, line: start.line, column: start.column)
        switch style {
        case .plain: break
        case .singleQuoted, .doubleQuoted: walk.step()
        case .block: walk.nextLine()
        }
        var places: [Position] = []
        for scalar in value.unicodeScalars {
            if scalar == " " || scalar == "\n" || scalar == "\t" {
                places.append(walk.position)
                if walk.current == scalar || walk.current == "\n" { walk.step() }
                if scalar == "\n", walk.column > 1, style != .plain, style != .block {
                    walk.skipEscape()
                }
                continue
            }
            walk.skipBlanks(until: scalar)
            places.append(walk.position)
            switch style {
            case .plain, .block: walk.step()
            case .singleQuoted:
                walk.step()
                if scalar == "'" { walk.step() }
            case .doubleQuoted:
                if walk.current == "\\" { walk.skipEscape() } else { walk.step() }
            }
        }
        places.append(walk.position)
        return places
    }

    /// A reader of the file's characters, one at a time, line ends included.
    private struct Walk {
        let source: SourceText
        var line: Int
        var column: Int

        var position: Position {
            Position(line: line, column: column, file: source.ordinal)
        }

        var current: Unicode.Scalar? {
            let scalars = source.line(line)
            if column <= scalars.count { return scalars[column - 1] }
            return line < source.lineCount ? "\n" : nil
        }

        mutating func step() {
            if column <= source.line(line).count {
                column += 1
            } else {
                nextLine()
            }
        }

        mutating func nextLine() {
            guard line < source.lineCount else { return }
            line += 1
            column = 1
        }

        /// Moves over indentation and folded line ends to where `wanted` can be.
        mutating func skipBlanks(until wanted: Unicode.Scalar) {
            while let here = current, here != wanted,
                here == " " || here == "\n" || here == "\t"
            {
                let before = (line, column)
                step()
                if before == (line, column) { return }
            }
        }

        mutating func skipEscape() {
            guard current == "\\" else { return }
            step()
            let digits: Int
            switch current {
            case "x": digits = 2
            case "u": digits = 4
            case "U": digits = 8
            default: digits = 0
            }
            for _ in 0...digits { step() }
        }
    }
}
