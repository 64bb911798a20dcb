/// The nodes that one broker process plays, and which of them coordinates what.
final class Cluster: NodeDirectory {
    let nodes: [BrokerNode]
    private var moved: [String: Int32] = [:]

    init(nodes: [BrokerNode]) { self.nodes = nodes }

    func coordinator(of kind: CoordinatorKind, _ key: String) -> BrokerNode {
        let name = "\(kind.rawValue) \(key)"
        // FNV-1a: any spread will do, as long as a restart finds the same node.
        let hash = name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01B3
        }
        let index = moved[name].map { Int($0) - 1 } ?? Int(hash % UInt64(nodes.count))
        return nodes[index]
    }

    func move(_ kind: CoordinatorKind, _ key: String, to node: Int32) {
        moved["\(kind.rawValue) \(key)"] = node
    }
}
