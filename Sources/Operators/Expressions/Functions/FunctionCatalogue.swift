/// Every scalar function, by group, in the order the documentation lists them.
enum FunctionCatalogue {
    static let groups: [(title: String, functions: [ScalarFunction])] = [
        ("Conditions", ConditionFunctions.all + TypeFunctions.all),
        ("Numbers", NumericFunctions.all + FeatureFunctions.numbers),
        ("Text", TextFunctions.all + FormatFunctions.all + GraphemeFunctions.all),
        ("Patterns", PatternFunctions.all), ("Paths and URLs", PathFunctions.all),
        ("Encodings and digests", EncodingFunctions.all + SizeFunctions.all),
        ("Likeness", LikenessFunctions.all),
        ("Dates and times", TimeFunctions.all + FeatureFunctions.times),
        ("Time zones", ZoneFunctions.all),
        ("Lists", ListFunctions.all + LambdaFunctions.all),
        ("Statistics of lists", ListAggregates.all), ("Structs", StructFunctions.all),
        ("Maps", MapFunctions.all),
        ("JSON", JSONFunctions.all + JSONMaking.all + JSONChanging.all),
        ("Places and hashes", GeoFunctions.all),
        ("Cells of the globe", GeohashFunctions.all), ("Networks", NetworkFunctions.all),
        ("Tours", TourFunctions.all),
    ]

    static let byName: [String: ScalarFunction] = {
        var byName: [String: ScalarFunction] = [:]
        for group in groups {
            for function in group.functions {
                for name in function.names {
                    precondition(byName[name] == nil, "two functions are called \(name)")
                    byName[name] = function
                }
            }
        }
        return byName
    }()

    static var names: [String] { byName.keys.filter { $0.first?.isLetter == true }.sorted() }
}
