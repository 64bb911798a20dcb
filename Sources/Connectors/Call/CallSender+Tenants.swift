import FeatureServe
import StreamRuntime

extension CallSender {
    /// Registers the figures of tenants that are new.
    func showTenants() {
        guard let metrics else { return }
        while shownTenants < min(scheduler.tenantCount, 10_000) {
            let tenant = shownTenants
            shownTenants += 1
            let labels: [MetricsRegistry.Label] = [
                ("call", settings.name), ("tenant", scheduler.name(of: tenant)),
            ]
            metrics.reading(
                "millrace_call_breaker_state",
                help: "A tenant's circuit breaker: 0 closed, 1 asking, 2 open.", labels: labels
            ) { [weak self] in
                self.map { sender in
                    Double(
                        sender.monitor.locked {
                            sender.scheduler.figures(of: tenant).breaker.rawValue
                        })
                }
            }
            metrics.reading(
                "millrace_call_tenant_waiting", help: "A tenant's sealed requests that wait.",
                labels: labels
            ) { [weak self] in
                self.map { sender in
                    Double(sender.monitor.locked { sender.scheduler.figures(of: tenant).waiting })
                }
            }
        }
    }
}
