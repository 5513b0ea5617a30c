internal import NIOConcurrencyHelpers
internal import NativeProtocol
internal import TokenPlacement

/// What decides which nodes a request is sent to.
struct Route {
    /// Whether it changes nothing.
    var isRead: Bool
    /// Whether it may be sent again when it is not known what became of it.
    var isIdempotent = false
    /// The keyspace of its table, if that is known.
    var keyspace: String?
    /// The token of its row, if that is known.
    var token: Token?
}

/// Sends a request to the best node, and to the next one where that can do no harm.
final class RequestRouter: Sendable {
    /// An answer with the connection that it came on.
    struct Answer {
        var message: ResponseMessage
        var connection: ClientConnection
    }

    private struct State {
        var isClosed = false
        /// Counts requests, so that equal nodes take turns.
        var turn = 0
    }

    private let routing: NIOLockedValueBox<Routing>
    private let timeout: Duration
    private let state = NIOLockedValueBox(State())

    init(routing: NIOLockedValueBox<Routing>, timeout: Duration) {
        self.routing = routing
        self.timeout = timeout
    }

    /// Refuses all requests from now on.
    func close() { state.withLockedValue { $0.isClosed = true } }

    /// Sends a request and returns its answer, which is no ERROR.
    ///
    /// - Parameters:
    ///   - route: where to.
    ///   - texts: the text of a prepared statement that a node does not know any more.
    ///   - request: makes the request; its argument is the statement that was just prepared again.
    /// - Returns: the answer and the connection that it came on.
    /// - Throws: ``MartletError``; `CancellationError`.
    func send(
        _ route: Route,
        texts: ([UInt8]) -> String? = { _ in nil },
        request: (PreparedStatement?) throws -> Request
    ) async throws -> Answer {
        let nodes = try plan(route)
        var last: MartletError?
        for node in nodes {
            guard let connection = node.pick() else { continue }
            do {
                let message = try await send(route, on: connection, texts, request)
                return Answer(message: message, connection: connection)
            } catch let failure as RequestFailure {
                if failure == .cancelled { throw CancellationError() }
                let error = MartletError(failure, node: connection.node, isRead: route.isRead)
                switch failure {
                case .notSent: last = error
                case .lost where route.isRead || route.isIdempotent: last = error
                default: throw error
                }
            } catch let error as MartletError where error.code == .bootstrapping {
                last = error
            }
        }
        if let last { throw last }
        let reasons = nodes.compactMap { node in
            node.lastError.map { "\(node.node.host):\(node.node.port): \($0)" }
        }
        throw MartletError.noNode(
            "none of \(nodes.count) nodes is connected: \(reasons.joined(separator: "; "))",
            isRead: route.isRead
        )
    }

    private func send(
        _ route: Route,
        on connection: ClientConnection,
        _ texts: ([UInt8]) -> String?,
        _ request: (PreparedStatement?) throws -> Request
    ) async throws -> ResponseMessage {
        var renewed: PreparedStatement?
        // A batch may hold many statements that the node has forgotten: each is prepared once.
        var renewedTexts: Set<String> = []
        while true {
            let message = try await connection.send(try request(renewed), timeout: timeout)
            guard case .error(let error) = message.response else { return message }
            guard case .unprepared(let id) = error.detail, let text = texts(id),
                renewedTexts.insert(text).inserted
            else { throw MartletError(error, node: connection.node, isRead: route.isRead) }
            renewed = try await prepare(text, on: connection)
        }
    }

    private func prepare(
        _ text: String,
        on connection: ClientConnection
    ) async throws -> PreparedStatement {
        let message: ResponseMessage
        do {
            message = try await connection.send(.prepare(text), timeout: timeout)
        } catch RequestFailure.lost(let reason) {
            // The statement itself was not executed.
            throw RequestFailure.notSent(reason)
        }
        switch message.response {
        case .prepared(let result): return PreparedStatement(text: text, prepared: result)
        case .error(let error): throw MartletError(error, node: connection.node, isRead: false)
        case let other:
            throw MartletError.unexpected(other, to: "PREPARE", node: connection.node)
        }
    }

    /// The nodes in the order in which they are tried: replicas before others, and before that the
    /// local datacenter before others; equals take turns.
    private func plan(_ route: Route) throws -> [NodeConnections] {
        let turn = try state.withLockedValue { state in
            guard !state.isClosed else { throw MartletError.closed }
            state.turn &+= 1
            return state.turn & Int.max
        }
        let routing = routing.withLockedValue { $0 }
        var replicas: [Int] = []
        if let token = route.token, let keyspace = route.keyspace {
            replicas = routing.view.replicas(of: token, in: keyspace)
        }
        var ranks: [[NodeConnections]] = [[], [], [], []]
        for index in routing.nodes.indices {
            let isLocal = routing.view.nodes[index].datacenter == routing.datacenter
            let rank = (isLocal ? 0 : 2) + (replicas.contains(index) ? 0 : 1)
            ranks[rank].append(routing.nodes[index])
        }
        return ranks.flatMap { rank -> [NodeConnections] in
            guard rank.count > 1 else { return rank }
            let start = turn % rank.count
            return Array(rank[start...] + rank[..<start])
        }
    }
}
