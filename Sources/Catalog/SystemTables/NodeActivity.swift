package import Catalog
package import TokenPlacement

/// What this node knows of the repair of one of its slices.
package struct SliceRepair: Hashable, Sendable {
    /// Whether reads may be answered from the slice.
    package enum State: String, Hashable, Sendable {
        /// It is whole.
        case readable
        /// It is filled anew from other replicas; others must be asked meanwhile.
        case rebuilding
    }

    /// The table.
    package var table: TableID
    /// The slice's number.
    package var slice: Int
    /// When the last repair began that all replicas took part in; nil: there was none.
    package var lastRepairSeconds: Int64?
    /// Whether a replica is known to have missed writes.
    package var isDirty: Bool
    /// Whether reads may be answered from it.
    package var state: State

    /// What is known of a slice.
    package init(
        table: TableID,
        slice: Int,
        lastRepairSeconds: Int64?,
        isDirty: Bool,
        state: State = .readable
    ) {
        self.table = table
        self.slice = slice
        self.lastRepairSeconds = lastRepairSeconds
        self.isDirty = isDirty
        self.state = state
    }
}

/// A repair that this node runs or ran.
package struct RepairRun: Hashable, Sendable {
    /// How far a run is.
    package enum State: String, Hashable, Sendable {
        /// It is under way.
        case running
        /// All its slices were repaired.
        case finished
        /// Some slices were not; `error` says why.
        case failed
    }

    /// What names the run.
    package var id: NodeID
    /// The keyspace that was asked for; nil: all.
    package var keyspace: String?
    /// The table that was asked for; nil: all of the keyspace.
    package var table: String?
    /// How far it is.
    package var state: State
    /// When it began.
    package var startedSeconds: Int64
    /// How many slices it has to do with.
    package var slicesTotal = 0
    /// How many of them it is done with.
    package var slicesDone = 0
    /// How many rows were sent or fetched because they differed.
    package var rowsStreamed = 0
    /// How many bytes those had.
    package var bytesStreamed = 0
    /// Why slices were not repaired, if that is so.
    package var error: String?

    /// A run that has done nothing yet.
    package init(
        id: NodeID,
        keyspace: String?,
        table: String?,
        state: State,
        startedSeconds: Int64
    ) {
        self.id = id
        self.keyspace = keyspace
        self.table = table
        self.state = state
        self.startedSeconds = startedSeconds
    }
}

/// The hints that this node keeps for another.
package struct HintQueue: Hashable, Sendable {
    /// The node that they are for.
    package var target: NodeID
    /// How many there are.
    package var count: Int
    /// How many bytes they have on disk.
    package var bytes: Int
    /// When the oldest was made; nil if there is none.
    package var oldestMillis: Int64?

    /// The hints for a node.
    package init(target: NodeID, count: Int, bytes: Int, oldestMillis: Int64?) {
        self.target = target
        self.count = count
        self.bytes = bytes
        self.oldestMillis = oldestMillis
    }
}

/// A consumer's share of the node's memory limit.
package struct MemoryShare: Hashable, Sendable {
    /// Who consumes, such as `row cache`.
    package var consumer: String
    /// The most bytes that it may have; nil: it has no bound of its own.
    package var limitBytes: Int?
    /// The bytes that it has; nil: they are not measured.
    package var usedBytes: Int?

    /// A share of the memory.
    package init(consumer: String, limitBytes: Int?, usedBytes: Int?) {
        self.consumer = consumer
        self.limitBytes = limitBytes
        self.usedBytes = usedBytes
    }
}

/// What a cache did since the node started.
package struct CacheActivity: Hashable, Sendable {
    /// The cache, such as `rows` or `blocks`.
    package var name: String
    /// How many entries it has; nil: it does not tell.
    package var entries: Int?
    /// How many bytes they take.
    package var usedBytes: Int?
    /// How many bytes they may take.
    package var capacityBytes: Int?
    /// How many look-ups it answered.
    package var hits: Int
    /// How many look-ups went on to what is behind it.
    package var misses: Int
    /// How many entries made room for others; nil: it does not tell.
    package var evictions: Int?
    /// How many fills were dropped since a write had overtaken them; nil: it does not tell.
    package var staleFills: Int?

    /// What a cache did.
    package init(
        name: String,
        entries: Int? = nil,
        usedBytes: Int? = nil,
        capacityBytes: Int? = nil,
        hits: Int,
        misses: Int,
        evictions: Int? = nil,
        staleFills: Int? = nil
    ) {
        self.name = name
        self.entries = entries
        self.usedBytes = usedBytes
        self.capacityBytes = capacityBytes
        self.hits = hits
        self.misses = misses
        self.evictions = evictions
        self.staleFills = staleFills
    }
}

/// What one node alone knows about its own work: the connected node answers for itself.
package struct NodeActivity: Hashable, Sendable {
    /// The slices that it has replicas of, per table.
    package var sliceRepairs: [SliceRepair] = []
    /// The repairs that it ran.
    package var repairRuns: [RepairRun] = []
    /// The hints that it keeps.
    package var hints: [HintQueue] = []
    /// How its memory is divided.
    package var memory: [MemoryShare] = []
    /// What its caches did.
    package var caches: [CacheActivity] = []

    /// A node that has done nothing.
    package init() {}
}
