import Foundation
import Synchronization

/// The local time of a place: what moment it is when clocks there show a date and a time.
///
/// A time that clocks show twice (when summer time ends) is the earlier of the two moments; one they skip
/// (when it begins) is as long after the hour before as it says.
///
/// - Source: the IANA time zone database, as Foundation has it, from 1970 to 2100; before and after that
///   the first and the last offset hold on.
public final class LocalZone: Sendable {
    /// The zone's name: "Europe/Berlin".
    public let name: String
    /// What clocks show when an offset ends, the later of both readings, in microseconds; ascending.
    private let ends: [Int64]
    /// One offset more than `ends`, in microseconds.
    private let offsets: [Int64]

    private static let known = Mutex<[String: LocalZone]>([:])

    /// The zone called `name` by the IANA; nil when there is none.
    public static func named(_ name: String) -> LocalZone? {
        if let found = known.withLock({ $0[name] }) { return found }
        guard !name.isEmpty, let zone = TimeZone(identifier: name) else { return nil }
        let made = LocalZone(name, zone)
        known.withLock { $0[name] = made }
        return made
    }

    private init(_ name: String, _ zone: TimeZone) {
        self.name = name
        func offset(_ second: Int) -> Int {
            zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(second)))
        }
        var ends: [Int64] = []
        var current = offset(0)
        var offsets = [Int64(current) * 1_000_000]
        var second = 0
        let step = 7 * 86_400
        while second < 4_102_444_800 {
            let next = offset(second + step)
            if next != current {
                // Somewhere in this week the offset changed: halve it down to the second.
                var (low, high) = (second, second + step)
                while high - low > 1 {
                    let middle = (low + high) / 2
                    if offset(middle) == current { low = middle } else { high = middle }
                }
                ends.append(Int64(high + max(current, next)) * 1_000_000)
                offsets.append(Int64(next) * 1_000_000)
                current = next
            }
            second += step
        }
        self.ends = ends
        self.offsets = offsets
    }

    /// The moment at which clocks show `local`.
    ///
    /// - Units: microseconds since 1970-01-01, as if the clocks showed UTC and in UTC.
    func utc(_ local: Int64) -> Int64 {
        var low = 0
        var high = ends.count
        while low < high {
            let middle = (low + high) / 2
            if local < ends[middle] { high = middle } else { low = middle + 1 }
        }
        return local - offsets[low]
    }
}
