import CSimdJSON
import StreamRuntime
import Testing

@testable import Connectors

/// Documents that RFC 8259 calls JSON.
private let accepted: [String] = [
    "[]", "{}", "[[]]", "[{}]", "0", "-0", "[-0]", "[-1]", "[-123]", "[123]", "[1.5]", "[0.5]",
    "[-0.0]",
    "[1E22]", "[1e22]", "[1e+2]", "[1E+2]", "[1e-2]", "[1E-2]", "[0e1]", "[0E1]", "[0e+1]",
    "[123e45]",
    "[123.456e78]", "[123.456789]", "[-0.000000000000000000000000000000000000000000000000000001]",
    "[20e1]", "[ 4]", "[1 ]", " [] ", "\t[]\n", "\r\n[1]\r\n", "[1,\n2\n]", "[1 , 2]",
    "{ \"a\" : 1 }",
    "true", "false", "null", "[true]", "[false]", "[null]", "[null,true,false]", "\"\"", "\" \"",
    "[\"\"]",
    "[\"a\"]", "[\"\\\"\"]", "[\"\\\\\"]", "[\"\\/\"]", "[\"\\b\\f\\n\\r\\t\"]", "[\"\\u0000\"]",
    "[\"\\u0022\"]", "[\"\\u005C\"]", "[\"\\u00e9\"]", "[\"\\uABCD\"]", "[\"\\uabcd\"]",
    "[\"\\uFFFF\"]",
    "[\"\\uD801\\udc37\"]", "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]", "[\"\\uDBFF\\uDFFF\"]",
    "[\"\\u0061\\u30af\"]",
    "[\"new\\u000Aline\"]", "[\"\\\\u0000\"]", "[\"\\\\a\"]", "[\"\\\\n\"]", "[\"a/*b*/c/*d//e\"]",
    "[\"\u{7F}\"]", "[\"\u{2028}\"]", "[\"\u{2029}\"]", "[\"\u{FEFF}\"]", "[\"\u{FFFF}\"]",
    "[\"\u{10FFFF}\"]",
    "[\"π\"]", "[\"😀\"]", "[\"a\u{308}\"]", "[\"asd \"]", "[1,null,null,null,2]", "[\"a\",1,{},[]]",
    "{\"a\":\"b\"}", "{\"a\":1,\"b\":2}", "{\"a\":\"b\",\"a\":\"c\"}", "{\"a\":\"b\",\"a\":\"b\"}",
    "{\"\":0}",
    "{\"foo\\u0000bar\":42}", "{\"a\":[]}", "{\"a\":{}}", "{\"a\":{\"b\":{\"c\":[{}]}}}",
    "{\"min\":-1.0e+28,\"max\":1.0e+28}",
    "{\"x\":[{\"id\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}]}", "{\n\"a\":\"b\"\n}",
    "{\"title\":\"\\u041f\\u043e\"}",
    "[2.0]", "[1000000000000000]", "[\"\\uD834\\uDD1E\"]", "42", "-1.5e3",
]

