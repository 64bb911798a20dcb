import StreamRuntime

/// The part of a document that is at hand: the elements around the parser's place that paths lead
/// through, and what is inside the record being read.
///
/// - Shape: nodes in document order, each behind its parent; the ones of a record are dropped when its
///   row is made, so a document of any length takes the room of one record.
struct XMLTree {
    /// An element or an attribute.
    struct Node {
        let local: Int32
        let uri: Int32
        let isAttribute: Bool
        /// `xsi:nil="true"`: no value, whatever is inside.
        var isNil = false
        var firstChild: Int32 = -1
        var lastChild: Int32 = -1
        var next: Int32 = -1
        var firstPiece: Int32 = -1
        var lastPiece: Int32 = -1
    }

    /// A run of text of an element.
    struct Piece {
        var view: UInt64
        var next: Int32
    }

    var nodes: [Node] = []
    private(set) var pieces: [Piece] = []

    /// Adds a node as the last child of `parent`; -1 for none.
    mutating func add(_ node: Node, to parent: Int32) -> Int32 {
        let index = Int32(nodes.count)
        nodes.append(node)
        if parent >= 0 {
            let last = nodes[Int(parent)].lastChild
            if last >= 0 {
                nodes[Int(last)].next = index
            } else {
                nodes[Int(parent)].firstChild = index
            }
            nodes[Int(parent)].lastChild = index
        }
        return index
    }

    /// Adds text to an element.
    mutating func add(_ view: UInt64, to node: Int32) {
        let last = nodes[Int(node)].lastPiece
        if last >= 0 {
            let before = pieces[Int(last)].view
            if ByteView.start(before) + ByteView.length(before) == ByteView.start(view) {
                pieces[Int(last)].view = ByteView.pack(
                    start: ByteView.start(before),
                    length: ByteView.length(before) + ByteView.length(view))
                return
            }
            pieces[Int(last)].next = Int32(pieces.count)
        } else {
            nodes[Int(node)].firstPiece = Int32(pieces.count)
        }
        nodes[Int(node)].lastPiece = Int32(pieces.count)
        pieces.append(Piece(view: view, next: -1))
    }

    /// Forgets all nodes from `nodeCount` on and all text from `pieceCount` on.
    mutating func cut(nodes nodeCount: Int, pieces pieceCount: Int) {
        nodes.removeLast(nodes.count - nodeCount)
        pieces.removeLast(pieces.count - pieceCount)
    }

    /// The text right inside a node, without the white space at its ends.
    func text(_ node: Int32, in text: RecordText) -> UInt64 {
        let first = nodes[Int(node)].firstPiece
        guard first >= 0, !nodes[Int(node)].isNil else { return ByteView.pack(start: 0, length: 0) }
        if pieces[Int(first)].next < 0 { return text.trimmed(pieces[Int(first)].view) }
        var views: [UInt64] = []
        var piece = first
        while piece >= 0 {
            views.append(pieces[Int(piece)].view)
            piece = pieces[Int(piece)].next
        }
        return text.trimmed(text.joined(views))
    }

    /// The first node that `route` leads to from `node`, or -1.
    func first(_ route: XMLRoute, from node: Int32, in text: RecordText, step: Int = 0) -> Int32 {
        guard step < route.steps.count else { return node }
        var child = nodes[Int(node)].firstChild
        while child >= 0 {
            if isMatch(child, route.steps[step], text) {
                let found = first(route, from: child, in: text, step: step + 1)
                if found >= 0 { return found }
            }
            child = nodes[Int(child)].next
        }
        return -1
    }

    /// Every node that `route` leads to from `node`, in document order.
    func all(
        _ route: XMLRoute, from node: Int32, in text: RecordText, step: Int = 0,
        into found: inout [Int32]
    ) {
        guard step < route.steps.count else { return found.append(node) }
        var child = nodes[Int(node)].firstChild
        while child >= 0 {
            if isMatch(child, route.steps[step], text) {
                all(route, from: child, in: text, step: step + 1, into: &found)
            }
            child = nodes[Int(child)].next
        }
    }

    /// The first child or, where there is none, the attribute with this name; or -1.
    func member(_ key: XMLKey, of node: Int32) -> Int32 {
        var attribute: Int32 = -1
        var child = nodes[Int(node)].firstChild
        while child >= 0 {
            if nodes[Int(child)].local == key.local {
                if !nodes[Int(child)].isAttribute { return child }
                attribute = child
            }
            child = nodes[Int(child)].next
        }
        return attribute
    }

    /// Every child with this name.
    func members(_ key: XMLKey, of node: Int32) -> [Int32] {
        var found: [Int32] = []
        var child = nodes[Int(node)].firstChild
        while child >= 0 {
            if nodes[Int(child)].local == key.local { found.append(child) }
            child = nodes[Int(child)].next
        }
        return found
    }

    private func isNamed(_ node: Int32, _ key: XMLKey) -> Bool {
        let node = nodes[Int(node)]
        return node.local == key.local && node.isAttribute == key.isAttribute
            && (key.uri < 0 || node.uri == key.uri)
    }

    private func isMatch(_ node: Int32, _ step: XMLRoute.Step, _ text: RecordText) -> Bool {
        guard isNamed(node, step.key) else { return false }
        guard let condition = step.condition else { return true }
        var child = nodes[Int(node)].firstChild
        while child >= 0 {
            if isNamed(child, condition.key) {
                let view = self.text(child, in: text)
                let bytes = UnsafeBufferPointer(
                    start: text.arena.base + ByteView.start(view), count: ByteView.length(view))
                if bytes.elementsEqual(condition.text) { return true }
            }
            child = nodes[Int(child)].next
        }
        return false
    }
}
