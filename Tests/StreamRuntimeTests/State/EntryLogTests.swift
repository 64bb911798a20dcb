import Testing

@testable import StreamRuntime

@Suite("The memory of a table's entries")
struct EntryLogTests {
    @Test("each living entry is announced before its turn, however many dead ones lie between")
    func announced() {
        let log = EntryLog(meter: MemoryMeter())
        let headers = (0..<120).map { number in
            let header = log.append(32)
            header.pointee.flags = 0
            header.pointee.hash = Int64(number)
            return header
        }
        for header in headers[10..<60] { log.kill(header) }
        var announced: [Int64] = []
        var visited: [Int64] = []
        for number in log.order {
            let note = { (header: UnsafeMutablePointer<StateEntry.Header>) in
                announced.append(header.pointee.hash)
            }
            log.forEach(in: number, soon: note) { header in
                visited.append(header.pointee.hash)
                #expect(announced.contains(header.pointee.hash))
            }
        }
        #expect(visited == Array(0..<10) + Array(60..<120))
        #expect(announced == visited)
    }
}