/// Texts that it does not.
private let refused: [String] = [
    "", " ", "[", "]", "{", "}", "[1", "[1,", "[1,]", "[,1]", "[1,,2]", "[,]", "[1 2]", "[1]]",
    "[1]x", "[]]",
    "[[]", "[\"\"", "[\"a\",", "[\"a\"", "[\"", "\"", "[\"a", "[\"a\n\"]", "[\"\t\"]",
    "[\"\u{1F}\"]", "[\"\u{0}\"]", "['a']",
    "[a]", "[nul]", "[tru]", "[fals]", "[True]", "[NULL]", "[nulll]", "[truee]", "nul", "tru",
    "[NaN]", "[Infinity]",
    "[-Infinity]", "[-NaN]", "[Inf]", "[+1]", "[++1]", "[+Inf]", "[-]", "[- 1]", "[--1]", "[-a]",
    "[-01]", "[01]", "[012]",
    "[00]", "[-012]", "[.1]", "[-.1]", "[1.]", "[-1.]", "[2.e3]", "[2.e+3]", "[.2e-3]", "[1e]",
    "[1E]", "[1e+]", "[1E-]",
    "[0e]", "[0e+]", "[0E]", "[0.3e]", "[0.3e+]", "[0.1.2]", "[1.0e]", "[1.0e+]", "[1.0e-]",
    "[1eE2]", "[9.e+]", "[1ee2]",
    "[0x1]", "[0x42]", "[1_000]", "[1 000]", "[1a]", "[1.2a-3]", "[1.8011670033376514H-308]",
    "[1+2]", "[１]", "[1e1.5]",
    "[\"\\x00\"]", "[\"\\a\"]", "[\"\\\"]", "[\"\\", "[\"\\u\"]", "[\"\\u1\"]", "[\"\\u12\"]",
    "[\"\\u123\"]", "[\"\\u00A\"]",
    "[\"\\uqqqq\"]", "[\"\\U0061\"]", "[\"\\'\"]", "[\"\\😀\"]", "[\"\\ \"]", "[\"\\\\\\\"]",
    "[\"\\uD800\\u\"]", "[\"\\uD800\"]",
    "[\"\\uDC00\"]", "[\"\\uD800\\n\"]", "[\"\\uD800\\uD800\"]", "[\"\\uDFFF\\uD800\"]", "[\\n]",
    "[\\u000A\"\"]",
    "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{\"a\":1,,\"b\":2}", "{\"a\"}",
    "{\"a\",1}", "{\"a\" 1}", "{\"a\"::1}",
    "{\"a\":}", "{:1}", "{,}", "{\"a\":1 \"b\":2}", "{a:1}", "{'a':1}", "{1:1}", "{null:1}",
    "{true:1}", "{[]:1}", "{\"a\":1}}",
    "{\"a\":1}#", "{\"a\":1}/**/", "{\"a\":1}//", "/**/{}", "{\"a\":/*x*/1}", "{\"a\":1}{\"b\":2}",
    "{} {}", "1 2", "[] []", "[1}",
    "{\"a\":1]", "[\"a\":1]", "{\"a\":\"b\":\"c\"}", "{\"a\":tru}", "{\"a\":1.}", "\u{FEFF}{}",
    "\u{FEFF}", "<null>", "[<null>]", "*",
    "{\"a\":\"a\" 123}", "[\u{A0}1]", "[1\u{2028}]", "\u{C}[]", "[\u{B}1]", "{\"x\":1e5.}",
    "[\"a\"b]", "[1:2]", "abc", "å", "#{}",
    "{\"\":", "[{", "[{\"a\":", "[[[[[[", "{\"a\":{\"b\":[", "[\"x\", tru", "-", "--", "1e", "\"\\",
    "\"\\u", "[1,2",
]

@Suite struct JSONConformanceTests {
    private func isAccepted(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBufferPointer { text in
            let arena = ByteArena(capacity: 16)
            if let base = text.baseAddress { arena.append(base, text.count) }
            var scanner = JSONScanner(UnsafePointer(arena.base), from: 0, to: text.count)
            return scanner.skipDocument()
        }
    }

