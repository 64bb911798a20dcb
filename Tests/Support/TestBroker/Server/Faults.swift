/// What shall go wrong with requests that are yet to come.
struct Faults {
    /// What becomes of a request.
    enum Fault: Equatable {
        /// It is answered with an error and not carried out.
        case fail(ErrorCode)
        /// It is carried out that much later.
        case delay(millis: Int64)
        /// The connection is closed, and the request is not carried out.
        case dropBefore
        /// The request is carried out; the connection is closed instead of the answer.
        case dropAfter
    }

    private struct Planned {
        var api: API
        var fault: Fault
        var left: Int
        var node: Int32?
    }

    private var planned: [Planned] = []

    /// Plans a fault for the next `times` requests of an API, at one node or any.
    mutating func plan(_ fault: Fault, for api: API, times: Int, node: Int32? = nil) {
        if times > 0 { planned.append(Planned(api: api, fault: fault, left: times, node: node)) }
    }

    mutating func clear() { planned = [] }

    /// The fault that the request at hand meets, if any: those planned first are met first.
    mutating func next(for api: API, node: Int32) -> Fault? {
        let index = planned.firstIndex { $0.api == api && ($0.node ?? node) == node }
        guard let index else { return nil }
        let fault = planned[index].fault
        planned[index].left -= 1
        if planned[index].left == 0 { planned.remove(at: index) }
        return fault
    }
}
