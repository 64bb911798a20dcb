import Testing

@testable import FeatureServe

@Suite struct MetricsTests {
    @Test func `figures are rendered by family with their labels`() {
        let registry = MetricsRegistry()
        registry.counter("rows_total", help: "Rows.", labels: [("step", "a\"b\\c\n")]).add(3)
        registry.counter("rows_total", help: "Rows.", labels: [("step", "a\"b\\c\n")]).add(4)
        registry.gauge("lag", help: "Lag.").set(1.5)
        registry.reading("gone", help: "Nothing.") { nil }
        registry.reading("read_total", help: "Read.", grows: true) { 12 }
        let histogram = registry.histogram("took", help: "Took.", boundsSeconds: [0.001, 0.01])
        histogram.observe(nanos: 1_000_000)
        histogram.observe(nanos: 1_000_001)
        histogram.observe(nanos: 3_000_000_000)
        #expect(
            registry.render() == """
                # HELP gone Nothing.
                # TYPE gone gauge
                # HELP lag Lag.
                # TYPE lag gauge
                lag 1.5
                # HELP read_total Read.
                # TYPE read_total counter
                read_total 12
                # HELP rows_total Rows.
                # TYPE rows_total counter
                rows_total{step="a\\"b\\\\c\\n"} 7
                # HELP took Took.
                # TYPE took histogram
                took_bucket{le="0.001"} 1
                took_bucket{le="0.01"} 2
                took_bucket{le="+Inf"} 3
                took_sum 3.002000001
                took_count 3

                """)
    }
}
