import FeatureServe

/// The figures of something, as a metrics registry tells them.
struct FigureTable<Figures> {
    /// One figure.
    struct Row {
        let name: String
        let help: String
        let grows: Bool
        let read: @Sendable (Figures) -> Int
    }

    private var rows: [Row] = []

    /// A count that only grows.
    func counting(
        _ name: String, _ help: String, _ read: @escaping @Sendable (Figures) -> Int
    ) -> FigureTable {
        adding(Row(name: name, help: help, grows: true, read: read))
    }

    /// A value of the moment.
    func showing(
        _ name: String, _ help: String, _ read: @escaping @Sendable (Figures) -> Int
    ) -> FigureTable {
        adding(Row(name: name, help: help, grows: false, read: read))
    }

    private func adding(_ row: Row) -> FigureTable {
        var table = self
        table.rows.append(row)
        return table
    }

    /// Registers all of them, as `figures` gives them.
    func register(
        in metrics: MetricsRegistry, labels: [MetricsRegistry.Label],
        _ figures: @escaping @Sendable () -> Figures?
    ) {
        for row in rows {
            let read = row.read
            metrics.reading(row.name, help: row.help, labels: labels, grows: row.grows) {
                figures().map { Double(read($0)) }
            }
        }
    }
}
