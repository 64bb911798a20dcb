extension JSONFastReader {
    /// Reads a text that was not expected behind `last`, and remembers it for the next document.
    ///
    /// - Returns: its slot, -1 for a member nobody wants, `passed`, `closed` or `unreadable`; `last` is
    ///   then the text, or `nowhere` when there was no room for it.
    @inline(never)
    func learn(
        _ at: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ last: inout Int,
        _ object: inout Int, _ entered: inout UInt64, _ nulled: inout UInt64, isFirst: Bool
    ) -> Int {
        let start = at
        var made = Text(
            length: 0, from: object, to: object, enters: 0, nulls: 0, slot: JSONFastReader.closed,
            followers: (-1, -1, -1, -1), words: (0, 0, 0, 0, 0, 0, 0, 0),
            masks: (0, 0, 0, 0, 0, 0, 0, 0))
        /// The text up to a null in it, in case what follows makes it too long to be remembered.
        var whole = made
        var scanner = JSONScanner(at, from: 0, to: max(end - at, 0))
        scanner.skipSpace()
        var isFirst = isFirst
        if isFirst {
            guard scanner.next == 0x7B else { return JSONFastReader.unreadable }
            scanner.position += 1
        }
        while true {
            guard let more = scanner.enterMember(isFirst: isFirst) else {
                return JSONFastReader.unreadable
            }
            isFirst = false
            guard more else {
                guard made.to != 0 else { break }
                made.to = parents[made.to]
                continue
            }
            let nameStart = scanner.position + 1
            guard scanner.skipString(), !scanner.sawEscape else { return JSONFastReader.unreadable }
            let names = objects[made.to]
            let found = names.find(start + nameStart, scanner.position - 1 - nameStart)
            guard scanner.skipColon() else { return JSONFastReader.unreadable }
            let inner = found < 0 ? nil : names.members[found].inner
            if found >= 0, inner == nil {
                made.slot = names.members[found].leaves[0]
                break
            }
            // A null that stands for an object, or that nobody wants, belongs to the text: there are kinds of
            // documents that always have it.
            let isNull =
                scanner.position + 4 <= end - start
                && JSONFastReader.word(start + scanner.position) == JSONFastReader.null
            if let inner {
                let object = objects.firstIndex { $0 === inner }!
                guard (entered | made.enters) & 1 << UInt64(object) == 0 else {
                    return JSONFastReader.unreadable
                }
                made.enters |= 1 << UInt64(object)
                if scanner.next == 0x7B {
                    scanner.position += 1
                    made.to = object
                    isFirst = true
                    continue
                }
                guard isNull else { return JSONFastReader.unreadable }
                made.nulls |= 1 << UInt64(object)
            } else if !isNull {
                made.slot = -1
                break
            }
            scanner.position += 4
            if scanner.position <= Text.lengthMax {
                whole = made
                whole.length = scanner.position
                whole.slot = JSONFastReader.passed
            }
        }
        made.length = scanner.position
        if made.length > Text.lengthMax, whole.length > 0 { made = whole }
        at = start + made.length
        object = made.to
        entered |= made.enters
        nulled |= made.nulls
        last = remember(start, &made, behind: last)
        return made.slot
    }

    /// Finds or makes room for a text and notes that it followed `last`.
    ///
    /// - Returns: where it is, or `nowhere`.
    private func remember(
        _ start: UnsafePointer<UInt8>, _ made: inout Text, behind last: Int
    ) -> Int {
        guard made.length <= Text.lengthMax else { return JSONFastReader.nowhere }
        var words = [UInt64](repeating: 0, count: 8)
        var masks = [UInt64](repeating: 0, count: 8)
        for byte in 0..<made.length {
            words[byte / 8] |= UInt64(start[byte]) << UInt64(byte % 8 * 8)
            masks[byte / 8] |= 0xFF << UInt64(byte % 8 * 8)
        }
        made.words = (
            words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7]
        )
        made.masks = (
            masks[0], masks[1], masks[2], masks[3], masks[4], masks[5], masks[6], masks[7]
        )
        var found = 2
        while found < textCount, !texts[found].isSame(as: made) { found += 1 }
        if found == textCount {
            guard textCount < JSONFastReader.textsMax else { return JSONFastReader.nowhere }
            texts[found] = made
            textCount += 1
        }
        if last != JSONFastReader.nowhere {
            let (first, second, third, _) = texts[last].followers
            texts[last].followers = (Int32(found), first, second, third)
        }
        return found
    }
}

extension JSONFastReader.Text {
    /// Whether it is the same text at the same place.
    fileprivate func isSame(as other: JSONFastReader.Text) -> Bool {
        guard length == other.length, from == other.from, enters == other.enters else {
            return false
        }
        let (a, b, c, d, e, f, g, h) = words
        let (i, j, k, l, m, n, o, p) = other.words
        return a == i && b == j && c == k && d == l && e == m && f == n && g == o && h == p
    }
}
