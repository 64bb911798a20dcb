extension JobPlan {
    /// The plan as a graph in Graphviz's language.
    var graph: String {
        var lines = [
            "digraph \(JSONText.quoted(name)) {", "  rankdir=LR;",
            "  node [shape=box, style=rounded, fontname=Helvetica, fontsize=11];",
            "  edge [fontname=Helvetica, fontsize=9];",
        ]
        for source in sources {
            lines.append(
                "  source\(source.ordinal) [shape=cds, style=solid, label=\(JSONText.quoted(source.name))];"
            )
        }
        for (index, pipeline) in pipelines.enumerated() where !pipeline.steps.isEmpty {
            lines.append("  subgraph cluster\(index) {")
            lines.append("    label=\(JSONText.quoted(pipeline.name));")
            for ordinal in pipeline.steps {
                let step = steps[ordinal]
                let label = step.isStateless ? step.verb : "\(step.verb)\n\(step.id)"
                let style = step.isStateless ? "" : ", style=\"rounded,bold\""
                lines.append("    step\(ordinal) [label=\(JSONText.quoted(label))\(style)];")
            }
            lines.append("  }")
        }
        for sink in sinks {
            lines.append(
                "  sink\(sink.ordinal) [shape=cylinder, style=solid, label=\(JSONText.quoted(sink.id))];"
            )
        }
        for repartition in repartitions {
            let step = steps[repartition.step]
            lines.append(
                "  repartition\(repartition.ordinal) [shape=cds, style=dashed, "
                    + "label=\(JSONText.quoted(repartition.topic))];")
            for edge in step.inputs {
                lines.append(
                    self.edge(
                        edge, to: "repartition\(repartition.ordinal)", edge.text(step.inputSchema)
                    ))
            }
            lines.append("  repartition\(repartition.ordinal) -> step\(step.ordinal);")
        }
        for step in steps where step.repartition == nil {
            for edge in step.inputs {
                lines.append(
                    self.edge(edge, to: "step\(step.ordinal)", edge.text(step.inputSchema)))
            }
        }
        for sink in sinks {
            for edge in sink.inputs {
                lines.append(self.edge(edge, to: "sink\(sink.ordinal)", "gather"))
            }
        }
        return lines.joined(separator: "\n") + "\n}\n"
    }

    private func edge(_ edge: PlannedEdge, to: String, _ exchange: String) -> String {
        let (from, ports) =
            switch edge.from {
            case .source(let index): ("source\(index)", sources[index].outputs)
            case .step(let index): ("step\(index)", steps[index].outputs)
            }
        var words = edge.port == 0 ? [] : [ports[edge.port].name]
        if exchange != "forward", exchange != "gather" { words.append(exchange) }
        let style = edge.port == 0 ? "" : ", style=dashed"
        return
            "  \(from) -> \(to) [label=\(JSONText.quoted(words.joined(separator: "\n")))\(style)];"
    }
}
