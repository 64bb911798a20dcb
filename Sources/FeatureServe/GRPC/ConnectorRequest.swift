import StreamRuntime

/// What Feast's Go server asks of a store it reaches over gRPC; kept by an event loop and filled anew.
///
/// - Shape: what it holds points into the message, and lives as long as that.
/// - Source: feast/serving/Connector.proto, package `grpc.connector`.
struct ConnectorRequest {
    /// Where the parts of an entity key stand in `names` and `values`.
    struct Key {
        let first: Int
        let count: Int
    }

    /// The view and the features, which name the plan.
    let plan = ByteArena(capacity: 1 << 10)
    private(set) var view = ""
    private(set) var features: [String] = []
    private(set) var keys: [Key] = []
    private(set) var names: [UnsafeBufferPointer<UInt8>] = []
    private(set) var values: [UnsafeBufferPointer<UInt8>] = []

    /// Reads a message `OnlineReadRequest`.
    mutating func read(_ message: UnsafeBufferPointer<UInt8>) throws(FeastProblem) {
        plan.count = 0
        view = ""
        features.removeAll(keepingCapacity: true)
        keys.removeAll(keepingCapacity: true)
        names.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        var reader = ProtoReader(message)
        while try reader.next() {
            switch reader.number {
            case 1: try readKey(reader.body)
            case 2: view = String(decoding: reader.body, as: UTF8.self)
            case 3: features.append(String(decoding: reader.body, as: UTF8.self))
            default: break
            }
        }
        ProtoWriter.text(2, view, to: plan)
        for feature in features { ProtoWriter.text(3, feature, to: plan) }
    }

    private mutating func readKey(_ key: UnsafeBufferPointer<UInt8>) throws(FeastProblem) {
        let first = values.count
        var reader = ProtoReader(key)
        while try reader.next() {
            if reader.number == 1 { names.append(reader.body) }
            if reader.number == 2 { values.append(reader.body) }
        }
        guard names.count == values.count else {
            throw FeastProblem("an entity key whose names and values differ in number")
        }
        keys.append(Key(first: first, count: values.count - first))
    }
}
