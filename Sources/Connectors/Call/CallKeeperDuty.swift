/// What the keeper of calls is to do next.
struct CallKeeperDuty {
    var finished: [(offset: Int64, report: CallReport)] = []
    var tried: [Int64: CallLedger.Tries] = [:]
    var reads = false
    var isOver = false
    var isEmpty: Bool { finished.isEmpty && tried.isEmpty }
}
