import FeatureServe
import StreamRuntime

/// Asks the online store of this process for features of one view, with the status of each.
public final class FeatureLookup: LookupTarget {
    /// What is asked.
    public struct Settings: Equatable, Sendable {
        /// The features, as VIEW:FEATURE, in the order of their fields.
        public var references: [String]
        /// What the fields of their values are called.
        public var names: [String]
        /// What the entity's keys are called, in the order of the parts of the key.
        public var keys: [String]

        /// Features that are asked by `keys`.
        public init(references: [String], names: [String], keys: [String]) {
            self.references = references
            self.names = names
            self.keys = keys
        }

        /// What the field of a feature's status is called.
        public static func status(of name: String) -> String { name + "_status" }
    }

    private let store: OnlineStore
    private let settings: Settings
    private let fields: LookupFields
    private let clock: any Clock

    /// Asks `store`.
    public init(
        _ store: OnlineStore, _ settings: Settings, fields: LookupFields,
        clock: any Clock = SystemClock()
    ) {
        self.store = store
        self.settings = settings
        self.fields = fields
        self.clock = clock
    }

    /// Questions taken at once.
    public var batchMax: Int { 64 }

    /// Asks.
    public func ask(_ questions: [LookupQuestion]) -> [LookupReply] { questions.map(ask) }

    private func ask(_ question: LookupQuestion) -> LookupReply {
        let inputs = zip(settings.keys, question.parts).map { name, part in
            let value: JSONValue =
                switch part {
                case .text(let text): .string(text)
                case .integer(let number): .number("\(number)")
                }
            return (name: name, json: String(decoding: value.text, as: UTF8.self))
        }
        let values: [Lookup.Value]
        do throws(JobFailure) {
            values = try Lookup.inStore(
                store, references: settings.references, inputs: inputs, nowMicros: clock.nowMicros)
        } catch {
            return .refused(error.problem)
        }
        guard values.count == settings.names.count else {
            return .refused("the store gave \(values.count) of \(settings.names.count) features")
        }
        if values.allSatisfy({ $0.status == "NOT_FOUND" }) { return .missing }
        var members: [JSONValue.Member] = []
        for (name, value) in zip(settings.names, values) {
            members.append(.init(name, JSONValue(Array(value.value.utf8)) ?? .null))
            members.append(
                .init(FeatureLookup.Settings.status(of: name), .string(value.status)))
        }
        return fields.read([JSONValue.object(members).text])[0]
    }
}
