import Glibc
import StreamRuntime

/// A request for features as pieces of its message; kept by an event loop and filled anew each time.
///
/// - Shape: what it holds points into the message, and lives as long as that.
struct GRPCLookupRequest {
    /// A join key's name and where its values begin in `values`.
    struct KeyList {
        let name: UnsafeBufferPointer<UInt8>
        let first: Int
        let count: Int
    }

    /// What the features are asked by: the body of the list of features, or the service's name.
    let plan = ByteArena(capacity: 1 << 12)
    private(set) var isService = false
    private(set) var keys: [KeyList] = []
    /// The bodies of messages `feast.types.Value`.
    private(set) var values: [UnsafeBufferPointer<UInt8>] = []
    private(set) var fullNames = false
    private(set) var wantsViewNames = false

    /// Reads a message `feast.serving.GetOnlineFeaturesRequest`; unknown fields are passed over.
    mutating func read(_ message: UnsafeBufferPointer<UInt8>) throws(FeastProblem) {
        plan.count = 0
        isService = false
        keys.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        fullNames = false
        wantsViewNames = false
        var reader = ProtoReader(message)
        while try reader.next() {
            switch reader.number {
            case 1, 2:
                // Either kind replaces the other; two lists of features are one behind the other.
                let isName = reader.number == 1
                if isName || isService { plan.count = 0 }
                isService = isName
                if let base = reader.body.baseAddress { plan.append(base, reader.body.count) }
            case 3, 5: try readEntry(reader.body)
            case 4: fullNames = reader.word != 0
            case 6: wantsViewNames = reader.word != 0
            default: break
            }
        }
    }

    /// An entry of `entities` or of `request_context`: both say what is asked about.
    private mutating func readEntry(
        _ entry: UnsafeBufferPointer<UInt8>
    ) throws(FeastProblem) {
        var reader = ProtoReader(entry)
        var name = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        let first = values.count
        while try reader.next() {
            if reader.number == 1 { name = reader.body }
            guard reader.number == 2 else { continue }
            var list = ProtoReader(reader.body)
            while try list.next() {
                if list.number == 1 { values.append(list.body) }
            }
        }
        // Of two entries of a map for one key, the last counts.
        keys.removeAll { GRPCLookupRequest.isEqual($0.name, name) }
        keys.append(KeyList(name: name, first: first, count: values.count - first))
    }

    /// The features of the list in `plan`, as they are written.
    func references() throws(FeastProblem) -> [String] {
        var names: [String] = []
        var reader = ProtoReader(UnsafeBufferPointer(start: plan.base, count: plan.count))
        while try reader.next() {
            if reader.number == 1 { names.append(String(decoding: reader.body, as: UTF8.self)) }
        }
        return names
    }

    static func isEqual(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        left.count == right.count
            && (left.count == 0 || memcmp(left.baseAddress!, right.baseAddress!, left.count) == 0)
    }
}
