/// A program that reads a database's log and writes its changes as JSON, other than Debezium.
public enum ChangeStyle: String, Sendable, CaseIterable {
    /// Alibaba Canal's flat messages: several rows each, numbers as text.
    case canal
    /// Maxwell's daemon.
    case maxwell
    /// Oracle GoldenGate's JSON formatter.
    case ogg

    /// The member that says what happened.
    var type: String { self == .ogg ? "op_type" : "type" }
    /// The member with the row as it is now, or the rows.
    var image: String { self == .ogg ? "after" : "data" }
    /// The member with what an update replaced: changed columns only, but for GoldenGate.
    var old: String { self == .ogg ? "before" : "old" }

    /// When the change was made, the first that is there counts.
    var times: [String] {
        switch self {
        case .canal: ["es", "ts"]
        case .maxwell: ["ts"]
        case .ogg: ["op_ts", "current_ts"]
        }
    }

    /// The place in the database's log; of Maxwell `xid` and `xoffset` where it writes no position.
    var positions: [[String]] {
        switch self {
        case .canal: [["id"]]
        case .maxwell: [["position"], ["xid", "xoffset"], ["xid"]]
        case .ogg: [["pos"]]
        }
    }

    /// What a word of `type` means for rows; nil for events about no row, and for words nobody knows.
    func operation(_ word: String) -> DebeziumEnvelope.Operation? {
        switch (self, word) {
        case (.canal, "INSERT"), (.maxwell, "insert"), (.ogg, "I"): .create
        case (.maxwell, "bootstrap-insert"): .snapshot
        case (.canal, "UPDATE"), (.maxwell, "update"), (.ogg, "U"), (.ogg, "PKU"): .update
        case (.canal, "DELETE"), (.maxwell, "delete"), (.ogg, "D"): .delete
        case (.canal, "TRUNCATE"), (.maxwell, "table-truncate"), (.ogg, "T"), (.ogg, "TRUNCATE"):
            .truncate
        default: nil
        }
    }

    /// Whether an event of this kind is known to be about no row: DDL, the ends of a snapshot.
    func isAboutNoRow(_ word: String) -> Bool {
        switch self {
        case .canal:
            [
                "CREATE", "ALTER", "ERASE", "QUERY", "RENAME", "CINDEX", "DINDEX", "GTID",
                "XACOMMIT", "XAROLLBACK", "MHEARTBEAT",
            ].contains(word)
        case .maxwell:
            word.hasPrefix("table-") || word.hasPrefix("database-") || word == "bootstrap-start"
                || word == "bootstrap-complete" || word == "heartbeat"
        case .ogg: false
        }
    }
}
