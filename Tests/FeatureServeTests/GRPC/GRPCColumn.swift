import Testing

@testable import FeatureServe

/// The numbers and statuses of a column of a `GetOnlineFeaturesResponse`.
struct GRPCColumn {
    private(set) var values: [Int64?] = []
    private(set) var statuses: [UInt8] = []

    /// Column `number`, from 1 on.
    init(_ body: [UInt8], number wanted: Int) throws {
        var values: [Int64?] = []
        var statuses: [UInt8] = []
        try body.withUnsafeBufferPointer { body in
            var response = ProtoReader(body)
            var number = 0
            while try response.next() {
                guard response.number == 2 else { continue }
                number += 1
                guard number == wanted else { continue }
                var vector = ProtoReader(response.body)
                while try vector.next() {
                    if vector.number == 2 { statuses = Array(vector.body) }
                    guard vector.number == 1 else { continue }
                    var value = ProtoReader(vector.body)
                    var found: Int64?
                    while try value.next() { found = Int64(bitPattern: value.word) }
                    values.append(found)
                }
            }
        }
        self.values = values
        self.statuses = statuses
    }
}
