import StreamRuntime

/// Answers that a test gives: nothing is asked, and what is not given is not there.
public final class GivenAnswers: LookupSource {
    private let answers: [[LookupKey]: LookupReply]
    /// One answer holds for all rows of a key.
    public let terms = LookupTerms(foundMicros: 1, missingMicros: 1)

    /// Answers by key.
    public init(_ answers: [[LookupKey]: LookupReply]) { self.answers = answers }

    /// Nothing is opened.
    public func open() throws(JobFailure) {}

    /// Answers at once.
    public func ask(_ questions: [LookupQuestion], for inbox: LookupInbox) {
        inbox.put(
            questions.map { question in
                let outcome: LookupAnswer.Outcome =
                    switch answers[question.parts] {
                    case .found(let fields): .found(fields)
                    case .missing, nil: .missing
                    case .failed(let reason), .outage(let reason), .refused(let reason),
                        .limited(let reason, _):
                        .failed(reason)
                    }
                return LookupAnswer(number: question.number, outcome: outcome)
            })
    }

    /// Nothing is counted.
    public func noteHits(_ count: Int) {}

    /// Nothing was opened.
    public func close() {}
}
