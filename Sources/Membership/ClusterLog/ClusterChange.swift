package import Catalog
package import TokenPlacement

/// The first entry of a log: which cluster this is, and who founded it.
package struct Founding: Hashable, Sendable {
    /// The identity that every handshake checks.
    package var clusterID: NodeID
    /// The cluster's name, for people.
    package var name: String
    /// How many slices the ring has; a power of two.
    package var sliceCount: Int
    /// How many nodes must be registered before slices get their owners.
    package var expectedNodeCount: Int
    /// The founding node.
    package var node: NodeRecord

    /// A founding with all its parts.
    package init(
        clusterID: NodeID,
        name: String,
        sliceCount: Int,
        expectedNodeCount: Int,
        node: NodeRecord
    ) {
        self.clusterID = clusterID
        self.name = name
        self.sliceCount = sliceCount
        self.expectedNodeCount = expectedNodeCount
        self.node = node
    }
}

/// A new version of a model, and the signature that it was pushed with.
package struct ModelPush: Hashable, Sendable {
    /// The model's full name.
    package var name: ModelName
    /// What it takes and gives; it must equal that of the earlier versions.
    package var signature: ModelSignature
    /// What names the bytes, which travel beside the log.
    package var hash: ModelHash
    /// The length of the bytes.
    package var byteCount: Int

    /// A push with all its parts.
    package init(name: ModelName, signature: ModelSignature, hash: ModelHash, byteCount: Int) {
        self.name = name
        self.signature = signature
        self.hash = hash
        self.byteCount = byteCount
    }
}

/// What one entry of the cluster log does to the state.
package enum ClusterChange: Hashable, Sendable {
    case found(Founding)
    /// A new node, or new addresses of a known one.
    case registerNode(NodeRecord)
    case assignOwners(SliceMap)
    case createKeyspace(KeyspaceDefinition)
    case dropKeyspace(String)
    /// The table's id and uuid are given by the fold; what stands in the definition is ignored.
    case createTable(TableDefinition)
    case dropTable(keyspace: String, name: String)
    /// New options for a table; its columns and data stay.
    case alterTable(keyspace: String, name: String, TableOptionsChange)
    case pushModel(ModelPush)
    case dropModel(ModelName)
}

/// Why a change does not fit the state that it was proposed for.
package enum ClusterChangeError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The keyspace (`table` empty) or table is there already.
    case alreadyExists(keyspace: String, table: String)
    /// What the change names is not there.
    case notFound(String)
    /// The change contradicts the state; says how.
    case invalid(String)
    /// Nobody who may decide can be reached; says who, and what to do.
    case undecided(String)

    package var description: String {
        switch self {
        case .alreadyExists(let keyspace, ""): "keyspace \(keyspace) exists already"
        case .alreadyExists(let keyspace, let table): "\(keyspace).\(table) exists already"
        case .notFound(let what): "\(what) does not exist"
        case .invalid(let why), .undecided(let why): why
        }
    }
}

/// The rank of a decision among competing ones for the same slot (Paxos).
///
/// Only the founding node decides for now, in round 1; the field is in every entry from the first
/// day, so that a log written today can be continued by consensus.
package struct Ballot: Hashable, Comparable, Sendable {
    /// The round; a later one wins.
    package var round: UInt64
    /// The proposer; breaks ties.
    package var node: NodeID

    /// The ballot of a round and a proposer.
    package init(round: UInt64, node: NodeID) {
        self.round = round
        self.node = node
    }

    package static func < (left: Ballot, right: Ballot) -> Bool {
        (left.round, left.node) < (right.round, right.node)
    }
}

/// One decided entry of the cluster log.
package struct LogEntry: Hashable, Sendable {
    /// The entry's slot: the epoch of the state after it.
    package var epoch: Epoch
    /// Who decided it, and in which round.
    package var ballot: Ballot
    /// What it does.
    package var change: ClusterChange

    /// An entry with all its parts.
    package init(epoch: Epoch, ballot: Ballot, change: ClusterChange) {
        self.epoch = epoch
        self.ballot = ballot
        self.change = change
    }
}
