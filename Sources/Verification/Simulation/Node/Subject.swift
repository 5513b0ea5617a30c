package import Catalog
package import ClusterLog
package import HistoryChecking
package import PeerMessages
package import Storage
package import TokenPlacement

/// The cluster as it stands on every disk at the start of a run.
package struct ClusterSetup: Sendable {
    /// The nodes, by their places.
    package let nodeIDs: [NodeID]
    /// The log that made the cluster.
    package let entries: [LogEntry]
    /// The state after it.
    package let state: ClusterState
    /// The tables that the clients use.
    package let tables: [TableDefinition]
    /// Where their rows are.
    package let placement: ReplicaTable

    /// The slices of the ring.
    package var sliceCount: Int { state.slices?.sliceCount ?? 1 }

    /// The places of the nodes that hold a partition.
    package func replicas(of token: Token) -> [Int] {
        placement.replicas(of: token).compactMap { nodeIDs.firstIndex(of: $0) }
    }

    /// The datacenter of a node.
    package func datacenter(of node: Int) -> String {
        state.nodes[nodeIDs[node]]?.location.datacenter ?? ""
    }
}

/// What a program gets for one life.
package struct SubjectContext {
    /// The node's place.
    package let node: Int
    /// The cluster.
    package let setup: ClusterSetup
    /// Loops, clocks and the store.
    package let life: NodeLife
}

/// What a program is to draw its own bounds and times for.
package struct Circumstances: Sendable {
    /// Whether limits are far smaller than anybody would set them.
    package var isTiny = false
    /// Whether deletions are to be forgotten within seconds.
    package var isSweeping = false
    /// What clocks may differ by at the most, in seconds, as nodes are told.
    package var clockMarginSeconds: Int64 = 11

    /// Those of a calm run.
    package init() {}
}

/// What the checkers may count on with a program.
package struct ProgramLimits: Sendable {
    /// How long requests may take; nil: it is not asked.
    package var times: RequestTimes?
    /// How long hints are kept, in seconds.
    package var hintWindowSeconds: Int64 = 30

    /// The limits of a program that says nothing of them.
    package init() {}
}

/// What the simulator puts on trial: the program of a node.
package protocol SubjectProgram {
    /// What it can do; the rest is not asked of it.
    var features: SubjectFeatures { get }
    /// What the checkers may count on.
    var limits: ProgramLimits { get }
    /// Draws its bounds and times, before anything else is asked of it.
    mutating func tune(for circumstances: Circumstances, _ random: inout SimulatedRandom)
    /// Writes what a disk holds before its node starts for the first time.
    ///
    /// - Parameters:
    ///   - store: the empty store.
    ///   - node: the node's place.
    ///   - setup: the cluster.
    ///   - isReplacement: whether it takes the place of a disk that was lost.
    ///   - survivors: the other nodes' stores, if it does.
    /// - Throws: what the store says.
    func prepareDisk(
        _ store: any StoreBackend,
        node: Int,
        setup: ClusterSetup,
        isReplacement: Bool,
        survivors: [any StoreBackend]
    ) throws
    /// Takes all hints from a disk whose node is down, with all that the program does at a start at
    /// which it finds them damaged.
    ///
    /// - Parameters:
    ///   - store: the store.
    ///   - nowSeconds: the node's wall clock.
    /// - Returns: whether the program has hints.
    /// - Throws: what the store says.
    func loseHints(in store: any StoreBackend, nowSeconds: Int64) throws -> Bool
    /// Puts the program of one life together from what is on the disk; nothing runs yet.
    func makeSubject(_ context: SubjectContext) throws -> any Subject
}

extension SubjectProgram {
    /// Programs that say nothing of their limits.
    package var limits: ProgramLimits { ProgramLimits() }

    /// Programs whose bounds and times are fixed.
    package mutating func tune(
        for circumstances: Circumstances,
        _ random: inout SimulatedRandom
    ) {}

    /// Programs without hints.
    package func loseHints(in store: any StoreBackend, nowSeconds: Int64) throws -> Bool { false }
}

/// What a program can do.
package struct SubjectFeatures: OptionSet, Sendable {
    /// The bits.
    package let rawValue: UInt32

    /// The features with the given bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Logged batches.
    package static let batches = SubjectFeatures(rawValue: 1)
    /// Range scans.
    package static let scans = SubjectFeatures(rawValue: 2)
    /// Scoring.
    package static let scores = SubjectFeatures(rawValue: 4)
    /// Level ANY, with hints.
    package static let any = SubjectFeatures(rawValue: 8)
    /// Changes of the schema.
    package static let schema = SubjectFeatures(rawValue: 16)
    /// Damaged and lost disks are found and rebuilt.
    package static let rebuilding = SubjectFeatures(rawValue: 32)
}

/// The program of a node in one life.
package protocol Subject: AnyObject {
    /// Begins to run; on the first loop.
    func start()
    /// It crashed: lets go of everything; nothing else is called any more.
    func end()
    /// Who answers other nodes on a loop.
    func receiver(loop: Int) -> any PeerReceiver
    /// Who answers clients on a loop; used on that loop only.
    func port(loop: Int) -> any ClientPort
    /// What still has to be done before the cluster is at rest, in words: hints, batches, repairs;
    /// nil if nothing.
    var unrest: String? { get }
    /// The tables that were there once and are not any more.
    var formerTables: [TableID] { get }
}

extension Subject {
    /// Programs whose tables stay.
    package var formerTables: [TableID] { [] }
}
