import Connectors

/// Reads how often services may be asked, and when not.
struct LimitReader {
    let diagnostics: Diagnostics

    /// So many requests a second, a minute or an hour; nil without any of them, which the check of shapes tells.
    func rate(_ node: SpecNode) -> RequestRate? {
        let perSecond: Double
        if let rate = node["per_second"]?.integer {
            perSecond = Double(rate)
        } else if let rate = node["per_minute"]?.integer {
            perSecond = Double(rate) / 60
        } else if let rate = node["per_hour"]?.integer {
            perSecond = Double(rate) / 3600
        } else {
            return nil
        }
        guard perSecond > 0 else { return nil }
        return RequestRate(
            perSecond: perSecond,
            burst: node["burst"]?.integer.map(Double.init) ?? max(perSecond, 1))
    }

    /// When a service is not asked for a while.
    func breaker(_ node: SpecNode) -> CircuitBreaker.Settings {
        var settings = CircuitBreaker.Settings()
        if let errors = node["errors"], let text = errors.text {
            let digits = text.hasSuffix("%") ? text.dropLast() : text[...]
            let value = Double(digits).map { text.hasSuffix("%") ? $0 / 100 : $0 } ?? 0
            if value > 0, value <= 1 {
                settings.errors = value
            } else {
                diagnostics.report(
                    .badValue, "\"\(text)\" is no share of calls", at: errors.position,
                    fix: "write a share such as 50%")
            }
        }
        if let calls = node["calls"]?.integer { settings.calls = max(calls, 1) }
        if let open = node["open"]?.duration { settings.openMicros = open.micros }
        return settings
    }
}
