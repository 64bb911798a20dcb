import Glibc
import StreamRuntime
import Testing

@testable import Connectors

/// A directory that files are put into, with times that the test sets.
private final class DropBox {
    let path: String

    init() {
        var template = Array("/tmp/millrace-watch-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    }

    deinit {
        for name in (try? Directory.names(path)) ?? [] { unlink(path + "/" + name) }
        rmdir(path)
    }

    /// Puts `text` into the file `name`, changed at `second`.
    func put(_ name: String, _ bytes: [UInt8], at second: Int, appends: Bool = false) {
        let file = open(
            path + "/" + name, O_WRONLY | O_CREAT | (appends ? O_APPEND : O_TRUNC), 0o644)
        #expect(write(file, bytes, bytes.count) == bytes.count)
        close(file)
        touch(name, at: second)
    }

    func put(_ name: String, _ text: String, at second: Int, appends: Bool = false) {
        put(name, Array(text.utf8), at: second, appends: appends)
    }

    func touch(_ name: String, at second: Int) {
        let time = timespec(tv_sec: second, tv_nsec: 0)
        #expect(utimensat(AT_FDCWD, path + "/" + name, [time, time], 0) == 0)
    }

    func move(_ name: String, to other: String) {
        #expect(rename(path + "/" + name, path + "/" + other) == 0)
    }
}

extension FileWatch {
    /// One look at `second`: a line for each record, `name: text`, and `name.` behind each file.
    fileprivate func look(at second: Int) throws -> [String] {
        var lines: [String] = []
        _ = try look(nowMicros: Int64(second) * 1_000_000) { batch, delivery in
            for row in 0..<batch.count {
                let headers = RecordHeaders.decode(batch.headers!.bytes(row))!
                let name = headers.first { $0.name == FileReader.nameHeader }!.value!
                #expect(String(decoding: name, as: UTF8.self) == delivery.name)
                lines.append(
                    "\(delivery.name): " + String(decoding: batch.values.bytes(row), as: UTF8.self))
            }
        } end: { delivery in
            lines.append(delivery.name + ".")
        }
        return lines
    }
}

@Suite struct FileWatchTests {
    private func watch(
        _ box: DropBox, ledger: String = "", _ change: (inout FileWatch.Rules) -> Void = { _ in }
    ) -> FileWatch {
        var rules = FileWatch.Rules(path: box.path, layout: .lines)
        change(&rules)
        return FileWatch(rules, ledger: ledger)
    }

    @Test func `a file is taken when it has rested, in the order of names, and never again`() throws
    {
        let box = DropBox()
        var watch = watch(box)
        box.put("b.jsonl", "1\n2\n", at: 100)
        box.put("a.jsonl", "3\n", at: 103)
        box.put("c.jsonl.tmp", "half", at: 1)
        box.put(".hidden", "half", at: 1)
        #expect(try watch.look(at: 104) == [])
        #expect(watch.figures.waiting == 2)
        #expect(try watch.look(at: 105) == ["b.jsonl: 1", "b.jsonl: 2", "b.jsonl."])
        box.put("0.jsonl", "4\n", at: 101)
        #expect(try watch.look(at: 108) == ["0.jsonl: 4", "0.jsonl.", "a.jsonl: 3", "a.jsonl."])
        #expect(try watch.look(at: 200) == [])
        box.move("c.jsonl.tmp", to: "c.jsonl")
        #expect(try watch.look(at: 201) == ["c.jsonl: half", "c.jsonl."])
        // Another process knows what this one took.
        watch = self.watch(box, ledger: watch.ledger)
        #expect(try watch.look(at: 300) == [])
    }

    @Test func `a clock that is ahead does not keep a file waiting for ever`() throws {
        let box = DropBox()
        let watch = watch(box)
        box.put("a", "1", at: 9_999)
        #expect(try watch.look(at: 100) == [])
        #expect(try watch.look(at: 104) == [])
        #expect(try watch.look(at: 105) == ["a: 1", "a."])
    }

    @Test func `a growing file is read on, and a line that had no end is read again whole`() throws
    {
        let box = DropBox()
        let watch = watch(box)
        box.put("a", "1\n2\n", at: 100)
        #expect(try watch.look(at: 110) == ["a: 1", "a: 2", "a."])
        box.put("a", "3\nfo", at: 120, appends: true)
        #expect(try watch.look(at: 121) == [])
        #expect(try watch.look(at: 130) == ["a: 3", "a: fo", "a."])
        box.put("a", "ur\n", at: 140, appends: true)
        #expect(try watch.look(at: 150) == ["a: four", "a."])
        #expect(watch.figures.grown == 2 && watch.figures.files == 3)
    }

    @Test func `a file that is sent again is known by its content, under any name`() throws {
        let box = DropBox()
        var watch = watch(box)
        box.put("a", "1\n2\n", at: 100)
        #expect(try watch.look(at: 110).count == 3)
        box.put("a", "1\n2\n", at: 120)
        #expect(try watch.look(at: 130) == ["a."])
        box.put("again", "1\n2\n", at: 140)
        #expect(try watch.look(at: 150) == ["again."])
        #expect(watch.figures.repeats == 2)
        watch = self.watch(box, ledger: watch.ledger)
        box.put("third", "1\n2\n", at: 160)
        #expect(try watch.look(at: 170) == ["third."])
        // With other content it is another file.
        box.put("a", "1\n3\n", at: 180)
        #expect(try watch.look(at: 190) == ["a: 1", "a: 3", "a."])
        #expect(watch.figures.replaced == 1)
        box.put("a", "9\n", at: 200)
        #expect(try watch.look(at: 210) == ["a: 9", "a."])
    }

    @Test func `with a marker a file is whole when the marker is there`() throws {
        let box = DropBox()
        let watch = watch(box) { $0.marker = ".done" }
        box.put("a", "1\n", at: 1)
        #expect(try watch.look(at: 1000) == [])
        box.put("a.done", "", at: 1000)
        #expect(try watch.look(at: 1000) == ["a: 1", "a."])
    }

    @Test func `older files come first where the order is of time`() throws {
        let box = DropBox()
        let watch = watch(box) { $0.isByTime = true }
        box.put("a", "2", at: 20)
        box.put("b", "1", at: 10)
        box.put("c", "3", at: 20)
        #expect(try watch.look(at: 100) == ["b: 1", "b.", "a: 2", "a.", "c: 3", "c."])
    }

    @Test func `what is not finished is done again, and a ledger keeps any name`() throws {
        let box = DropBox()
        let watch = watch(box)
        let name = "tab\tpercent%25\nend"
        box.put(name, "1\n", at: 1)
        let failure = JobFailure(.sink, "no", at: "here", remedy: "none")
        let before = watch.ledger
        #expect(throws: JobFailure.self) {
            _ = try watch.look(nowMicros: 10_000_000) {
                (_, _) throws(JobFailure) in
                throw failure
            } end: { _ in
            }
        }
        #expect(watch.ledger == before)
        #expect(try watch.look(at: 10).count == 2)
        #expect(try self.watch(box, ledger: watch.ledger).look(at: 20) == [])
    }

    @Test func `files that cannot be read hold up no other`() throws {
        let box = DropBox()
        let watch = watch(box)
        box.put("b", "1", at: 1)
        // A link to nowhere is no file; a file that goes between two looks is none either.
        #expect(symlink("/nowhere", box.path + "/a") == 0)
        #expect(try watch.look(at: 10) == ["b: 1", "b."])
    }

    @Test func `header drift is told with the name of the file`() throws {
        let box = DropBox()
        box.put("north.csv", "item;count\nx;1\n", at: 1)
        box.put("south.csv", "item;number\nx;1\n", at: 1)
        box.put("west.csv", "item;number\ny;2\n", at: 1)
        let dialect = CSVDialect(delimiter: ";")
        let watch = watch(box) { $0.layout = .csv(dialect) }
        let decoder = CSVRecordDecoder(
            fields: [RecordField("item", .string), RecordField("count", .int64)], dialect: dialect)
        var reasons: [String] = []
        _ = try watch.look(nowMicros: 10_000_000) { batch, _ in
            let rows = DecodedRows(schema: decoder.schema, capacity: batch.count)
            var rejected = RejectedRows()
            decoder.decode(batch, into: rows, rejects: &rejected)
            reasons += rejected.rejects.map(\.reason)
        } end: { _ in
        }
        #expect(
            reasons == [
                "the header has no column \"count\" (it names item, number) in south.csv",
                "the header has no column \"count\" (it names item, number) in west.csv",
            ])
    }
}
