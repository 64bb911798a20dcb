import Glibc
import StreamRuntime

/// The events of the Nexmark benchmark: people who sell by auction, and others who bid, as JSON lines.
///
/// Event n is a function of the seed and n alone, so any range can be made by itself, and the same options
/// give the same bytes on every machine. Of every 50 events the first is a person, three are auctions, 46 are bids.
///
/// - Source: the public definition (Tucker, Tufte, Papadimos and Maier, "NEXMark: A Benchmark for Queries
///   over Data Streams"; the proportions, ratios and sizes are those of the Beam and nexmark-flink generators).
///   Bidders are people's ids here; nexmark-flink adds 1,000 to them once too often.
public struct Nexmark: Sendable {
    /// How many events, of which seed and how fast in event time.
    public struct Options: Sendable {
        /// How many events to make.
        public var events: Int64
        /// The number of the first one; a file of events from n on continues one of n events.
        public var from: Int64 = 0
        /// The seed; another one makes other events.
        public var seed: UInt64 = 1
        /// Events in a second of event time.
        public var rate: Int64 = 10_000
        /// How far, in microseconds, an event may come after a newer one; 0 puts them in order.
        public var disorderMicros: Int64 = 0
        /// The event time of event 0, in microseconds since 1970: a minute before midnight of 2026-06-14 (UTC).
        public var startMicros: Int64 = 1_781_481_540_000_000

        /// `events` events with the usual settings.
        public init(events: Int64) { self.events = events }
    }

    let options: Options
    let texts: NexmarkTexts
    /// Events that change places with each other.
    private let group: UInt64
    private let stride: UInt64

    /// Prepares the texts that events draw from.
    public init(_ options: Options) {
        self.options = options
        texts = NexmarkTexts(seed: options.seed)
        let wanted = options.disorderMicros.multipliedFullWidth(by: options.rate)
        group = UInt64(max(1, Int64(1_000_000).dividingFullWidth(wanted).quotient))
        // Both are prime: one of them shares no factor with the group.
        stride = group % 953 == 0 ? 967 : 953
    }

    /// Appends the lines of `count` events, the first one at place `first` of the stream.
    ///
    /// - Shape: each ends with a line feed.
    public func append(first: Int64, count: Int64, to lines: inout NexmarkLines) {
        var place = UInt64(first)
        let end = place + UInt64(count)
        while place < end {
            append(number: numberOf(place), to: &lines)
            place &+= 1
        }
    }

    /// Which event stands at `place`: in order without disorder, otherwise any of the same group.
    func numberOf(_ place: UInt64) -> UInt64 {
        if group == 1 { return place }
        return place / group &* group &+ (place % group &* stride) % group
    }

    /// When event `number` happens, in milliseconds since 1970.
    func millis(_ number: UInt64) -> Int64 {
        (options.startMicros + Int64(number) * 1_000_000 / options.rate) / 1000
    }

    private func append(number: UInt64, to lines: inout NexmarkLines) {
        var random = SampleRandom(
            seed: (options.seed &+ 0x6A09_E667_F3BC_C909) &* 0x9E37_79B9_7F4A_7C15
                ^ number &* 0xD1B5_4A32_D192_ED03)
        let time = millis(number)
        lines.reserve(4096)
        switch number % 50 {
        case 0: appendPerson(number, time, &random, &lines)
        case 1...3: appendAuction(number, time, &random, &lines)
        default: appendBid(number, time, &random, &lines)
        }
        lines.append(",\"dateTime\":\"")
        lines.append(millis: time)
        lines.append("\"}\n")
    }

    private func appendPerson(
        _ number: UInt64, _ time: Int64, _ random: inout SampleRandom, _ lines: inout NexmarkLines
    ) {
        lines.append("{\"event_type\":0,\"person\":{\"id\":")
        lines.append(Int64(number / 50) + NexmarkTexts.firstPerson)
        lines.append(",\"name\":\"")
        let begin = lines.count
        lines.append(NexmarkTexts.firstNames[random.below(11)])
        lines.append(" ")
        lines.append(NexmarkTexts.lastNames[random.below(9)])
        var size = lines.count - begin
        lines.append("\",\"emailAddress\":\"")
        let email = lines.count
        lines.appendWord(&random, shorterThan: 7, special: 0x5F)
        lines.append("@")
        lines.appendWord(&random, shorterThan: 5, special: 0x5F)
        lines.append(".com")
        size += lines.count - email
        lines.append("\",\"creditCard\":\"")
        var part = 0
        while part < 4 {
            if part > 0 { lines.append(" ") }
            lines.append(digits: random.below(10_000), width: 4)
            part &+= 1
        }
        let city = random.below(10)
        lines.append("\",\"city\":\"")
        lines.append(NexmarkTexts.cities[city])
        lines.append("\",\"state\":\"")
        lines.append(NexmarkTexts.states[random.below(6)])
        size += 8 + 19 + NexmarkTexts.cities[city].utf8CodeUnitCount + 2
        finish(time, size, 200, &random, &lines)
        lines.append(",\"auction\":null,\"bid\":null")
    }

