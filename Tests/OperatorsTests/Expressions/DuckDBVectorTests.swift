import Glibc
import StreamRuntime
import Testing

@testable import Operators

@Suite struct DuckDBVectorTests {
    /// Rows of a batch beside the null one, in turn.
    private static let sizes = [1, 2, 7, 33]

    // DUCKDB_MISMATCHES=DIRECTORY writes what differs into files there, in the shape of
    // Tests/Data/duckdb-differences.tsv, the reason to be filled in.
    @Test(arguments: DuckDBVector.parts.indices)
    func `expressions give what DuckDB gives, but for the listed differences`(_ part: Int) throws {
        let (name, vectors) = DuckDBVector.parts[part]
        var mismatches: [String] = []
        for (index, vector) in vectors.enumerated() {
            let got = value(of: vector.expression)
            let type = try? ExpressionCompiler(schema: Schema([])).compile(vector.expression).type
            if vector.agrees(with: got, type) {
                #expect(
                    DuckDBDifference.all[vector.expression] == nil,
                    "\(vector.expression) is listed as a difference and is none")
            } else if let listed = DuckDBDifference.all[vector.expression] {
                #expect(DuckDBDifferences.reasons[listed.reason] != nil, "\(listed.reason)")
                let isSame =
                    listed.text == "error" ? got.hasPrefix("error: ") : got == listed.text
                #expect(isSame, "\(vector.expression): \(got) is not \(listed.text)")
            } else {
                mismatches.append(
                    "\(type.map { "\($0)" } ?? "")\t\(vector.expression)\t\(got)\t\(vector.kind)\t\(vector.text)"
                )
                Issue.record(
                    "\(name): \(vector.expression) gives \(got), in DuckDB \(vector.kind) \(vector.text)"
                )
            }
            let size = Self.sizes[index % Self.sizes.count]
            guard let form = ColumnForm(vector.expression, rows: size) else { continue }
            let results = evaluate(form.text, on: form.batch)
            for row in 1...size {
                let isSame =
                    results[row] == got
                    || (got.hasPrefix("error") && results[row].hasPrefix("error"))
                #expect(
                    isSame, "\(form.text), row \(row) of \(size): \(results[row]) is not \(got)")
                if !isSame { break }
            }
        }
        if let directory = getenv("DUCKDB_MISMATCHES"), !mismatches.isEmpty {
            let file = try #require(fopen("\(String(cString: directory))/part-\(part).tsv", "w"))
            for line in mismatches {
                fputs(
                    line.split(separator: "\t", omittingEmptySubsequences: false)
                        .map { TestData.escaped(String($0)) }.joined(separator: "\t") + "\n", file)
            }
            fclose(file)
        }
    }

    @Test func `there are thousands of vectors, and every difference has a vector and a reason`() {
        let vectors = DuckDBVector.parts.flatMap(\.vectors)
        #expect(vectors.count > 4000)
        let asked = Set(vectors.map(\.expression))
        for difference in DuckDBDifference.all.values {
            #expect(asked.contains(difference.expression), "\(difference.expression)")
            #expect(DuckDBDifferences.reasons[difference.reason] != nil, "\(difference.reason)")
        }
    }
}
