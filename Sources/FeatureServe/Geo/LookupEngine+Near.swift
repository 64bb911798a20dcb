import StreamRuntime

/// Lookups for the entities near a place.
extension LookupEngine {
    /// Fills the columns of keys with the entities near the place, and what the request says of all of them.
    ///
    /// - Returns: how many there are.
    func findKeys(
        _ near: NearRequest, _ plan: ServingPlan, _ scanner: JSONScanner, caller: AccessCaller,
        now: Int64
    ) throws(LookupProblem) -> Int {
        guard caller.mayRead(near.view) else { throw .forbidden("read", near.view) }
        guard request.options?.asOf == nil, request.options?.wantsSnapshot != true else {
            throw .invalid(
                "near is about now; it goes with neither as_of nor consistency: snapshot")
        }
        if plan.outputNames.contains(NearRequest.distance) {
            throw .collision(NearRequest.distance)
        }
        let (table, rows) = try store.near(near, now: now)
        let count = rows.rows.count
        let columns = try NearKeys.columns(rows, of: store.tables[table], in: plan)
        keyOrder.removeAll(keepingCapacity: true)
        keyOrder += columns.map(\.part)
        keyTypes = plan.joinKeys.map(\.field.type)
        keyColumns = keyTypes.map { Column($0, capacity: max(count, 1)) }
        for (part, column) in columns { keyColumns[part] = column }
        for list in request.keys {
            guard list.count == 1 else {
                throw .invalid(
                    "With near, what the request says holds for all that are found: "
                        + "\(scanner.text(list.name)) has \(list.count) values, not one")
            }
            let name = scanner.bytes(list.name)
            let part = plan.joinKeys.firstIndex {
                isEqual(name, $0.nameBytes) || isEqual(name, $0.aliasBytes)
            }
            guard let part, !keyOrder.contains(part) else { continue }
            keyOrder.append(part)
            for _ in 0..<count {
                try JoinKeyReader.append(
                    request.values[list.first], of: scanner, key: plan.joinKeys[part].field,
                    to: keyColumns[part])
            }
        }
        for (index, key) in plan.joinKeys.enumerated() where !keyOrder.contains(index) {
            throw .noJoinKey(key.field.name, entity: key.entity)
        }
        found = rows
        return count
    }

    /// The request's values of a list, one for each row.
    func values(_ list: LookupRequest.KeyList, rows: Int) -> ArraySlice<JSONToken> {
        if found != nil, list.count == 1 {
            return ArraySlice(repeating: request.values[list.first], count: rows)
        }
        return request.values[list.first..<(list.first + list.count)]
    }
}

/// The keys of entities that were found, as the columns of a plan.
enum NearKeys {
    /// The parts of the keys of `table`, each with its position among the plan's join keys.
    static func columns(
        _ near: NearRows, of table: OnlineTable, in plan: ServingPlan
    ) throws(LookupProblem) -> [(part: Int, column: Column)] {
        let keys = table.entity.keys
        var parts: [Int] = []
        for key in keys {
            guard let part = plan.joinKeys.firstIndex(where: { $0.field == key }) else {
                throw .invalid(
                    "None of the features asked for is about \(table.entity.name), whose entities "
                        + "near looks for")
            }
            parts.append(part)
        }
        let columns = keys.map { Column($0.type, capacity: max(near.rows.count, 1)) }
        let decoder = KeyDecoder(keys.map(\.type))
        for row in near.rows { decoder.decode(near.key(row), into: columns) }
        return Array(zip(parts, columns))
    }
}
