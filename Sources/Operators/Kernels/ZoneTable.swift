import Foundation
import StreamRuntime
import Synchronization

/// How far the clocks of a place are ahead of UTC, at every moment.
///
/// - Source: the IANA time zone database as Foundation has it, from 1800 to 2200; before that the first
///   offset holds, after it the rules of the last years go on.
final class ZoneTable: Sendable {
    /// The moments, in microseconds since 1970, at which an offset ends; ascending.
    private let changes: [Int64]
    /// One offset more than `changes`, in microseconds.
    private let offsets: [Int64]

    private static let known = Mutex<[String: ZoneTable]>([:])

    /// The zone the IANA calls `name`, whatever the case of its letters; nil when there is none.
    static func named(_ name: String) -> ZoneTable? {
        if let found = known.withLock({ $0[name] }) { return found }
        guard !name.isEmpty, let zone = zone(name) else { return nil }
        let made = ZoneTable(zone)
        known.withLock { $0[name] = made }
        return made
    }

    private static func zone(_ name: String) -> TimeZone? {
        let lower = name.lowercased()
        if lower == "utc" || lower == "z" { return TimeZone(secondsFromGMT: 0) }
        if !lower.hasPrefix("gmt+"), !lower.hasPrefix("gmt-"), let zone = TimeZone(identifier: name)
        {
            return zone
        }
        return TimeZone.knownTimeZoneIdentifiers.first { $0.lowercased() == lower }
            .flatMap { TimeZone(identifier: $0) }
    }

    private init(_ zone: TimeZone) {
        func offset(_ second: Int) -> Int {
            zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(second)))
        }
        var second = -5_364_662_400
        var current = offset(second)
        var changes: [Int64] = []
        var offsets = [Int64(current) * 1_000_000]
        // No place has changed its clocks twice within twelve days and back.
        let step = 12 * 86_400
        while second < 7_258_118_400 {
            let next = offset(second + step)
            if next != current {
                var low = second
                var high = second + step
                while high - low > 1 {
                    let middle = (low + high) / 2
                    if offset(middle) == current { low = middle } else { high = middle }
                }
                changes.append(Int64(high) * 1_000_000)
                current = next
                offsets.append(Int64(current) * 1_000_000)
            }
            second += step
        }
        self.changes = changes
        self.offsets = offsets
    }

    /// How many changes lie at or before `micros`.
    @inline(__always)
    private func period(_ micros: Int64) -> Int {
        var low = 0
        var high = changes.count
        while low < high {
            let middle = (low &+ high) / 2
            if changes[middle] <= micros { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// What clocks show at a moment; nil outside the times there are.
    func local(_ micros: Int64) -> Int64? {
        let (sum, overflow) = micros.addingReportingOverflow(offset(micros))
        return overflow ? nil : sum
    }

    /// How far clocks are ahead of UTC at a moment, in microseconds.
    func offset(_ micros: Int64) -> Int64 { offsets[period(micros - Self.lead(micros))] }

    /// How much later a moment is than the one in a year of the table with the same calendar, in
    /// microseconds; 0 for moments in the table.
    @inline(__always)
    private static func lead(_ micros: Int64) -> Int64 {
        micros < 7_226_582_400_000_000 ? 0 : leadAfter(micros)
    }

    /// - Precondition: the moment is in 2199 or later.
    private static func leadAfter(_ micros: Int64) -> Int64 {
        let date = CivilDate(days: CivilDate.day(ofMicros: micros))
        let first = CivilDate(year: date.year, month: 1, day: 1).days
        let length = CivilDate(year: date.year + 1, month: 1, day: 1).days - first
        // Of any 28 years without a century's end each calendar there is is one.
        for year in Int64(2168)..<2196 {
            let other = CivilDate(year: year, month: 1, day: 1).days
            let isSame = CivilDate(year: year + 1, month: 1, day: 1).days - other == length
            if isSame, (first - other) % 7 == 0 { return (first - other) * CivilDate.microsPerDay }
        }
        return 0
    }

    /// The moment at which clocks show a time: the later one of two, and of a time they skip the moment
    /// as long after the change as it lies in the gap.
    func moment(_ local: Int64) -> Int64? {
        let lead = Self.lead(local)
        return within(local - lead).map { $0 + lead }
    }

    private func within(_ local: Int64) -> Int64? {
        // The offset before the change a time is skipped by, else the latest that shows it.
        let (guess, overflow) = local.subtractingReportingOverflow(offsets[0])
        // A day less than there is: no offset leads out of it.
        guard !overflow, local.magnitude < 9_223_285_636_854_775_807 else { return nil }
        var found: Int64?
        let first = max(0, period(guess - 93_600_000_000) - 1)
        var index = first
        while index < offsets.count {
            let moment = local - offsets[index]
            let start = index == 0 ? Int64.min : changes[index - 1]
            let end = index == changes.count ? Int64.max : changes[index]
            if moment >= start, moment < end { found = moment }
            if start != .min, start > local + 93_600_000_000 { break }
            index += 1
        }
        if let found { return found }
        // Skipped: the offset that held before the change.
        index = first
        while index < changes.count {
            if local - offsets[index] >= changes[index], local - offsets[index + 1] < changes[index]
            {
                return local - offsets[index]
            }
            index += 1
        }
        return nil
    }
}