    private func appendAuction(
        _ number: UInt64, _ time: Int64, _ random: inout SampleRandom, _ lines: inout NexmarkLines
    ) {
        lines.append("{\"event_type\":1,\"person\":null,\"auction\":{\"id\":")
        lines.append(lastAuction(number) + NexmarkTexts.firstAuction)
        lines.append(",\"itemName\":\"")
        let name = lines.count
        lines.appendWord(&random, shorterThan: 20, special: 0x20)
        var size = 48 + lines.count - name
        lines.append("\",\"description\":\"")
        let description = lines.count
        lines.appendWord(&random, shorterThan: 100, special: 0x20)
        size += lines.count - description
        let initial = price(&random)
        lines.append("\",\"initialBid\":")
        lines.append(initial)
        lines.append(",\"reserve\":")
        lines.append(initial + price(&random))
        // Long enough that about a hundred auctions are open at once.
        let horizon = millis(number + 100 * 50 / 3) - time
        lines.append(",\"expires\":\"")
        lines.append(millis: time + 1 + random.below(max(horizon * 2, 1)))
        let seller =
            random.below(4) > 0
            ? lastPerson(number) / 100 * 100 : activePerson(number, &random)
        lines.append("\",\"seller\":")
        lines.append(seller + NexmarkTexts.firstPerson)
        lines.append(",\"category\":")
        lines.append(10 + random.below(Int64(5)))
        // Closes nothing: `finish` goes on after a text.
        lines.append(",\"dateTime\":\"")
        finishTime(time, size, 500, &random, &lines)
        lines.append(",\"bid\":null")
    }

    private func appendBid(
        _ number: UInt64, _ time: Int64, _ random: inout SampleRandom, _ lines: inout NexmarkLines
    ) {
        let auction =
            random.below(2) > 0
            ? lastAuction(number) / 100 * 100 : openAuction(number, &random)
        let bidder =
            random.below(4) > 0
            ? lastPerson(number) / 100 * 100 + 1 : activePerson(number, &random)
        lines.append("{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":{\"auction\":")
        lines.append(auction + NexmarkTexts.firstAuction)
        lines.append(",\"bidder\":")
        lines.append(bidder + NexmarkTexts.firstPerson)
        lines.append(",\"price\":")
        lines.append(price(&random))
        lines.append(",\"channel\":\"")
        if random.below(2) > 0 {
            let channel = random.below(4)
            lines.append(NexmarkTexts.hotChannels[channel])
            lines.append("\",\"url\":\"")
            texts.appendURL(NexmarkTexts.channels + channel, to: &lines)
        } else {
            let channel = random.below(NexmarkTexts.channels)
            lines.append("channel-")
            lines.append(Int64(channel))
            lines.append("\",\"url\":\"")
            texts.appendURL(channel, to: &lines)
        }
        finish(time, 32, 100, &random, &lines)
    }

    /// Ends a text, then adds the time and the text that brings an event to its size.
    private func finish(
        _ time: Int64, _ size: Int, _ average: Int, _ random: inout SampleRandom,
        _ lines: inout NexmarkLines
    ) {
        lines.append("\",\"dateTime\":\"")
        finishTime(time, size, average, &random, &lines)
    }

    private func finishTime(
        _ time: Int64, _ size: Int, _ average: Int, _ random: inout SampleRandom,
        _ lines: inout NexmarkLines
    ) {
        lines.append(millis: time)
        lines.append("\",\"extra\":\"")
        if size <= average {
            let missing = average - size
            let delta = (missing * 2 + 5) / 10
            texts.appendExtra(
                missing - delta + (delta == 0 ? 0 : random.below(2 * delta)), &random, to: &lines)
        }
        lines.append("\"}")
    }

    /// The auction made last when event `number` comes, counted from 0; -1 before the first one.
    private func lastAuction(_ number: UInt64) -> Int64 {
        let epoch = Int64(number / 50)
        let place = Int64(number % 50)
        if place < 1 { return epoch * 3 - 1 }
        return epoch * 3 + min(place - 1, 2)
    }

    /// The person made last, counted from 0.
    private func lastPerson(_ number: UInt64) -> Int64 { Int64(number / 50) }

    /// One of the hundred newest auctions, or of the ten that come next.
    private func openAuction(_ number: UInt64, _ random: inout SampleRandom) -> Int64 {
        let newest = lastAuction(number)
        let oldest = max(newest - 100, 0)
        return oldest + random.below(newest - oldest + 1 + 10)
    }

    /// One of the thousand newest people, or of the ten that come next.
    private func activePerson(_ number: UInt64, _ random: inout SampleRandom) -> Int64 {
        let people = lastPerson(number) + 1
        let active = min(people, 1000)
        return people - active + random.below(active + 10)
    }

    /// From one to a million dollars in cents, each power of ten as likely as the next.
    private func price(_ random: inout SampleRandom) -> Int64 {
        let unit = Double(random.next() >> 11) * 0x1p-53
        return Int64((pow(10, unit * 6) * 100).rounded())
    }
}
