import Testing

@testable import Operators

@Suite struct PlainPatternTests {
    private func spans(
        _ pattern: String, _ text: String, isPlain: Bool, from: Int = 0
    ) throws -> [Int64]? {
        var pattern = pattern
        var text = text
        let compiled = try pattern.withUTF8 {
            try RegularExpression($0, RegularExpression.Options(), isPlain: isPlain)
        }
        var spans = [Int64](repeating: -1, count: 2 * RegularExpression.groupsMax)
        let found = text.withUTF8 { compiled.find(in: $0, from: from, spans: &spans) }
        return found ? spans : nil
    }

    private func plain(_ pattern: String) -> PlainPattern? {
        var pattern = pattern
        return pattern.withUTF8 { PlainPattern($0) }
    }

    @Test(arguments: [
        "(&|^)channel_id=([^&]*)", "abc", "", "^abc$", "[0-9]+", "([a-z]+)-([0-9]+)",
        "a(b|bc|)c", "(?:x|y)z", "^/[^/]*/([^/]+)", "[^]a]+x", "\\d+\\.\\d*", "a.*", "(a*|b)c",
        "é(ü|.*)", "b$", "(^|,)x(,|$)", "[a-c-]+z", "\\w+@\\w+", "[^a]*b", "(a|ab)(c|bcd)",
    ])
    func `what a pattern finds is what RE2 finds`(pattern: String) throws {
        let seed: UInt64 = 42
        var random = SplitMix(state: seed)
        let pieces = [
            "a", "b", "c", "x", "z", "&", "^", "channel_id=", "abc", "-", "1", "42", ".", "/", "é",
            "ü", ",", "\n", "@", "]", "", "bcd",
        ]
        for _ in 0..<200 {
            let count = Int(random.next() % 8)
            let text = (0..<count).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }
                .joined()
            let isASCII = text.utf8.allSatisfy { $0 < 0x80 }
            let from = text.isEmpty || !isASCII ? 0 : Int(random.next() % 2)
            #expect(
                try spans(pattern, text, isPlain: true, from: from)
                    == spans(pattern, text, isPlain: false, from: from),
                "seed \(seed): \(pattern) in \(text) from \(from)")
        }
    }

    @Test func `patterns that may have to give back what a run took are left to RE2`() {
        for pattern in [
            "a*a", "[a-z]*z", "(ab)*", "a?", "a{2}", "x*?", "\\bx", "(?i)x", "((a))", ".", "a|b",
        ] {
            #expect(plain(pattern) == nil, "\(pattern)")
        }
        for pattern in ["(&|^)channel_id=([^&]*)", "^a", "\\d+x", "[^,]*,"] {
            #expect(plain(pattern) != nil, "\(pattern)")
        }
    }

    @Test func `a text that would be walked over again and again is left to RE2`() throws {
        let pattern = "x[^y]*yz"
        let searched = try #require(plain(pattern))
        var text = String(repeating: "x", count: 2000) + "y, yz"
        let found = text.withUTF8 { searched.find(in: $0, from: 0, spans: nil, count: 0) }
        #expect(found == nil)
        #expect(try spans(pattern, text, isPlain: true) == spans(pattern, text, isPlain: false))
    }
}