    @Test func `every document of the grammar is accepted`() {
        for text in accepted { #expect(isAccepted(Array(text.utf8)), "\(text)") }
    }

    @Test func `everything outside the grammar is refused`() {
        for text in refused { #expect(!isAccepted(Array(text.utf8)), "\(text)") }
    }

    @Test func `every grammar case comes out the same inside a member nobody wants`() {
        let fields = [RecordField("v", .int64)]
        for text in accepted {
            let decoded = decode(JSONRecordDecoder(fields: fields), ["{\"skip\":\(text),\"v\":1}"])
            #expect(decoded.rows == ["1"], "\(text)")
        }
        for text in refused where !["1 2", "1:2"].contains(text) {
            let decoded = decode(
                JSONRecordDecoder(fields: fields), ["{\"v\":1,\"skip\":[\(text)]}"])
            let isStillWrong = !isAccepted(Array("[\(text)]".utf8))
            #expect(decoded.rows == (isStillWrong ? [] : ["1"]), "\(text)")
        }
    }

    @Test func `nesting is bounded, and deep documents do not overflow the stack`() {
        let deepest = JSONScanner.depthMax
        for depth in [deepest, deepest + 1, 100_000] {
            let open = [UInt8](repeating: 0x5B, count: depth)
            let close = [UInt8](repeating: 0x5D, count: depth)
            #expect(isAccepted(open + close) == (depth <= deepest))
            #expect(!isAccepted(open))
        }
    }

    @Test func `simdjson agrees about every case`() {
        for text in accepted + refused {
            let bytes = Array(text.utf8)
            #expect(witness(bytes) == isAccepted(bytes), "\(text)")
        }
    }

    @Test func `mutated documents are judged and read alike both ways, and as simdjson does`() {
        let seed: UInt64 = 20_240_611
        var random = Seeded(state: seed)
        let inner = [
            Field("a", .int64), Field("b", .string),
            Field("deep", .structure([Field("c", .bool), Field("d", .timestamp)])),
        ]
        let fields = [
            RecordField("store_id", .string), RecordField("quantity", .int64),
            RecordField("price", .decimal(precision: 12, scale: 2)), RecordField("ratio", .float64),
            RecordField("ts", .timestamp), RecordField("open", .bool, isRequired: true),
            RecordField("x", .int64, path: "in.x"), RecordField("y", .string, path: "in.deep.y"),
            RecordField("s", .structure(inner), isRequired: false),
            RecordField("t", .structure([Field("a", .float64)]), path: "s.w"),
        ]
        let strict = JSONRecordDecoder(fields: fields, speculates: false)
        let fast = JSONRecordDecoder(fields: fields)
        for round in 0..<100 {
            let documents = (0..<200).map { _ in mutated(document(&random), &random) }
            let read = decode(fast, records(documents))
            #expect(read == decode(strict, records(documents)), "seed \(seed) round \(round)")
            for document in documents where isAccepted(document) != witness(document) {
                // simdjson also refuses numbers that no double or int64 holds.
                #expect(
                    isAccepted(document) && hasLargeNumber(document),
                    "seed \(seed): \(String(decoding: document, as: UTF8.self))")
            }
        }
    }

    /// What simdjson says.
    private func witness(_ bytes: [UInt8]) -> Bool {
        let padded = bytes + [UInt8](repeating: 0, count: 64)
        return padded.withUnsafeBytes { raw in
            millrace_json_is_valid(
                raw.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count, padded.count)
                == 1
        }
    }

    private func hasLargeNumber(_ bytes: [UInt8]) -> Bool {
        var run = 0
        for (at, byte) in bytes.enumerated() {
            run = byte &- 0x30 <= 9 ? run + 1 : 0
            if run >= 18 { return true }
            if byte | 0x20 == 0x65, at > 0, bytes[at - 1] &- 0x30 <= 9 { return true }
        }
        return false
    }

    private func document(_ random: inout Seeded) -> [UInt8] {
        var members = [
            "\"store_id\":\"s\(Int.random(in: 0..<500, using: &random))\"",
            "\"quantity\":\(Int.random(in: -100...1_000_000_000, using: &random))",
            "\"price\":\(Int.random(in: 0..<1000, using: &random)).\(Int.random(in: 0..<100, using: &random))",
            "\"ratio\":-0.\(Int.random(in: 0..<100_000, using: &random))",
            "\"ts\":\(1_700_000_000_000 + Int.random(in: 0..<1_000_000, using: &random))",
            "\"at\":\"2023-11-14T22:13:\(Int.random(in: 10..<60, using: &random)).5Z\"",
            "\"open\":\(Bool.random(using: &random))",
            "\"in\":{\"x\":\(random.next() % 100),\"deep\":{\"y\":\"z\"}}",
            [
                "\"s\":null",
                "\"s\":{\"a\":\(random.next() % 9),\"deep\":null,\"b\":\"v\",\"w\":{\"a\":1.5}}",
                "\"s\":{\"b\":null,\"deep\":{\"d\":1700000000000,\"c\":true},\"other\":{\"a\":[1]}}",
                "\"s\":{}",
            ].randomElement(using: &random)!,
            "\"tags\":[\"é\",{\"x\":null}]", "\"name\":\"grüße \\u00fc \\\" \\\\ end\"",
        ]
        if random.next() % 4 == 0 { members.shuffle(using: &random) }
        if random.next() % 4 == 0 { members.remove(at: Int.random(in: 0..<8, using: &random)) }
        let gap = random.next() % 3 == 0 ? ", " : ","
        return Array("{\(members.joined(separator: gap))}".utf8)
    }

    private func mutated(_ document: [UInt8], _ random: inout Seeded) -> [UInt8] {
        var bytes = document
        let marks = Array("{}[]\",:\\0123456789eE+-.tfnu \n\u{0}é€".utf8) + [0xFF, 0xC0, 0x1F]
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch random.next() % 6 {
            case 0: bytes.remove(at: at)
            case 1: bytes.insert(marks.randomElement(using: &random)!, at: at)
            case 2, 3: bytes[at] = marks.randomElement(using: &random)!
            case 4: bytes.removeLast(bytes.count - max(at, 1))
            default: bytes.swapAt(at, Int.random(in: 0..<bytes.count, using: &random))
            }
            if bytes.isEmpty { bytes = [0x7B] }
        }
        return bytes
    }
}
