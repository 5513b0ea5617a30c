package import Catalog
package import ClusterLog
package import Storage
package import TokenPlacement

/// A partition as messages name it; the receiver adds the table.
package struct PartitionRef: Hashable, Sendable {
    /// The partition key's place on the ring.
    package var token: Token
    /// The partition key's bytes, as they are hashed.
    package var key: [UInt8]

    /// The partition with a key whose token is known.
    package init(token: Token, key: [UInt8]) {
        self.token = token
        self.key = key
    }

    /// The partition with a key.
    package init(key: [UInt8]) { self.init(token: Token(partitionKey: key), key: key) }
}

/// One row's write: a merge operand for its key.
package struct Mutation: Hashable, Sendable {
    /// The table.
    package var table: TableID
    /// The partition, which is the row's key (there are no clustering keys yet).
    package var partition: PartitionRef
    /// An encoded row (docs/storage-format.md) that is merged into the stored one.
    package var operand: [UInt8]

    /// A mutation with all its parts.
    package init(table: TableID, partition: PartitionRef, operand: [UInt8]) {
        self.table = table
        self.partition = partition
        self.operand = operand
    }

    /// The key on disk.
    package var rowKey: RowKey {
        RowKey(table: table, token: partition.token, partitionKey: partition.key)
    }
}

/// A read of whole rows or of their digests; keys are grouped by replica set.
package struct ReadRequest: Hashable, Sendable {
    /// What the reply holds for every group.
    package enum Mode: UInt8, Hashable, Sendable {
        /// The rows, and one digest of them all.
        case data = 0
        /// One digest of all rows.
        case digest = 1
        /// The rows alone: nobody compares them.
        case rows = 2
    }

    /// The keys that have the same replicas.
    package struct Group: Hashable, Sendable {
        /// Whether rows or a digest are asked for.
        package var mode: Mode
        /// The partitions, in the coordinator's order.
        package var partitions: [PartitionRef]

        /// A group with all its parts.
        package init(mode: Mode, partitions: [PartitionRef]) {
            self.mode = mode
            self.partitions = partitions
        }
    }

    /// The table.
    package var table: TableID
    /// The coordinator's wall clock: what expires is judged by it, on every replica alike.
    package var nowSeconds: Int64
    /// The groups.
    package var groups: [Group]

    /// A request with all its parts.
    package init(table: TableID, nowSeconds: Int64, groups: [Group]) {
        self.table = table
        self.nowSeconds = nowSeconds
        self.groups = groups
    }
}

/// What a replica answers for one group of a read.
package struct ReadGroupReply: Hashable, Sendable {
    /// The digest of the group's rows, in their order (see `RowDigest.combine`).
    package var digest: RowDigest
    /// The encoded rows, nil where absent; empty where only a digest was asked for.
    package var rows: [[UInt8]?]

    /// A reply with all its parts.
    package init(digest: RowDigest, rows: [[UInt8]?] = []) {
        self.digest = digest
        self.rows = rows
    }
}

/// Where a model's argument comes from on a replica.
package enum ScoreArgument: Hashable, Sendable {
    /// A column of the row that is scored.
    case column(ColumnID)
    /// One value for all rows, in the native protocol's encoding.
    case value([UInt8]?)
}

/// How scored rows are ordered before the limit cuts them.
package enum ScoreOrder: UInt8, Hashable, Sendable {
    /// In no order; all rows are returned.
    case none = 0
    case ascending = 1
    case descending = 2
}

/// Asks a replica to score rows that it holds and to return the best.
package struct ScoreRequest: Hashable, Sendable {
    /// The table of the candidates.
    package var table: TableID
    /// The model's bytes.
    package var model: ModelHash
    /// Of the function whose signature the arguments follow.
    package var modelName: ModelName
    /// One for each parameter of the signature, in its order.
    package var arguments: [ScoreArgument]
    /// How the scored rows are ordered.
    package var order: ScoreOrder
    /// The most rows that are returned; ignored if there is no order.
    package var limit: Int
    /// The columns whose values are returned beside the score.
    package var columns: [ColumnID]
    /// The coordinator's wall clock.
    package var nowSeconds: Int64
    /// The candidates by replica set; a digest of each group comes back.
    package var groups: [[PartitionRef]]

    /// A request with all its parts.
    package init(
        table: TableID,
        model: ModelHash,
        modelName: ModelName,
        arguments: [ScoreArgument],
        order: ScoreOrder,
        limit: Int,
        columns: [ColumnID],
        nowSeconds: Int64,
        groups: [[PartitionRef]]
    ) {
        self.table = table
        self.model = model
        self.modelName = modelName
        self.arguments = arguments
        self.order = order
        self.limit = limit
        self.columns = columns
        self.nowSeconds = nowSeconds
        self.groups = groups
    }
}

/// One scored row.
package struct ScoredRow: Hashable, Sendable {
    /// The group of the request that the row belongs to, from 0.
    package var group: Int
    /// The row's place in its group, from 0.
    package var index: Int
    /// The score; nil where an argument was null or the result not finite.
    package var score: Float?
    /// The values of the columns asked for, nil where null.
    package var values: [[UInt8]?]

    /// A scored row with all its parts.
    package init(group: Int, index: Int, score: Float?, values: [[UInt8]?]) {
        self.group = group
        self.index = index
        self.score = score
        self.values = values
    }
}

