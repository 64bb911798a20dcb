import StreamRuntime

/// `google.protobuf.Timestamp`, as which Feast keeps the event time of a view's row.
public enum FeastTimestamp {
    /// Whole seconds of a time, rounded down.
    public static func seconds(ofMicros micros: Int64) -> Int64 {
        let seconds = micros / 1_000_000
        return micros % 1_000_000 < 0 ? seconds - 1 : seconds
    }

    /// Appends the message of `micros` since 1970.
    public static func append(micros: Int64, to arena: ByteArena) {
        let seconds = seconds(ofMicros: micros)
        let nanos = (micros - seconds * 1_000_000) * 1000
        if seconds != 0 {
            ProtoWriter.tag(1, .varint, to: arena)
            ProtoWriter.varint(UInt64(bitPattern: seconds), to: arena)
        }
        if nanos != 0 {
            ProtoWriter.tag(2, .varint, to: arena)
            ProtoWriter.varint(UInt64(nanos), to: arena)
        }
    }

    /// Seconds since 1970 and nanoseconds after them of the message that is `bytes`.
    public static func read(
        _ bytes: UnsafeBufferPointer<UInt8>
    ) throws(FeastProblem) -> (seconds: Int64, nanos: Int64) {
        var reader = ProtoReader(bytes)
        var seconds: Int64 = 0
        var nanos: Int64 = 0
        while try reader.next() {
            guard reader.wire == .varint else { throw FeastProblem("bytes that are no Timestamp") }
            if reader.number == 1 { seconds = Int64(bitPattern: reader.word) }
            if reader.number == 2 { nanos = Int64(bitPattern: reader.word) }
        }
        guard (0..<1_000_000_000).contains(nanos), abs(seconds) <= 1 << 43 else {
            throw FeastProblem("a Timestamp out of range")
        }
        return (seconds, nanos)
    }

    /// Microseconds since 1970, rounded down, of the message that is `bytes`.
    public static func micros(
        _ bytes: UnsafeBufferPointer<UInt8>
    ) throws(FeastProblem) -> Int64 {
        let (seconds, nanos) = try read(bytes)
        return seconds * 1_000_000 + nanos / 1000
    }
}
