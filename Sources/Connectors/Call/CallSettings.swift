import HTTP

/// What a `call` output does with its rows: one request each.
public struct CallSettings: Equatable, Sendable {
    /// The output's name: that of its pipeline.
    public var name: String
    /// What is called when a workspace names no provider.
    public var provider: CallProvider
    /// Services of other shapes, by name.
    public var providers: [CallProvider] = []
    /// The column whose values have a queue, a rate and a circuit breaker each; nil for one for all rows.
    public var tenant: String?
    /// The column whose value names the request for the service, the same in every repetition.
    public var idempotencyKey: String?
    /// Requests under way at once, and of one tenant.
    public var inFlight = 32
    /// Requests of one tenant under way at once.
    public var inFlightPerTenant = 8
    /// Tries of a request and the waits between them.
    public var retry = RetryPolicy(tries: 4, firstMillis: 500, longestMillis: 30_000)
    /// The rate of a tenant whose workspace gives none; nil for no limit.
    public var rate: RequestRate?
    /// When a tenant is not called for a while.
    public var breaker = CircuitBreaker.Settings()
    /// How long a request may wait for a service that does not answer before it becomes a dead letter.
    ///
    /// - Units: microseconds.
    public var giveUpMicros: Int64 = 86_400_000_000
    /// Bytes of sealed requests that may wait before the output takes no further rows.
    public var backlogBytes: Int64 = 1 << 30
    /// The topic of results, one record a message.
    public var hasResults = false
    /// The topic of requests that were given up.
    public var hasDeadLetters = false

    /// Settings of the output `name` that calls `provider`.
    public init(name: String, provider: CallProvider) {
        self.name = name
        self.provider = provider
    }

    /// The provider called `name`; nil for one that is not declared.
    public func provider(_ name: String?) -> CallProvider? {
        guard let name else { return provider }
        return providers.first { $0.name == name }
    }
}

/// How a service wants to be called.
public struct CallProvider: Equatable, Sendable {
    /// What results call it.
    public var name: String
    /// The address that the path is added to.
    public var url: String
    /// The path, in which `{column}` stands for a value.
    public var path: CallTemplate
    /// What is asked.
    public var method = HTTPRequest.Method.post
    /// Headers of every request.
    public var headers: [HTTPHeader] = []
    /// How connections are made.
    public var http = HTTPSettings()
    /// The header of the idempotency key.
    public var idempotencyHeader = "Idempotency-Key"
    /// Whether the body has members of its own: columns whose name begins with `bodyPrefix`. Otherwise it
    /// is the row.
    public var hasBody = false
    /// Texts put into the body, by the member's name.
    public var templates: [Template] = []
    /// The messages of one request and what an answer says of each.
    public var recipients: CallRecipients?
    /// Where an answer gives the service's own id of the request: names from the outside in.
    public var answerId: [String] = []
    /// Statuses besides 2xx that say that it was done, such as 409 for what was done before.
    public var successStatuses: [Int] = []

    /// A text of the body.
    public struct Template: Equatable, Sendable {
        /// The member it becomes.
        public var name: String
        /// The text.
        public var text: CallTemplate

        /// The member `name` with the rendered `text`.
        public init(name: String, text: CallTemplate) {
            self.name = name
            self.text = text
        }
    }

    /// A provider at `url` with `path`.
    public init(name: String, url: String, path: CallTemplate) {
        self.name = name
        self.url = url
        self.path = path
    }

    /// The name under which its body's columns go, where that is not its own.
    public var bodyName: String?

    /// What the names of the columns begin with that are members of its body.
    public var bodyPrefix: String { CallProvider.bodyPrefix(of: bodyName ?? name) }

    /// What the names of the columns begin with that are members of the body of provider `name`.
    public static func bodyPrefix(of name: String) -> String { "body/\(name)/" }
}

/// The messages that one request carries.
public struct CallRecipients: Equatable, Sendable {
    /// The member of the body that lists them.
    public var list: String
    /// The member of each that is its id.
    public var id: String
    /// Where an answer lists the ids that the service refused: names from the outside in.
    public var failed: [String] = []
    /// Where it says why, in the order of `failed`.
    public var reason: [String] = []
    /// Whether the refused ones are tried again, in a request of their own.
    public var retriesFailed = false

    /// The messages in `list`, each with its `id`.
    public init(list: String, id: String) {
        self.list = list
        self.id = id
    }
}

/// What is particular to one tenant.
public struct CallWorkspace: Equatable, Sendable {
    /// An address instead of the provider's.
    public var url: String?
    /// A path instead of the provider's.
    public var path: CallTemplate?
    /// The provider's name; nil for the output's own.
    public var provider: String?
    /// Headers besides the provider's, credentials among them.
    public var headers: [HTTPHeader] = []
    /// Its rate instead of the output's.
    public var rate: RequestRate?
    /// Values for templates.
    public var variables: [String: String] = [:]

    /// A workspace that is like all others.
    public init() {}
}

/// Where workspaces are declared.
public struct CallWorkspaces: Sendable {
    /// The declared ones; nil when any tenant will do.
    public var known: [String: CallWorkspace]?
    /// Reads them again where they are in a file that has changed; nil when it has not.
    public var reload: (@Sendable () -> [String: CallWorkspace]?)?

    /// `known` workspaces.
    public init(
        known: [String: CallWorkspace]? = nil,
        reload: (@Sendable () -> [String: CallWorkspace]?)? = nil
    ) {
        self.known = known
        self.reload = reload
    }
}
