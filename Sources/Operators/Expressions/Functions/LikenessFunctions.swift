import StreamRuntime

/// Functions that say how alike two texts are.
enum LikenessFunctions {
    private static func distance(
        _ names: String, _ meaning: String, _ example: String, _ result: String,
        _ body: @escaping ([UInt8], [UInt8]) -> Int?
    ) -> ScalarFunction {
        let name = names.prefix { $0 != " " }
        return ScalarFunction(
            names, "\(name)(x, y)", meaning, example, result,
            [
                Overload([.string, .string], canFail: true, .int64) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let left = Array(call.arguments[0].bytes(row))
                        let right = Array(call.arguments[1].bytes(row))
                        if let distance = body(left, right) {
                            result.int64s[row] = Int64(distance)
                        } else {
                            call.fail(row, live, "hamming of texts of different lengths")
                        }
                    }
                    return result
                }
            ])
    }

    private static func likeness(
        _ name: String, _ meaning: String, _ example: String, _ result: String,
        _ body: @escaping ([UInt8], [UInt8]) -> Double?
    ) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(x, y)", meaning, example, result,
            [
                Overload([.string, .string], canFail: true, .float64) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let left = Array(call.arguments[0].bytes(row))
                        let right = Array(call.arguments[1].bytes(row))
                        if let likeness = body(left, right) {
                            result.float64s[row] = likeness
                        } else {
                            call.fail(row, live, "\(name) of an empty text")
                        }
                    }
                    return result
                }
            ])
    }

    static let all: [ScalarFunction] = [
        distance(
            "levenshtein editdist3",
            "How many insertions, deletions and replacements of bytes lie between the texts.",
            "levenshtein('kitten', 'sitting')", "3"
        ) { Likeness.levenshtein($0, $1) },
        distance(
            "damerau_levenshtein", "Like levenshtein, a swap of neighbours counting as one.",
            "damerau_levenshtein('abcd', 'acbd')", "1"
        ) { Likeness.damerauLevenshtein($0, $1) },
        distance(
            "hamming mismatches", "How many bytes differ in two texts of one length.",
            "hamming('duck', 'luck')", "1"
        ) { left, right in
            guard left.count == right.count else { return nil }
            return zip(left, right).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
        },
        likeness(
            "jaccard", "Bytes in both texts over bytes in either.", "jaccard('duck', 'luck')", "0.6"
        ) { left, right in
            guard !left.isEmpty, !right.isEmpty else { return nil }
            let a = Set(left)
            let b = Set(right)
            return Double(a.intersection(b).count) / Double(a.union(b).count)
        },
        likeness(
            "jaro_similarity", "Jaro's measure, from 0 to 1.",
            "round(jaro_similarity('duck', 'duckdb'), 4)",
            "0.8889"
        ) { Likeness.jaro($0, $1) },
        likeness(
            "jaro_winkler_similarity", "Jaro's measure, raised for a common start.",
            "round(jaro_winkler_similarity('duck', 'duckdb'), 4)", "0.9333"
        ) { left, right in
            let jaro = Likeness.jaro(left, right)
            guard jaro > 0.7 else { return jaro }
            let shared = zip(left, right).prefix(4).prefix { $0 == $1 }.count
            return jaro + Double(shared) * 0.1 * (1 - jaro)
        },
    ]
}
