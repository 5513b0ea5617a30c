internal import Catalog
package import PeerMessages
package import TokenPlacement

/// Writes a logged batch that a node keeps and whose coordinator did not say that it is done.
///
/// The mutations keep their timestamps, so that writing them twice changes nothing. All replicas
/// are written, the dead and the failing by durable hints or marks, and the entry goes only when
/// all are.
package struct BatchReplay: Sendable {
    /// What a keeper does with an entry.
    package enum Decision: Hashable, Sendable {
        /// Write it.
        case replay
        /// Leave its slices to repair and drop it: deletions which it would undo may be purged.
        case expired
    }

    /// What the shell must do.
    package enum Action: Equatable, Sendable {
        /// Send the batch's mutations with these places to a node (perhaps this one).
        case write(to: NodeID, mutations: [Int])
        case hint(for: NodeID, mutations: [Int], synced: Bool)
        /// Forget the entry: it is written everywhere.
        case remove
        /// Keep the entry, and replay it later once more.
        case keep
    }

    private var writer: WriteMachine
    /// The places in the batch of the mutations that are written.
    private let places: [Int]
    private var isComplete = false

    /// What becomes of an entry whose coordinator is held to be dead.
    ///
    /// If it is not, there is no harm: both write the same.
    ///
    /// Both times are of one clock, the keeper's, so that nobody else's can make the entry expire.
    /// One that seems to come from the future was received before that clock was corrected: how
    /// old it is, is not known, and it is written.
    ///
    /// - Parameters:
    ///   - receivedMicros: when the keeper took the entry.
    ///   - nowMicros: the time now.
    ///   - ageMaxSeconds: how old it may be, as the function of this name says.
    /// - Returns: what the keeper must do with it now.
    package static func decision(
        receivedMicros: Int64,
        nowMicros: Int64,
        ageMaxSeconds: Int64
    ) -> Decision {
        let (age, isOver) = nowMicros.subtractingReportingOverflow(receivedMicros)
        guard !isOver else { return nowMicros > receivedMicros ? .expired : .replay }
        return age / 1_000_000 >= ageMaxSeconds ? .expired : .replay
    }

    /// For how long the mutations of an entry may be written.
    ///
    /// They may undo a deletion that came later, once it is purged. It is purged after the grace
    /// period of its table and not before a repair that began a hint window after it, so that the
    /// greater of the two is safe: the hint window alone would drop what a power cut of hours left
    /// half written. The margin is for clocks that differ.
    ///
    /// - Parameters:
    ///   - hintWindowSeconds: how old a hint may be when it is written.
    ///   - skewMarginSeconds: by how much clocks may differ.
    ///   - gcGraceSeconds: the grace periods of the tables that the entry writes to.
    /// - Returns: the age at which the entry expires.
    package static func ageMaxSeconds(
        hintWindowSeconds: Int64,
        skewMarginSeconds: Int64,
        gcGraceSeconds: [Int64]
    ) -> Int64 {
        guard let grace = gcGraceSeconds.min() else { return hintWindowSeconds }
        return max(hintWindowSeconds, grace - skewMarginSeconds)
    }

    /// A machine for one entry.
    ///
    /// Each mutation has its keyspace; nil where the table is no more, so that it is left out.
    ///
    /// - Throws: ``CoordinationError`` if the ring has no owners yet, or a keyspace is no more.
    package init(
        batch: StoredBatch,
        keyspaces: [String?],
        view: ClusterView
    ) throws(CoordinationError) {
        precondition(
            keyspaces.count == batch.mutations.count,
            "\(keyspaces.count) keyspaces for \(batch.mutations.count) mutations"
        )
        places = keyspaces.indices.filter { keyspaces[$0] != nil }
        writer = try WriteMachine(
            partitions: places.map { batch.mutations[$0].partition },
            keyspaces: keyspaces.compactMap { $0 },
            view: view,
            consistency: .any,
            type: .batch,
            isLogged: true
        )
    }

    // MARK: Events

    /// Sends everything.
    package mutating func start(_ actions: inout [Action]) {
        feed(&actions) { $0.start(&$1) }
    }

    /// A node has written all its mutations.
    package mutating func acknowledged(by node: NodeID, actions: inout [Action]) {
        feed(&actions) { $0.acknowledged(by: node, actions: &$1) }
    }

    /// A node could not write, or its connection was lost.
    package mutating func failed(
        at node: NodeID,
        _ failure: PeerFailure,
        actions: inout [Action]
    ) {
        feed(&actions) { $0.failed(at: node, failure, actions: &$1) }
    }

    /// A node's hint is stored, or marks stand in its place, or neither.
    package mutating func hintEnded(
        for node: NodeID,
        _ outcome: HintOutcome,
        actions: inout [Action]
    ) {
        feed(&actions) { $0.hintEnded(for: node, outcome, actions: &$1) }
    }

    /// The write time-out is over: who has not acknowledged gets a hint.
    package mutating func timedOut(_ actions: inout [Action]) {
        feed(&actions) { $0.timedOut(&$1) }
    }

    // MARK: Queries

    /// Whether it was said what becomes of the entry.
    package var isFinished: Bool { isComplete }

    // MARK: Helpers

    private mutating func feed(
        _ actions: inout [Action],
        _ event: (inout WriteMachine, inout [WriteMachine.Action]) -> Void
    ) {
        guard !isComplete else { return }
        var written: [WriteMachine.Action] = []
        event(&writer, &written)
        for action in written {
            switch action {
            case .write(let node, let mutations):
                actions.append(.write(to: node, mutations: mutations.map { places[$0] }))
            case .hint(let node, let mutations, let isSynced):
                actions.append(
                    .hint(for: node, mutations: mutations.map { places[$0] }, synced: isSynced)
                )
            // Nobody waits for the level: only completeness counts.
            case .succeed, .fail: continue
            }
        }
        guard writer.isComplete else { return }
        isComplete = true
        actions.append(writer.isEverywhere ? .remove : .keep)
    }
}
