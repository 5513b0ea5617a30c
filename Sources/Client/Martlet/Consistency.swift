internal import Catalog

/// How many replicas must answer before a request is answered.
public enum Consistency: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// One replica.
    case one = "ONE"
    /// Two replicas.
    case two = "TWO"
    /// Three replicas.
    case three = "THREE"
    /// More than half of all replicas.
    case quorum = "QUORUM"
    /// All replicas.
    case all = "ALL"
    /// One replica of the coordinator's datacenter.
    case localOne = "LOCAL_ONE"
    /// More than half of the replicas of the coordinator's datacenter.
    case localQuorum = "LOCAL_QUORUM"

    /// The level as CQL writes it.
    public var description: String { rawValue }

    var level: ConsistencyLevel {
        switch self {
        case .one: .one
        case .two: .two
        case .three: .three
        case .quorum: .quorum
        case .all: .all
        case .localOne: .localOne
        case .localQuorum: .localQuorum
        }
    }
}
