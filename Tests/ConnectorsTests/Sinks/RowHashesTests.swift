import Testing

@testable import Connectors

@Suite struct RowHashesTests {
    @Test func `it knows the last hash of each key and tells each change once`() {
        var random = Mixed(state: 7)
        let hashes = RowHashes()
        var wanted: [Int64: UInt64] = [:]
        var told: [Int64: UInt64] = [:]
        for turn in 0..<5000 {
            let key = Int64(random.next() % 700)
            let hash: UInt64? = random.next() % 4 == 0 ? nil : random.next()
            #expect(hashes.replace(key, by: hash) == wanted[key])
            wanted[key] = hash
            if turn % 500 == 499 {
                var keys: Set<Int64> = []
                hashes.takeChanges { key, hash in
                    #expect(keys.insert(key).inserted)
                    told[key] = hash
                }
                #expect(told == wanted)
            }
        }
        hashes.removeAll()
        var left = 0
        hashes.takeChanges { _, _ in left += 1 }
        #expect(left == 0)
        #expect(hashes.replace(1, by: 2) == nil)
    }
}

private struct Mixed {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