/// What happened to the rows of one scoring: never a silent zero.
package struct ScoreCounts: Hashable, Sendable {
    /// The candidates that exist.
    package var rows = 0
    /// The rows that went through the model in one batch.
    package var batch = 0
    /// Arguments that were null and took their default.
    package var defaulted = 0
    /// Rows whose score is null because an argument was.
    package var null = 0
    /// Rows whose score is null because the model gave none that is finite.
    package var nonFinite = 0

    /// Counts, all zero.
    package init() {}

    private static func sum(_ left: Int, _ right: Int) -> Int {
        let (sum, isOver) = left.addingReportingOverflow(right)
        return isOver ? .max : sum
    }

    /// Adds the counts of another scoring; what another node sent never traps.
    package mutating func add(_ other: ScoreCounts) {
        rows = Self.sum(rows, other.rows)
        batch = Self.sum(batch, other.batch)
        defaulted = Self.sum(defaulted, other.defaulted)
        null = Self.sum(null, other.null)
        nonFinite = Self.sum(nonFinite, other.nonFinite)
    }
}

/// The best rows of a replica, and the digests of all rows that it scored.
package struct ScoreReply: Hashable, Sendable {
    /// At most `limit` rows, best first (or all, in the groups' order, without an order).
    package var rows: [ScoredRow]
    /// One digest per group, of all its rows.
    package var digests: [RowDigest]
    /// What happened to the rows.
    package var counts: ScoreCounts

    /// A reply with all its parts.
    package init(rows: [ScoredRow], digests: [RowDigest], counts: ScoreCounts) {
        self.rows = rows
        self.digests = digests
        self.counts = counts
    }
}

/// Why a node did not do what it was asked for.
package struct PeerFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure, as far as the asker acts on it.
    package enum Code: UInt8, Hashable, Sendable {
        /// The node's disk or program failed.
        case failed = 0
        /// A queue is full; nothing was done.
        case overloaded = 1
        /// The node does not know the table yet (or any more).
        case unknownTable = 2
        /// The node has not loaded the model.
        case modelNotReady = 3
        /// The request cannot be done by any node.
        case invalid = 4
        /// The connection was lost, or never made: what was done is unknown.
        case disconnected = 5
        /// The node's copy of the slice is being rebuilt; another replica must be asked.
        case unreadable = 6
        /// Hints are older than they may be, by the clock of the node that was to take them.
        case tooOld = 7
    }

    /// What kind of failure.
    package var code: Code
    /// What happened, for people.
    package var text: String

    /// A failure with all its parts.
    package init(code: Code, text: String) {
        self.code = code
        self.text = text
    }

    package var description: String { text }
}

/// What nodes say to each other.
package enum PeerMessage: Hashable, Sendable {
    // One way, urgent.
    /// A gossip message, in Gossip's own encoding.
    case gossip([UInt8])
    case fetchLog(after: Epoch)
    case logEntries([LogEntry])
    // Requests.
    case propose(ClusterChange)
    case write([Mutation])
    /// Write what was kept for the receiver; the oldest was made at this time, in microseconds since
    /// 1970 by the sender's clock. Refused as too old by the receiver's own clock.
    case deliverHints([Mutation], oldestMicros: Int64)
    case read(ReadRequest)
    case score(ScoreRequest)
    /// Fetch the model's bytes from the sender, check them, run them once on trial, and load.
    case loadModel(ModelName, hash: ModelHash, byteCount: Int, signature: ModelSignature)
    case fetchModel(ModelHash, offset: Int, count: Int)
    /// Answer once the state of this epoch counts on the receiver.
    case awaitEpoch(Epoch)
    case scan(ScanRequest)
    case rangeDigests(RangeDigestRequest)
    /// Keep a logged batch until it is removed, or write it if nobody does.
    case storeBatch(StoredBatch)
    /// Slices whose hints were given up must be repaired; replicas keep the marks too.
    case noteDirty([DirtyMark])
    /// Slices were repaired by all their replicas.
    case noteRepaired([RepairNote])
    // One way.
    /// Logged batches are written everywhere, or hinted.
    case removeBatches([NodeID])
    // Replies.
    case proposed(Result<Epoch, ClusterChangeError>)
    case done
    case rows([ReadGroupReply])
    case page(ScanPage)
    case digests([RangeDigest])
    case scored(ScoreReply)
    case modelBytes([UInt8])
    case failed(PeerFailure)
}

/// A message with what every message carries.
package struct PeerEnvelope: Hashable, Sendable {
    /// The sender's epoch: who is behind fetches the entries.
    package var epoch: Epoch
    /// Pairs a reply with its request on one connection; 0 for one-way messages.
    package var correlation: UInt64
    /// The message.
    package var message: PeerMessage

    /// An envelope with all its parts.
    package init(epoch: Epoch, correlation: UInt64, message: PeerMessage) {
        self.epoch = epoch
        self.correlation = correlation
        self.message = message
    }
}
