import Glibc
import Testing

@testable import SampleData

struct NexmarkTests {
    private func lines(_ options: Nexmark.Options, from: Int64 = 0) -> [String] {
        var lines = NexmarkLines(capacity: 16)
        defer { lines.deallocate() }
        Nexmark(options).append(first: from, count: options.events, to: &lines)
        let text = String(
            decoding: UnsafeBufferPointer(start: lines.bytes, count: lines.count), as: UTF8.self)
        return text.split(separator: "\n").map(String.init)
    }

    @Test func `of fifty events one is a person, three are auctions and the others bids`() {
        let all = lines(Nexmark.Options(events: 5000))
        func count(_ type: Int) -> Int {
            all.count { $0.hasPrefix("{\"event_type\":\(type),") }
        }
        #expect([count(0), count(1), count(2)] == [100, 300, 4600])
        #expect(all.allSatisfy { $0.hasSuffix("\"}") && $0.utf8.count < 1000 })
        #expect(all[0].hasSuffix(",\"dateTime\":\"2026-06-14 23:59:00.000\"}"))
        #expect(all[10].hasSuffix(",\"dateTime\":\"2026-06-14 23:59:00.001\"}"))
        #expect(all[0].contains("\"person\":{\"id\":1000,"))
        #expect(all[50].contains("\"person\":{\"id\":1001,"))
        #expect(all[53].contains("\"auction\":{\"id\":1005,"))
    }

    @Test(arguments: [0, 700_000, 2_000_000] as [Int64])
    func `any range is the same made alone, for each seed`(disorder: Int64) {
        var options = Nexmark.Options(events: 3000)
        options.disorderMicros = disorder
        options.rate = 1000
        let all = lines(options)
        options.events = 70
        #expect(lines(options, from: 1933) == Array(all[1933..<2003]))
        options.seed = 2
        #expect(lines(options, from: 1933) != Array(all[1933..<2003]))
    }

    @Test func `disorder moves events within its bound and loses none`() {
        var options = Nexmark.Options(events: 10_000)
        options.rate = 1000
        let inOrder = lines(options)
        options.disorderMicros = 2_000_000
        let moved = lines(options)
        #expect(moved != inOrder)
        #expect(moved.sorted() == inOrder.sorted())
        let nexmark = Nexmark(options)
        var newest: UInt64 = 0
        var furthest: UInt64 = 0
        for place in 0..<10_000 as Range<UInt64> {
            let number = nexmark.numberOf(place)
            newest = max(newest, number)
            furthest = max(furthest, newest - number)
        }
        #expect(furthest < 2000 && furthest > 1000)
    }

    @Test func `half of the bids are on hot auctions, three quarters of the bidders are hot`() {
        let bids = lines(Nexmark.Options(events: 20_000)).filter { $0.contains("\"bidder\":") }
        func number(_ name: String, _ line: String) -> Int {
            let bid = line[line.firstRange(of: "\"bid\":{")!.upperBound...]
            let after = bid[bid.firstRange(of: "\"\(name)\":")!.upperBound...]
            return Int(after.prefix { $0.isNumber })!
        }
        let hot = bids.count { number("auction", $0) % 100 == 0 }
        #expect((9_000...9_600).contains(hot))
        let bidders = bids.count { number("bidder", $0) % 100 == 1 }
        #expect((13_600...14_100).contains(bidders))
        #expect(bids.allSatisfy { (100...100_000_000).contains(number("price", $0)) })
        let cheap = bids.count { number("price", $0) < 10_000 }
        #expect((5_850...6_400).contains(cheap))
    }
}
