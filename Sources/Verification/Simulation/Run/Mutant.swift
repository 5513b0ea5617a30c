/// Deliberate mistakes that the checkers must find; each is planted by configuration only.
package enum Mutant: String, Hashable, Sendable, CaseIterable {
    /// A read at any level asks one replica only.
    case readAtOneReplica
    /// The writer answers before it has synced.
    case ackBeforeSync
    /// A hint is deleted before its target acknowledged it.
    case droppedHint
    /// The sweeper purges before grace period and repair.
    case earlyPurge
    /// Replicas that were found stale are not repaired.
    case skippedReadRepair
    /// The cache takes in what was read before a write.
    case staleCacheFill
    /// A node that lost its disk answers reads at once.
    case wipedNodeAnswers

    /// The scenario in which the mistake shows best.
    package var scenario: Scenario {
        switch self {
        case .readAtOneReplica, .skippedReadRepair: .partitions
        case .ackBeforeSync: .crashRecover
        case .droppedHint: .crashRecover
        case .earlyPurge: .partitions
        case .staleCacheFill: .calm
        case .wipedNodeAnswers: .diskFaults
        }
    }

    /// The seeds within which it must be found.
    package var seedsMax: Int {
        switch self {
        case .readAtOneReplica, .droppedHint: 100
        case .skippedReadRepair, .ackBeforeSync, .staleCacheFill, .earlyPurge: 500
        case .wipedNodeAnswers: 1500
        }
    }
}
