/// How a client reaches its cluster, and the bounds that it keeps.
public struct ClientConfiguration: Sendable {
    /// The nodes that are asked first, as `host` or `host:port` (port 9042 if none is given); one
    /// that answers is enough, it names all the others.
    public var contactPoints: [String]

    /// Whether all requests go to the contact point that answers, and no other node is sought.
    ///
    /// For questions to one certain node (what it repairs, what its caches do), and for nodes that
    /// are reached at another address than the one that they publish. Name one contact point then.
    public var asksContactPointOnly = false

    /// The keyspace of statements that name none, or nil.
    public var keyspace: String?

    /// The datacenter whose nodes are asked first; nil takes that of the first node that answers.
    public var datacenter: String?

    /// The level of statements that name none.
    ///
    /// The default, LOCAL_QUORUM, reads what was written
    /// at LOCAL_QUORUM whatever single replica is down.
    public var consistency = Consistency.localQuorum

    /// How long a request may take, the wait for a free stream included.
    public var requestTimeout = Duration.seconds(10)

    /// How long it may take to open a connection, its handshake included.
    public var connectTimeout = Duration.seconds(5)

    /// The connections to each node; many requests share one, so that few are enough.
    public var connectionsPerNode = 2

    /// The most requests under way on one connection, at most 32,768: the streams of the protocol.
    public var requestsInFlightMax = 2048

    /// The most requests that wait for a free stream of one connection; one more is refused with
    /// ``MartletError/Code/clientOverloaded``.
    public var requestsQueuedMax = 8192

    /// The most prepared statements that are remembered; beyond it the oldest is forgotten.
    public var preparedStatementsMax = 1000

    /// The most bytes of a request or response, in which a pushed model is one value.
    public var frameBytesMax = 64 << 20

    /// How long the first pause before a lost connection is opened again is; each further one is
    /// twice as long.
    public var reconnectPauseMin = Duration.milliseconds(100)

    /// How long the pause before a lost connection is opened again gets at most.
    public var reconnectPauseMax = Duration.seconds(5)

    /// How long a connection may be silent before it is asked whether it still lives.
    public var heartbeatInterval = Duration.seconds(15)

    /// How long a change of the schema may wait for the reachable nodes to agree on it.
    public var schemaAgreementTimeout = Duration.seconds(5)

    /// How long ``MartletClient/close()`` lets requests under way end.
    public var closeTimeout = Duration.seconds(5)

    /// A configuration with contact points, and defaults for all else.
    public init(contactPoints: [String] = ["127.0.0.1:9042"], keyspace: String? = nil) {
        self.contactPoints = contactPoints
        self.keyspace = keyspace
    }

    /// All that is wrong with the values, in one error.
    func validate() throws -> [ContactPoint] {
        var problems: [String] = []
        var points: [ContactPoint] = []
        if contactPoints.isEmpty { problems.append("contactPoints is empty; name one node") }
        for text in contactPoints {
            if let point = ContactPoint(text) {
                points.append(point)
            } else {
                problems.append("contact point '\(text)' is not host, host:port or [ipv6]:port")
            }
        }
        func require(_ value: Int, in range: ClosedRange<Int>, _ name: String) {
            guard !range.contains(value) else { return }
            problems.append(
                "\(name) is \(value), it must be \(range.lowerBound) to \(range.upperBound)"
            )
        }
        require(connectionsPerNode, in: 1...64, "connectionsPerNode")
        require(requestsInFlightMax, in: 1...32_768, "requestsInFlightMax")
        require(requestsQueuedMax, in: 0...1_000_000, "requestsQueuedMax")
        require(preparedStatementsMax, in: 1...1_000_000, "preparedStatementsMax")
        require(frameBytesMax, in: 1024...(1 << 30), "frameBytesMax")
        let durations = [
            ("requestTimeout", requestTimeout), ("connectTimeout", connectTimeout),
            ("reconnectPauseMin", reconnectPauseMin), ("reconnectPauseMax", reconnectPauseMax),
            ("heartbeatInterval", heartbeatInterval),
        ]
        for (name, duration) in durations where duration <= .zero {
            problems.append("\(name) is \(duration), it must be more than 0")
        }
        if let keyspace, keyspace.isEmpty || keyspace.utf8.count > 48 {
            problems.append("keyspace has \(keyspace.utf8.count) bytes, it must have 1 to 48")
        }
        guard problems.isEmpty else {
            throw MartletError.configuration(problems.joined(separator: "; "))
        }
        return points
    }
}

/// A host with its port.
struct ContactPoint: Hashable, Sendable, CustomStringConvertible {
    static let defaultPort = 9042

    let host: String
    let port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `host`, `host:port`, `[ipv6]:port` or a bare IPv6 address; nil for anything else.
    init?(_ text: String) {
        var host = text
        var port = Self.defaultPort
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            if !rest.isEmpty {
                guard rest.hasPrefix(":"), let number = Int(rest.dropFirst()) else { return nil }
                port = number
            }
        } else if text.filter({ $0 == ":" }).count == 1, let colon = text.firstIndex(of: ":") {
            guard let number = Int(text[text.index(after: colon)...]) else { return nil }
            host = String(text[..<colon])
            port = number
        }
        guard !host.isEmpty, !host.contains(where: \.isWhitespace), (1...65_535).contains(port)
        else { return nil }
        self.init(host: host, port: port)
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
