import StreamRuntime

/// Functions between moments, which are in UTC, and what clocks of a place show.
enum ZoneFunctions {
    private enum Direction {
        case toLocal
        case toMoment
        case offset
    }

    /// Calls whose result DuckDB gives a zone: they are moments, not what a clock shows.
    private static let moments: Set<String> = [
        "now", "to_timestamp", "make_timestamptz", "get_current_timestamp",
        "transaction_timestamp", "current_timestamp", "from_local",
    ]
    private static let types: Set<String> = ["timestamptz", "timestampwithtimezone"]

    /// `timezone(zone, t)` and `t at time zone zone` mean what they do in SQL: of a time without a zone the
    /// moment at which clocks show it, of a moment (cast to timestamptz, or one by its making) what clocks
    /// show then.
    static func name(of call: Syntax.Call) -> String {
        guard call.name == "timezone", call.arguments.count == 2 else { return call.name }
        switch call.arguments[1].kind {
        case .cast(_, let type, _):
            return types.contains(type.text.lowercased().filter { $0 != " " })
                ? "timezone_local" : call.name
        case .call(let inner):
            // Of what clocks show a zone makes a moment.
            let isMoment =
                moments.contains(inner.name)
                || (inner.name == "timezone" && name(of: inner) == "timezone")
            return isMoment ? "timezone_local" : call.name
        default: return call.name
        }
    }

    private static func function(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, zoneFirst: Bool, _ direction: Direction
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, signature)
            let zone = arguments[zoneFirst ? 0 : 1]
            let time = arguments[zoneFirst ? 1 : 0]
            let micros = try TimeFunctions.timestamp(time)
            let type: ColumnType = direction == .offset ? .int64 : .timestamp
            if let constant = zone.node as? ConstantNode, !constant.isNull, constant.type == .string
            {
                let name = constant.value.string(0)
                guard let table = ZoneTable.named(name) else {
                    throw ExpressionError(
                        "there is no time zone \"\(name)\"", at: zone.range,
                        fix: "write a name of the IANA, like 'Europe/Berlin'")
                }
                return KernelNode(type: type, [micros]) { converted($0, table, direction) }.folded
            }
            let names = try Coercion.implicit(zone.node, as: .string, at: zone.range)
            return KernelNode(type: type, [micros, names]) { converted($0, nil, direction) }.folded
        }
    }

    private static func converted(
        _ call: KernelCall, _ table: ZoneTable?, _ direction: Direction
    ) -> Column {
        let (result, live) = call.result()
        let times = call.arguments[0].int64s
        let target = result.int64s
        // Zones that come with the rows: the last one is kept, as it is usually the next one too.
        var name: [UInt8] = []
        var zone = table
        var row = 0
        while row < call.count {
            defer { row &+= 1 }
            guard live[row] != 0 else { continue }
            if table == nil, zone == nil || !name.elementsEqual(call.arguments[1].bytes(row)) {
                name = Array(call.arguments[1].bytes(row))
                zone = ZoneTable.named(String(decoding: name, as: UTF8.self))
            }
            guard let zone else {
                call.fail(row, live, "there is no time zone \"\(call.arguments[1].string(row))\"")
                continue
            }
            let made: Int64? =
                switch direction {
                case .toLocal: zone.local(times[row])
                case .toMoment: zone.moment(times[row])
                case .offset: zone.offset(times[row]) / 1_000_000
                }
            if let made {
                target[row] = made
            } else {
                call.fail(row, live, "the time is out of the range of times")
            }
        }
        return result
    }

    static let all: [ScalarFunction] = [
        function(
            "timezone", "timezone(zone, t)",
            "The moment at which clocks of the zone show t; of a t cast to timestamptz what clocks show at t. Also t at time zone zone.",
            "timezone('America/New_York', timestamp '2024-07-01 12:00:00')", "2024-07-01 16:00:00",
            zoneFirst: true, .toMoment),
        function(
            "timezone_local", "timezone_local(zone, t)",
            "What clocks of the zone show at the moment t; also timezone(zone, t::timestamptz).",
            "timezone_local('America/New_York', timestamp '2024-07-01 12:00:00')",
            "2024-07-01 08:00:00", zoneFirst: true, .toLocal),
        function(
            "to_local", "to_local(t, zone)", "What clocks of the zone show at the moment t.",
            "to_local(timestamp '2024-07-01 12:00:00', 'Asia/Kolkata')", "2024-07-01 17:30:00",
            zoneFirst: false, .toLocal),
        function(
            "from_local", "from_local(t, zone)",
            "The moment at which clocks of the zone show t, the later one of two.",
            "from_local(timestamp '2024-07-01 12:00:00', 'Europe/Berlin')", "2024-07-01 10:00:00",
            zoneFirst: false, .toMoment),
        function(
            "zone_offset", "zone_offset(t, zone)",
            "How many seconds clocks of the zone are ahead of UTC at the moment t.",
            "zone_offset(timestamp '2024-07-01 12:00:00', 'Europe/Berlin')", "7200",
            zoneFirst: false, .offset),
    ]
}
