/// A parsed expression: what was written, and where.
struct Syntax {
    indirect enum Kind {
        case null
        case bool(Bool)
        case number(String)
        case text(String)
        case name(String)
        case field(Syntax, String)
        case call(Call)
        case unary(String, Syntax)
        case binary(String, Syntax, Syntax)
        case isNull(Syntax)
        case isTruth(Syntax, Bool)
        case isDistinct(Syntax, Syntax)
        case among(Syntax, [Syntax])
        case between(Syntax, Syntax, Syntax)
        case like(Syntax, Syntax, escape: Syntax?, ignoringCase: Bool)
        case choice(Syntax?, [(when: Syntax, then: Syntax)], otherwise: Syntax?)
        case cast(Syntax, TypeSyntax, isTry: Bool)
        case interval(Syntax, unit: String)
        case element(Syntax, Syntax)
        case slice(Syntax, Syntax?, Syntax?, step: Syntax?)
        case list([Syntax])
        case structure([(name: String, value: Syntax)])
        /// `lambda x, i: …`, an argument of some functions of lists.
        case lambda([String], Syntax)
    }

    /// A function call; `name` is in lower case.
    struct Call {
        let name: String
        let nameRange: Range<Int>
        let arguments: [Syntax]
        var isStar = false
        var isDistinct = false
        var filter: Syntax?
        /// The names of arguments written `name := value`, nil for others; empty when there are none.
        var names: [String?] = []
    }

    /// A type as written.
    struct TypeSyntax {
        let text: String
        let range: Range<Int>
    }

    let kind: Kind
    /// UTF-8 offsets into the text.
    let range: Range<Int>
}
