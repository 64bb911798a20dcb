/// The problems a pipelines file can have. A code is for life: it is never given another meaning.
///
/// - Shape: E1xx are problems of form, E2xx of names and wiring, E3xx of types and expressions. W4xx are warnings:
///   the file can run.
enum DiagnosticCode: String, CaseIterable, Sendable {
    case unreadable = "E100"
    case syntax = "E101"
    case tab = "E102"
    case repeatedKey = "E103"
    case anchor = "E104"
    case version = "E105"
    case unknownKey = "E106"
    case missingKey = "E107"
    case wrongKind = "E108"
    case badValue = "E109"
    case badDuration = "E110"
    case badSize = "E111"
    case badType = "E112"
    case unsetVariable = "E113"
    case literalSecret = "E114"
    case notYet = "E115"
    case severalVerbs = "E116"
    case unknownVerb = "E117"
    case badName = "E118"
    case conflictingKeys = "E119"
    case notIncluded = "E120"
    case testForm = "E121"

    case unknownConnection = "E201"
    case unknownInput = "E202"
    case repeatedId = "E203"
    case cycle = "E204"
    case unknownEntity = "E205"
    case unknownColumn = "E206"
    case undeclaredPolicy = "E207"
    case repeatedName = "E208"
    case ambiguousConnection = "E209"
    case conflictingTopic = "E210"
    case wrongConnection = "E211"
    case unknownView = "E212"
    case nowhere = "E213"
    case severalClusters = "E214"
    case notShared = "E215"
    case wrongFormat = "E216"
    case schemaFile = "E220"
    case notInTest = "E230"
    case badPath = "E240"

    case expression = "E301"
    case notBoolean = "E302"
    case unequalInputs = "E303"
    case notAKey = "E304"
    case notATime = "E305"
    case entityType = "E306"
    case notAList = "E307"
    case repeatedColumn = "E308"
    case notOrdered = "E309"
    case badWindow = "E310"
    case notAFeature = "E311"
    case changelog = "E312"
    case featureType = "E313"
    case badDefault = "E314"
    case testValue = "E330"
    case process = "E350"
    case joinColumns = "E320"
    case pattern = "E351"

    case unboundedState = "W401"
}

extension DiagnosticCode {
    /// Whether a file with it can run all the same.
    var isWarning: Bool { rawValue.hasPrefix("W") }

    /// What the code means, for the reference.
    var meaning: String {
        switch self {
        case .unreadable: "The file cannot be opened."
        case .syntax: "The text is not YAML."
        case .tab: "YAML does not allow tabs in the indentation."
        case .repeatedKey: "A mapping has the same key twice; YAML readers would keep only one."
        case .anchor: "Anchors (&) and aliases (*) are not part of the file format."
        case .version:
            "The file does not say `version: 1`, or says a version this program does not know."
        case .unknownKey: "A key that means nothing at this place."
        case .missingKey: "A key that must be there is not."
        case .wrongKind: "A list, a mapping or a scalar stands where another of them belongs."
        case .badValue: "A value that is not one of those possible here."
        case .badDuration: "A duration that is not a number with a unit: us, ms, s, m, h or d."
        case .badSize: "A size that is not a number with a unit: B, KiB, MiB, GiB, KB, MB or GB."
        case .badType: "A type that does not exist or is written wrongly."
        case .unsetVariable: "`${NAME}` names a variable that is not set and has no default."
        case .literalSecret: "A password, key or token is written into the file."
        case .notYet: "The word belongs to the file format, but this version does not have it yet."
        case .severalVerbs: "A step must have exactly one verb."
        case .unknownVerb: "A step's verb does not exist."
        case .badName: "A name that is not letters, digits and _ (topics also . and -)."
        case .conflictingKeys: "Of several keys exactly one may be given, or one needs another."
        case .notIncluded:
            "A key that only the file given to the command may have, in a file that it includes."
        case .testForm: "A step or an expectation of a test is written wrongly."
        case .notInTest:
            "A test names a stream, field, pipeline, column, topic or view that there is not."
        case .testValue: "A value in a test does not fit the type of its field or column."
        case .unknownConnection: "`connection:` names a connection that is not declared."
        case .unknownInput: "`from:` names neither a stream nor a pipeline."
        case .repeatedId: "Two steps have the same `id`, which is the address of their state."
        case .cycle: "A pipeline reads, directly or through others, from itself."
        case .unknownEntity: "A feature view names an entity that is not declared."
        case .unknownColumn:
            "A key, an order or a feature names a column that the rows do not have."
        case .undeclaredPolicy:
            "It is not said what becomes of records or rows that cannot be used."
        case .repeatedName:
            "A stream and a pipeline, or two things that are read by name, share a name."
        case .ambiguousConnection:
            "There are several connections and it is not said which one a topic is on."
        case .conflictingTopic: "Two outputs with different columns or keys write to one topic."
        case .wrongConnection: "The connection is of a kind that cannot hold this."
        case .unknownView:
            "A service, an on-demand view or a push source names a view or feature that is not declared."
        case .nowhere: "A pipeline's rows go nowhere: it has no `to:` and nothing reads it."
        case .severalClusters:
            "Outputs to two Kafka clusters are to be exactly-once, which one transaction cannot do."
        case .notShared:
            "A job cut into shares uses what only one process can have, or what its shares cannot agree on."
        case .schemaFile:
            "A file that describes records cannot be read, or does not describe a field as declared."
        case .badPath:
            "The path of a field, or an option, that the stream's format cannot follow."
        case .wrongFormat:
            "A format that cannot be used here, or whose schema is not known or cannot be read."
        case .expression: "An expression cannot be read, or its types do not fit."
        case .changelog:
            "Rows that are changed and deleted later come to what cannot follow that."
        case .process: "The state, timers and entries of a process step do not fit each other."
        case .pattern: "The pattern of a match step cannot be read, or its names do not fit it."
        case .notBoolean: "A condition that is not true or false."
        case .unequalInputs: "The inputs of a union have different columns or types."
        case .notAKey: "A column whose type cannot be a key or part of one."
        case .notATime: "The event-time field is not a timestamp."
        case .entityType: "An entity key and the column it is filled from have different types."
        case .notAList: "`unnest` of something that is not a list."
        case .repeatedColumn: "A step would make two columns of the same name."
        case .notOrdered: "A column whose type has no order."
        case .badWindow: "Window sizes that do not fit each other."
        case .featureType: "A feature is declared with another type than the rows give it."
        case .joinColumns: "The sides of a join are compared by columns of different types."
        case .badDefault: "A default that is not a constant of the type it is for."
        case .unboundedState:
            "A step keeps rows for good, so that its state grows for as long as the job runs."
        case .notAFeature: "A column whose type cannot be a feature."
        }
    }
}
