/// The answers that say of everything in a request that it failed.
enum FaultAnswers {
    /// The requests that can be answered with a planned error.
    static let apis: Set<API> = [
        .produce, .fetch, .listOffsets, .findCoordinator, .joinGroup, .syncGroup, .heartbeat,
        .leaveGroup, .initProducerId, .addOffsetsToTxn, .endTxn, .addPartitionsToTxn,
        .offsetCommit, .offsetFetch, .txnOffsetCommit,
    ]

    /// The answer to a request that fails with `code`; nil when the API has no place for an error.
    static func answer(
        _ header: RequestHeader, _ request: inout RequestReader, _ code: ErrorCode
    ) throws(WireFailure) -> ResponseWriter? {
        var answer = ResponseWriter(answering: header)
        let version = header.version
        switch header.api {
        case .produce:
            try produce(&request, version, code, &answer)
        case .fetch:
            try fetch(&request, version, code, &answer)
        case .listOffsets:
            try listOffsets(&request, version, code, &answer)
        case .findCoordinator where version < 4:
            if version >= 1 { answer.int32(0) }
            answer.error(code)
            if version >= 1 { answer.nullableString(nil) }
            answer.int32(-1)
            answer.string("")
            answer.int32(-1)
        case .joinGroup:
            if version >= 2 { answer.int32(0) }
            answer.error(code)
            answer.int32(-1)
            if version >= 7 { answer.nullableString(nil) }
            answer.string("")
            answer.string("")
            if version >= 9 { answer.bool(false) }
            answer.string("")
            answer.arrayCount(0)
        case .syncGroup:
            if version >= 1 { answer.int32(0) }
            answer.error(code)
            if version >= 5 {
                answer.nullableString(nil)
                answer.nullableString(nil)
            }
            answer.bytes([])
        case .heartbeat:
            if version >= 1 { answer.int32(0) }
            answer.error(code)
        case .leaveGroup:
            if version >= 1 { answer.int32(0) }
            answer.error(code)
            if version >= 3 { answer.arrayCount(0) }
        case .initProducerId:
            answer.int32(0)
            answer.error(code)
            answer.int64(-1)
            answer.int16(-1)
        case .addOffsetsToTxn, .endTxn:
            answer.int32(0)
            answer.error(code)
        case .addPartitionsToTxn:
            _ = (try request.string(), try request.int64(), try request.int16())
            answer.int32(0)
            try partitions(&request, code, &answer)
        case .offsetCommit:
            try offsetCommit(&request, version, code, &answer)
        case .offsetFetch where version >= 2:
            try offsetFetch(&request, version, code, &answer)
        case .txnOffsetCommit:
            try txnOffsetCommit(&request, version, code, &answer)
        default:
            return nil
        }
        answer.tags()
        return answer
    }

