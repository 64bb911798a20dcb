import Synchronization

/// All figures of the process, rendered for Prometheus.
///
/// Registering the same name and labels again gives the figure that is there already.
public final class MetricsRegistry: Sendable {
    private enum Cell: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case reading(@Sendable () -> Double?)
        case readings(label: String, @Sendable () -> [(String, Double)])
        case histogram(Histogram)
    }

    private struct Family: Sendable {
        let kind: String
        let help: String
        var series: [(labels: String, cell: Cell)]
    }

    private let families = Mutex<[String: Family]>([:])

    /// A label's name and value.
    public typealias Label = (name: String, value: String)

    /// No figures.
    public init() {}

    /// The counter `name` with these labels.
    public func counter(_ name: String, help: String, labels: [Label] = []) -> Counter {
        let cell = register(name, "counter", help, labels) { .counter(Counter()) }
        guard case .counter(let counter) = cell else {
            preconditionFailure("\(name) is no counter")
        }
        return counter
    }

    /// The gauge `name` with these labels.
    public func gauge(_ name: String, help: String, labels: [Label] = []) -> Gauge {
        let cell = register(name, "gauge", help, labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = cell else { preconditionFailure("\(name) is no gauge") }
        return gauge
    }

    /// The histogram `name` with these labels and bucket bounds.
    public func histogram(
        _ name: String, help: String, labels: [Label] = [],
        boundsSeconds: [Double] = Histogram.lookupSeconds
    ) -> Histogram {
        let cell = register(name, "histogram", help, labels) {
            .histogram(Histogram(boundsSeconds: boundsSeconds))
        }
        guard case .histogram(let histogram) = cell else {
            preconditionFailure("\(name) is no histogram")
        }
        return histogram
    }

    /// A figure that is read when asked for; a reading of nil leaves it out. It takes the place of an
    /// earlier reading of the same name and labels, whose job has ended.
    ///
    /// - Parameter grows: whether it is a counter rather than a gauge.
    public func reading(
        _ name: String, help: String, labels: [Label] = [], grows: Bool = false,
        _ read: @escaping @Sendable () -> Double?
    ) {
        let kind = grows ? "counter" : "gauge"
        _ = register(name, kind, help, labels, replaces: true) { .reading(read) }
    }

    /// Figures that are read when asked for, told apart by a label whose values are not known before.
    public func readings(
        _ name: String, help: String, labels: [Label] = [], by label: String,
        _ read: @escaping @Sendable () -> [(String, Double)]
    ) {
        _ = register(name, "gauge", help, labels, replaces: true) {
            .readings(label: label, read)
        }
    }

    private func register(
        _ name: String, _ kind: String, _ help: String, _ labels: [Label],
        replaces: Bool = false,
        _ make: @Sendable () -> Cell
    ) -> Cell {
        let text = labels.map { "\($0.name)=\"\(MetricsRegistry.escaped($0.value))\"" }
            .joined(separator: ",")
        return families.withLock { families in
            var family = families[name] ?? Family(kind: kind, help: help, series: [])
            let known = family.series.firstIndex { $0.labels == text }
            if let known, !replaces { return family.series[known].cell }
            let cell = make()
            if let known {
                family.series[known].cell = cell
            } else {
                family.series.append((text, cell))
            }
            families[name] = family
            return cell
        }
    }

    /// Every figure in Prometheus's text format 0.0.4, families by name.
    public func render() -> String {
        let families = self.families.withLock { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += "# HELP \(name) \(family.help)\n# TYPE \(name) \(family.kind)\n"
            for (labels, cell) in family.series {
                let braces = labels.isEmpty ? "" : "{\(labels)}"
                switch cell {
                case .counter(let counter): text += "\(name)\(braces) \(counter.value)\n"
                case .gauge(let gauge): text += "\(name)\(braces) \(Self.text(gauge.value))\n"
                case .reading(let read):
                    if let value = read() { text += "\(name)\(braces) \(Self.text(value))\n" }
                case .readings(let label, let read):
                    for (key, value) in read() {
                        let all =
                            (labels.isEmpty ? "" : labels + ",")
                            + "\(label)=\"\(MetricsRegistry.escaped(key))\""
                        text += "\(name){\(all)} \(Self.text(value))\n"
                    }
                case .histogram(let histogram): Self.append(histogram, name, labels, to: &text)
                }
            }
        }
        return text
    }

    private static func append(
        _ histogram: Histogram, _ name: String, _ labels: String, to text: inout String
    ) {
        let prefix = labels.isEmpty ? "" : labels + ","
        var total: Int64 = 0
        for (bound, count) in zip(histogram.boundNanos, histogram.counts) {
            total += count.value
            text += "\(name)_bucket{\(prefix)le=\"\(Double(bound) / 1e9)\"} \(total)\n"
        }
        total += histogram.counts[histogram.boundNanos.count].value
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(total)\n"
        text += "\(name)_sum\(braces) \(Double(histogram.sumNanos.value) / 1e9)\n"
        text += "\(name)_count\(braces) \(total)\n"
    }

    private static func text(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    private static func escaped(_ value: String) -> String {
        var result = ""
        for character in value {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}
