import StreamRuntime

extension Planner {
    /// What tests may name, of a planner that has planned all.
    func testCatalog(_ views: [PlannedFeatureView]) -> TestCatalog {
        TestCatalog(
            self, views: views, onDemand: onDemand, services: planServices(views, onDemand))
    }

    /// Checks names and types of the file's tests.
    func checkTests(_ views: [PlannedFeatureView]) {
        if spec.tests.isEmpty { return }
        let checker = TestChecker(catalog: testCatalog(views), diagnostics: diagnostics)
        for test in spec.tests { checker.check(test) }
    }

    /// The catalog of a file that has been planned without a problem before.
    static func testCatalog(_ spec: PipelinesSpec, file: String) -> TestCatalog {
        let planner = Planner(spec, Diagnostics(), file: file, needed: nil)
        return planner.testCatalog(planner.planAll())
    }

    /// The plan of `spec`, made out of one that has been planned without a problem before: nothing is
    /// checked again, so that parts may be left out.
    static func planPart(_ spec: PipelinesSpec, file: String) -> JobPlan? {
        let diagnostics = Diagnostics()
        let full = Planner(spec, diagnostics, file: file, needed: [:], keepsAllFields: true)
        let views = full.planAll()
        let needed = Projection.neededFields(of: full, views: views)
        let projected = Planner(spec, diagnostics, file: file, needed: needed)
        let planned = projected.planAll()
        return diagnostics.isEmpty ? projected.finish(planned) : nil
    }
}
