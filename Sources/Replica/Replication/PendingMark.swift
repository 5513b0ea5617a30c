package import PeerMessages

/// A dirty mark that is to be written, by the number that tells the ledger what became of it.
///
/// Until ``RepairLedger/persisted(_:)`` says that it is on disk, nobody may count on it.
package struct PendingMark: Hashable, Sendable {
    /// The mark.
    package let mark: DirtyMark
    /// Tells it from earlier and later ones of the same slice and target.
    let number: UInt64

    /// What makes it last.
    package var change: LocalChange { SliceKeys.put(mark) }
}
