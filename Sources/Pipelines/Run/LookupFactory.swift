import Connectors
import FeatureServe
import Operators
import StreamRuntime

/// Makes the instances of lookup steps: one desk for each step, which those on all workers share.
final class LookupFactory {
    private let plan: JobPlan
    private let online: OnlineStore?
    private let metrics: MetricsRegistry?
    private let given: [String: GivenAnswers]?
    private let followed: LookupDesks?
    private var desks: [String: any LookupSource] = [:]

    /// A factory for the steps of `plan`.
    ///
    /// - Parameters:
    ///   - given: answers of a test by the step's id: then nobody is asked.
    ///   - followed: is told of the desks, so that they hear of checkpoints and trim; nil for a run that keeps all
    ///     answers.
    init(
        plan: JobPlan, online: OnlineStore?, metrics: MetricsRegistry?,
        given: [String: GivenAnswers]? = nil, followed: LookupDesks? = nil
    ) {
        self.followed = followed
        self.plan = plan
        self.online = online
        self.metrics = metrics
        self.given = given
    }

    /// An instance of `step`.
    func make(_ step: PlannedStep, _ shape: LookupShape) throws(JobFailure) -> any Operator {
        let fields = LookupFields(DecoderFactory.fields(shape.fields))
        let source = desks[step.id] ?? desk(step, shape, fields)
        desks[step.id] = source
        var form = LookupForm(
            input: step.inputSchema, alias: shape.alias, fields: shape.columns, keys: step.keys,
            type: shape.type, takesFailureAsMissing: shape.takesFailureAsMissing,
            cacheRows: shape.cacheRows, onError: step.onError)
        if let text = shape.condition {
            form.condition = try StepFactory.compile(text, step, schema: form.pairSchema)
        }
        return LookupJoin(form: form, source: source, decoder: fields.decoder())
    }

    private func desk(
        _ step: PlannedStep, _ shape: LookupShape, _ fields: LookupFields
    ) -> any LookupSource {
        if let given { return given[step.id] ?? GivenAnswers([:]) }
        let target: any LookupTarget
        switch shape.target {
        case .http(_, _, let settings):
            target = HTTPLookup(settings, fields: fields, inFlight: shape.settings.inFlight)
        case .redis(_, let address, _, let key, let content):
            target = RedisLookup(
                address, key: key, content: content, fields: fields,
                timeoutMillis: shape.timeoutMillis)
        case .features(_, let settings):
            guard let online else { preconditionFailure("a job with views has a store") }
            target = FeatureLookup(online, settings, fields: fields)
        }
        var settings = shape.settings
        settings.name = step.id
        settings.checkpointsKept = plan.settings.checkpointKeep
        let own = LookupShape.journal(of: step.id, in: plan.settings.stateDirectory)
        let former = step.formerId.map {
            LookupShape.journal(of: $0, in: plan.settings.stateDirectory)
        }
        let others = plan.settings.answersFrom.map { LookupShape.journal(of: step.id, in: $0) }
        let places = others + [former].compactMap { $0 }
        let final = settings
        let desk = LookupDesk(
            final, target: target, metrics: metrics, warn: { Terminal.error($0) }
        ) { () throws(JobFailure) -> LookupJournal in
            try LookupJournal(
                own, others: places, definition: final.definition, terms: final.terms)
        }
        followed?.add(desk)
        return desk
    }
}
