import Glibc

/// Where the parts of one JSON document lie, found without reading the rest into values.
///
/// - Shape: ranges count from the first byte of the document.
public struct JSONParts {
    /// The document, and the bytes behind it that may be looked at.
    private let bytes: [UInt8]
    private let count: Int

    /// Reads a document; nil when it is not well-formed JSON.
    public init?(_ document: [UInt8]) {
        count = document.count
        bytes = document + [UInt8](repeating: 0, count: 64)
        let count = count
        let isWhole = bytes.withUnsafeBufferPointer {
            var scanner = JSONScanner($0.baseAddress!, from: 0, to: count)
            return scanner.skipDocument()
        }
        guard isWhole else { return nil }
    }

    /// The whole document.
    public var whole: Range<Int> { 0..<count }

    /// The value at `path` below the value in `range`; nil when the way ends before.
    ///
    /// - Shape: a step names a member, or counts elements of an array from 0; of equal names the last counts.
    public func value(at path: [String], in range: Range<Int>? = nil) -> Range<Int>? {
        var range = trimmed(range ?? whole)
        for step in path {
            guard let found = child(step, of: range) else { return nil }
            range = found
        }
        return range
    }

    /// The elements of the array in `range`; nil when there is no array.
    public func elements(of range: Range<Int>) -> [Range<Int>]? {
        guard byte(range) == 0x5B else { return nil }
        return walk(range) { scanner in
            var found: [Range<Int>] = []
            scanner.position += 1
            while scanner.enterElement(isFirst: found.isEmpty) == true {
                let start = scanner.position
                guard scanner.skipValue() else { break }
                found.append(start..<scanner.position)
            }
            return found
        }
    }

    /// A string without its quotes and escapes, or a number or truth value as it is written; nil for null, an
    /// object or an array.
    public func text(_ range: Range<Int>) -> [UInt8]? {
        switch byte(range) {
        case 0x22:
            return bytes.withUnsafeBufferPointer { buffer in
                var text = [UInt8](repeating: 0, count: range.count)
                let made = JSONScanner.unescape(
                    buffer.baseAddress!, range.lowerBound + 1, range.upperBound - 1, into: &text)
                return Array(text.prefix(made))
            }
        case 0x7B, 0x5B, 0x6E: return nil
        default: return Array(bytes[range])
        }
    }

    /// The bytes in `range`.
    public func raw(_ range: Range<Int>) -> [UInt8] { Array(bytes[range]) }

    private func byte(_ range: Range<Int>) -> UInt8 { range.isEmpty ? 0 : bytes[range.lowerBound] }

    private func trimmed(_ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, bytes[start] <= 0x20 { start += 1 }
        while end > start, bytes[end - 1] <= 0x20 { end -= 1 }
        return start..<end
    }

    private func walk<Found>(_ range: Range<Int>, _ body: (inout JSONScanner) -> Found) -> Found {
        bytes.withUnsafeBufferPointer {
            var scanner = JSONScanner(
                $0.baseAddress!, from: range.lowerBound, to: range.upperBound)
            return body(&scanner)
        }
    }

    private func child(_ step: String, of range: Range<Int>) -> Range<Int>? {
        if byte(range) == 0x5B {
            guard let index = Int(step), index >= 0, let all = elements(of: range),
                index < all.count
            else { return nil }
            return all[index]
        }
        guard byte(range) == 0x7B else { return nil }
        let wanted = Array(step.utf8)
        return walk(range) { scanner in
            var found: Range<Int>?
            var isFirst = true
            scanner.position += 1
            while scanner.enterMember(isFirst: isFirst) == true {
                isFirst = false
                let name = scanner.position
                guard scanner.skipString() else { break }
                let isWanted = text(name..<scanner.position) == wanted
                guard scanner.skipColon() else { break }
                let start = scanner.position
                guard scanner.skipValue() else { break }
                if isWanted { found = start..<scanner.position }
            }
            return found
        }
    }
}
