import StreamRuntime

/// Why a request is refused, in the form Feast's clients turn back into their own exceptions.
///
/// - Source: the body is a JSON string that holds JSON: module, class and message. Statuses the Python client
///   would retry (429, 500, 502, 503, 504) are not used for what the caller has to put right, but for
///   a name collision, where Feast's own status is kept; `Compatibility` brings Feast's back.
struct LookupProblem: Error, Equatable {
    let status: Int
    let className: String
    let message: String
    /// What Feast's Python server answers instead of the class: its exception's text with status 500.
    var pythonText: String?

    static func noView(_ name: String) -> LookupProblem {
        LookupProblem(
            status: 404, className: "FeatureViewNotFoundException",
            message: "Feature view \(name) does not exist")
    }
    static func noFeature(
        _ feature: String, view: String, features: [Field]
    ) -> LookupProblem {
        LookupProblem(
            status: 404, className: "SpecifiedFeaturesNotPresentError",
            message: "Feature \(feature) is not in feature view \(view), which has: "
                + features.map(\.name).joined(separator: ", "))
    }
    static func noService(_ name: String) -> LookupProblem {
        LookupProblem(
            status: 404, className: "FeatureServiceNotFoundException",
            message: "Feature service \(name) does not exist")
    }
    static func noJoinKey(_ key: String, entity: String) -> LookupProblem {
        LookupProblem(
            status: 404, className: "EntityNotFoundException",
            message: "Join key \(key) of entity \(entity) is missing from \"entities\"")
    }
    static func noRequestData(_ names: [String], view: String) -> LookupProblem {
        LookupProblem(
            status: 404, className: "RequestDataNotFoundInEntityRowsException",
            message:
                "Required request data source features \(names.joined(separator: ", ")) not found "
                + "in the entity rows, but required by on-demand view \(view)")
    }
    static func noPushSource(_ name: String) -> LookupProblem {
        LookupProblem(
            status: 422, className: "PushSourceNotFoundException",
            message: "Unable to find push source '\(name)'.")
    }
    static func collision(_ name: String) -> LookupProblem {
        LookupProblem(
            status: 500, className: "FeatureNameCollisionError",
            message: "Two of the features are called \(name); "
                + "set full_feature_names to tell them apart")
    }
    static func invalid(_ message: String) -> LookupProblem {
        LookupProblem(status: 422, className: "FeastError", message: message, pythonText: message)
    }
    static func readOnly(_ view: String) -> LookupProblem {
        LookupProblem(
            status: 422, className: "FeastError",
            message: "Feature view \(view) is written by a pipeline; to write it from outside as "
                + "well, name it in a push source")
    }
    /// Columns that the rows written to `view` lack; all of a view's features are written together.
    static func missingColumns(_ columns: [String], view: FeatureView) -> LookupProblem {
        LookupProblem(
            status: 422, className: "FeastError",
            message:
                "\"df\" has no column \(columns.joined(separator: ", ")): send every feature of "
                + "feature view \(view.name) together, with null for a value there is not",
            pythonText: "\"[" + columns.map { "'\($0)'" }.joined(separator: ", ")
                + "] not in index\"")
    }
    static func notDone(_ message: String) -> LookupProblem {
        LookupProblem(status: 501, className: "FeastProviderNotImplementedError", message: message)
    }
    static func storage(_ failure: JobFailure) -> LookupProblem {
        LookupProblem(status: 503, className: "FeastError", message: failure.description)
    }
    static let noWrites = notDone("This server takes no writes")
    static let busy = LookupProblem(
        status: 503, className: "FeastError",
        message: "More is being written than the disk takes; try again")

    /// The status of the answer.
    func status(_ style: Compatibility) -> Int {
        switch style {
        case .millrace, .java: status
        case .python:
            pythonText != nil || className == "SpecifiedFeaturesNotPresentError" ? 500 : status
        case .go: 500
        }
    }

    /// Appends the body of the answer.
    func append(to arena: ByteArena, style: Compatibility = .millrace) {
        if style == .go {
            JSONText.append("{\"error\":", to: arena)
            JSONText.append(string: message, to: arena)
            JSONText.append(",\"status_code\":500}", to: arena)
            return
        }
        if style == .python, let pythonText {
            return JSONText.append(string: pythonText, to: arena)
        }
        let inner = ByteArena(capacity: 256)
        JSONText.append("{\"module\": \"feast.errors\", \"class\": ", to: inner)
        JSONText.append(string: className, to: inner)
        JSONText.append(", \"message\": ", to: inner)
        JSONText.append(string: message, to: inner)
        JSONText.append("}", to: inner)
        JSONText.append(
            string: UnsafeBufferPointer(start: inner.base, count: inner.count), to: arena)
    }
}
