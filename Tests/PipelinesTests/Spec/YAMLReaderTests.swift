import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct YAMLReaderTests {
    private func read(_ text: String, environment: [String: String] = [:]) -> SpecNode? {
        YAMLReader(
            source: SourceText(file: "f", text: text),
            variables: Variables(
                environment: environment, readFile: { $0 == "key" ? "s3\n" : nil }),
            diagnostics: Diagnostics()
        ).read()
    }

    /// Line and column of `word` in the value of the key `a`.
    private func place(of word: String, in text: String) throws -> String {
        let scalar = try #require(read(text)?["a"]?.scalar)
        let before = try #require(scalar.raw.firstRange(of: word)).lowerBound
        let offset = scalar.raw[..<before].utf8.count
        let position = scalar.position(utf8Offset: offset, length: word.utf8.count)
        return "\(position.line):\(position.column)+\(position.length)"
    }

    @Test func `a place inside a scalar is found however the scalar is written`() throws {
        #expect(try place(of: "wrong", in: "a: one wrong") == "1:8+5")
        #expect(try place(of: "wrong", in: "a: 'it''s wrong'") == "1:11+5")
        #expect(try place(of: "wrong", in: "a: \"a \\\"b\\\" \\u00e9 wrong\"") == "1:20+5")
        #expect(try place(of: "wrong", in: "a: one\n  two wrong") == "2:7+5")
        #expect(try place(of: "wrong", in: "a: |\n  one\n  two wrong\n") == "3:7+5")
        #expect(try place(of: "wrong", in: "a: >\n  one\n  two\n   \n  wrong three\n") == "5:3+5")
        #expect(
            try place(of: "wrong", in: "a: >-\n    case when x\n      then wrong\n    end\n")
                == "3:12+5")
        #expect(try place(of: "wrong", in: "{b: 1, a: é wrong}") == "1:13+5")
        #expect(try place(of: "wrong", in: "a: 'one\n  wrong'") == "2:3+5")
    }

    @Test func `variables and files are put in, defaults when they are missing`() throws {
        let node = try #require(
            read(
                "a: ${X}/${Y:-none}\nb: ${Y}\nc: ${file:key}\nd: $X {x}\ne: ${X:-1}",
                environment: ["X": "here"]))
        #expect(node["a"]?.text == "here/none")
        #expect(node["b"]?.scalar?.unset.map(\.name) == ["Y"])
        #expect(node["c"]?.text == "s3")
        #expect(node["d"]?.text == "$X {x}")
        #expect(node["e"]?.text == "here")
    }

    @Test func `every repeated key is told of, and the last one stays`() {
        let diagnostics = Diagnostics()
        let node = YAMLReader(
            source: SourceText(file: "f", text: "a: 1\nb: 2\na: 3\nc: {x: 1, x: 2}\na: 4\n"),
            variables: Variables(environment: [:], readFile: { _ in nil }), diagnostics: diagnostics
        ).read()
        #expect(
            diagnostics.sorted.map { "\($0.position.line):\($0.position.column)" } == [
                "4:11", "5:1",
            ])
        #expect(node?["a"]?.text == "4")
    }

    @Test func `what looks like a secret is told from what does not`() {
        let cases: [(String, String, Bool)] = [
            ("sasl.password", "x", true), ("ssl.key.password", "x", true),
            ("url", "http://u:p@h/", true),
            ("url", "http://h:80/a@b", false), ("client.id", "AKIAIOSFODNN7EXAMPLE", true),
            ("client.id", "millrace", false), ("x", "eyJhbGciOi.eyJzdWIi.sig", true),
            ("sasl.username", "bob", false), ("auth", "ghp_16C7e42F292c6912E7", true),
        ]
        for (key, value, isSecret) in cases {
            #expect(
                (SecretText.reason(key: key, value: value) != nil) == isSecret, "\(key) \(value)")
        }
    }
}

@Suite struct TypeTextTests {
    @Test func `types are read and written back`() throws {
        for text in [
            "bool", "int64", "double", "decimal(12,2)", "timestamp", "date", "string", "bytes",
            "list<string>", "struct<a: int64, b: list<struct<c: decimal(38,0)>>>",
        ] {
            #expect("\(try TypeText.parse(text))" == text)
        }
        #expect(
            try TypeText.parse(" list < decimal( 5 , 2 ) > ")
                == .list(.decimal(precision: 5, scale: 2)))
    }

    @Test func `a wrong type is answered with its place and what was meant`() {
        let cases: [(String, Int, String)] = [
            ("strng", 0, "there is no type \"strng\""),
            ("list<strng>", 5, "there is no type \"strng\""),
            ("list string", 5, "\"<\" is missing after list"),
            ("decimal(39,2)", 0, "decimal(39,2) cannot be"),
            ("decimal(3,4)", 0, "decimal(3,4) cannot be"),
            ("decimal", 6, "\"(\" is missing after decimal"),
            ("struct<a int64>", 9, "\":\" is missing after the field name"),
            ("struct<a: int64, a: int64>", 17, "the field \"a\" is there twice"),
            ("int64 null", 6, "there is more text after the type"), ("", 0, "a type is missing"),
        ]
        for (text, offset, message) in cases {
            #expect(throws: (any Error).self) { try TypeText.parse(text) }
            do { _ = try TypeText.parse(text) } catch {
                #expect(error.offset == offset, "\(text)")
                #expect(error.message == message)
            }
        }
    }

    @Test func `durations and sizes have a unit`() {
        #expect(SpecScalars.duration("1500ms") == .milliseconds(1500))
        #expect(SpecScalars.duration("30d") == .seconds(30 * 86400))
        for wrong in ["5", "s", "5 s", "1.5h", "-1s", "5S", "9999999999s", "1h30m", ""] {
            #expect(SpecScalars.duration(wrong) == nil, "\(wrong)")
        }
        #expect(SpecScalars.size("256MiB") == 256 << 20)
        #expect(SpecScalars.size("1KB") == 1000)
        for wrong in ["256", "256M", "1 GiB", "KiB"] { #expect(SpecScalars.size(wrong) == nil) }
        for text in ["1us", "10ms", "5s", "2m", "1h", "30d", "0s", "90m"] {
            #expect(SpecScalars.duration(text)?.text == text)
        }
    }

    @Test func `the nearest word is offered when it is near`() {
        let known = ["filter", "select", "extend", "deduplicate"]
        #expect(NearestWord.of("filtre", among: known) == "filter")
        #expect(NearestWord.of("Select", among: known) == "select")
        #expect(NearestWord.of("dedup", among: known) == nil)
        #expect(NearestWord.of("xyz", among: known) == nil)
    }
}
