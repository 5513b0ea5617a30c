package import Catalog
package import ClusterLog
internal import HistoryChecking
package import PeerMessages

/// Why a client's request failed.
package enum ClientFailure: Error, Hashable, Sendable {
    /// Nothing was done, and nothing will be.
    case refused(String)
    /// It may have been done, or be done later.
    case unknown(String)

    /// A bound was reached: nothing was done.
    package static func overloaded(_ text: String) -> ClientFailure {
        .refused(Operation.overloadPrefix + text)
    }

    /// What happened, for people.
    package var text: String {
        switch self {
        case .refused(let text), .unknown(let text): text
        }
    }
}

/// One scored key.
package struct ScoredKey: Hashable, Sendable {
    /// The key's place in the request.
    package var index: Int
    /// The score; nil where there was nothing to score.
    package var score: Float?

    /// A scored key.
    package init(index: Int, score: Float?) {
        self.index = index
        self.score = score
    }
}

/// How clients reach a node: the face of its coordinator.
///
/// Completions are called on the loop.
package protocol ClientPort: AnyObject {
    /// A timestamp for a write that brings none.
    func nextTimestamp() -> Int64
    /// The node's wall clock in seconds.
    var nowSeconds: Int64 { get }
    /// Writes rows of one table; as a logged batch if asked.
    func write(
        _ mutations: [Mutation],
        of table: TableDefinition,
        at level: ConsistencyLevel,
        isLogged: Bool,
        completion: @escaping (Result<Void, ClientFailure>) -> Void
    )
    /// Reads rows, in the order of the partitions.
    func read(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        at level: ConsistencyLevel,
        nowSeconds: Int64,
        completion: @escaping (Result<[[UInt8]?], ClientFailure>) -> Void
    )
    /// Reads all rows of a table, page by page.
    func scan(
        _ table: TableDefinition,
        at level: ConsistencyLevel,
        nowSeconds: Int64,
        pageRows: Int,
        completion: @escaping (Result<[ScannedRow], ClientFailure>) -> Void
    )
    /// Scores rows with ``SimulatedModel``.
    func score(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        at level: ConsistencyLevel,
        nowSeconds: Int64,
        completion: @escaping (Result<[ScoredKey], ClientFailure>) -> Void
    )
    /// The table with a name, as the node knows it.
    func table(named name: String) -> TableDefinition?
    /// Changes the schema.
    func change(
        _ change: ClusterChange,
        completion: @escaping (Result<Void, ClientFailure>) -> Void
    )
}

extension ClientPort {
    /// Programs without scans refuse them.
    package func scan(
        _ table: TableDefinition,
        at level: ConsistencyLevel,
        nowSeconds: Int64,
        pageRows: Int,
        completion: @escaping (Result<[ScannedRow], ClientFailure>) -> Void
    ) {
        completion(.failure(.refused("scans are not supported")))
    }

    /// Programs without scoring refuse it.
    package func score(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        at level: ConsistencyLevel,
        nowSeconds: Int64,
        completion: @escaping (Result<[ScoredKey], ClientFailure>) -> Void
    ) {
        completion(.failure(.refused("scoring is not supported")))
    }

    /// Programs without a cluster log know of no other tables.
    package func table(named name: String) -> TableDefinition? { nil }

    /// Programs without a cluster log refuse changes.
    package func change(
        _ change: ClusterChange,
        completion: @escaping (Result<Void, ClientFailure>) -> Void
    ) {
        completion(.failure(.refused("schema changes are not supported")))
    }
}

/// The model that replicas score with in the simulator: a hash of the value, so that a score tells
/// which version of a row it was computed on.
package enum SimulatedModel {
    /// The score of a value: an integer below 2^24, which a `Float` holds exactly.
    package static func score(of value: [UInt8]) -> Float {
        Float(TraceHash.digest(value) >> 40)
    }
}
