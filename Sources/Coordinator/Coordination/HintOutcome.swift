/// What became of the hints for a replica.
package enum HintOutcome: Hashable, Sendable {
    /// All mutations are kept.
    case stored
    /// Not all are kept, and the slices of those that are not are marked on disk.
    case marked
    /// Neither is sure.
    case failed
}