    private static func produce(
        _ request: inout RequestReader, _ version: Int16, _ code: ErrorCode,
        _ answer: inout ResponseWriter
    ) throws(WireFailure) {
        _ = (try request.nullableString(), try request.int16(), try request.int32())
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let partitions = try item.array { (item) throws(WireFailure) in
                let partition = try item.int32()
                _ = try item.nullableBytes()
                return partition
            }
            return (name: name, partitions: partitions)
        }
        answer.array(topics) { answer, topic in
            answer.string(topic.name)
            answer.array(topic.partitions) { answer, partition in
                answer.int32(partition)
                answer.error(code)
                answer.int64(-1)
                answer.int64(-1)
                if version >= 5 { answer.int64(-1) }
                if version >= 8 {
                    answer.arrayCount(0)
                    answer.nullableString(nil)
                }
            }
        }
        answer.int32(0)
    }

    private static func fetch(
        _ request: inout RequestReader, _ version: Int16, _ code: ErrorCode,
        _ answer: inout ResponseWriter
    ) throws(WireFailure) {
        try request.skip(version >= 7 ? 25 : 17)
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let partitions = try item.array { (item) throws(WireFailure) in
                let partition = try item.int32()
                try item.skip(12 + (version >= 9 ? 4 : 0) + (version >= 5 ? 8 : 0))
                return partition
            }
            return (name: name, partitions: partitions)
        }
        answer.int32(0)
        if version >= 7 {
            answer.error(.none)
            answer.int32(0)
        }
        answer.array(topics) { answer, topic in
            answer.string(topic.name)
            answer.array(topic.partitions) { answer, partition in
                answer.int32(partition)
                answer.error(code)
                answer.int64(-1)
                answer.int64(-1)
                if version >= 5 { answer.int64(-1) }
                answer.arrayCount(0)
                if version >= 11 { answer.int32(-1) }
                answer.bytes([])
            }
        }
    }

    private static func listOffsets(
        _ request: inout RequestReader, _ version: Int16, _ code: ErrorCode,
        _ answer: inout ResponseWriter
    ) throws(WireFailure) {
        try request.skip(version >= 2 ? 5 : 4)
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let partitions = try item.array { (item) throws(WireFailure) in
                let partition = try item.int32()
                try item.skip(version >= 4 ? 12 : 8)
                try item.tags()
                return partition
            }
            try item.tags()
            return (name: name, partitions: partitions)
        }
        if version >= 2 { answer.int32(0) }
        answer.array(topics) { answer, topic in
            answer.string(topic.name)
            answer.array(topic.partitions) { answer, partition in
                answer.int32(partition)
                answer.error(code)
                answer.int64(-1)
                answer.int64(-1)
                if version >= 4 { answer.int32(-1) }
                answer.tags()
            }
            answer.tags()
        }
    }

    private static func offsetCommit(
        _ request: inout RequestReader, _ version: Int16, _ code: ErrorCode,
        _ answer: inout ResponseWriter
    ) throws(WireFailure) {
        _ = try request.string()
        if version >= 1 { _ = (try request.int32(), try request.string()) }
        if version >= 7 { _ = try request.nullableString() }
        if version >= 2, version <= 4 { _ = try request.int64() }
        if version >= 3 { answer.int32(0) }
        try offsets(&request, code, &answer, hasEpoch: version >= 6, hasTime: version == 1)
    }

    private static func offsetFetch(
        _ request: inout RequestReader, _ version: Int16, _ code: ErrorCode,
        _ answer: inout ResponseWriter
    ) throws(WireFailure) {
        if version >= 3 { answer.int32(0) }
        guard version >= 8 else {
            answer.arrayCount(0)
            return answer.error(code)
        }
        let groups = try request.array { (item) throws(WireFailure) in
            let group = try item.string()
            _ = try item.nullableArray { (item) throws(WireFailure) in
                let topic = (try item.string(), try item.int32s())
                try item.tags()
                return topic
            }
            try item.tags()
            return group
        }
        answer.array(groups) { answer, group in
            answer.string(group)
            answer.arrayCount(0)
            answer.error(code)
            answer.tags()
        }
    }

    private static func txnOffsetCommit(
        _ request: inout RequestReader, _ version: Int16, _ code: ErrorCode,
        _ answer: inout ResponseWriter
    ) throws(WireFailure) {
        _ = (try request.string(), try request.string())
        _ = (try request.int64(), try request.int16())
        if version >= 3 {
            _ = (try request.int32(), try request.string(), try request.nullableString())
        }
        answer.int32(0)
        try offsets(&request, code, &answer, hasEpoch: version >= 2, hasTime: false)
    }

    private static func offsets(
        _ request: inout RequestReader, _ code: ErrorCode, _ answer: inout ResponseWriter,
        hasEpoch: Bool, hasTime: Bool
    ) throws(WireFailure) {
        try topics(&request, code, &answer) { (item) throws(WireFailure) in
            let partition = try item.int32()
            try item.skip(8 + (hasEpoch ? 4 : 0) + (hasTime ? 8 : 0))
            _ = try item.nullableString()
            try item.tags()
            return partition
        }
    }

    private static func partitions(
        _ request: inout RequestReader, _ code: ErrorCode, _ answer: inout ResponseWriter
    ) throws(WireFailure) {
        try topics(&request, code, &answer) { (item) throws(WireFailure) in try item.int32() }
    }

    private static func topics(
        _ request: inout RequestReader, _ code: ErrorCode, _ answer: inout ResponseWriter,
        _ partition: (inout RequestReader) throws(WireFailure) -> Int32
    ) throws(WireFailure) {
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let partitions = try item.array(partition)
            try item.tags()
            return (name: name, partitions: partitions)
        }
        answer.array(topics) { answer, topic in
            answer.string(topic.name)
            answer.array(topic.partitions) { answer, partition in
                answer.int32(partition)
                answer.error(code)
                answer.tags()
            }
            answer.tags()
        }
    }
}
