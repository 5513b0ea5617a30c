package import Catalog

/// The options that an ALTER TABLE changes; one that is nil stays as it is.
///
/// It names only what the statement named, so that two statements that were proposed at once never
/// undo each other.
package struct TableOptionsChange: Hashable, Sendable {
    /// The new comment.
    package var comment: String?
    /// The new time to live of cells that are written without one.
    package var defaultTimeToLiveSeconds: Int32?
    /// The new least age of the tombstones that are dropped.
    package var gcGraceSeconds: Int32?
    /// What acknowledged writes survive from now on.
    package var durability: TableDurability?

    /// A change of the given options.
    package init(
        comment: String? = nil,
        defaultTimeToLiveSeconds: Int32? = nil,
        gcGraceSeconds: Int32? = nil,
        durability: TableDurability? = nil
    ) {
        self.comment = comment
        self.defaultTimeToLiveSeconds = defaultTimeToLiveSeconds
        self.gcGraceSeconds = gcGraceSeconds
        self.durability = durability
    }

    /// The options after the change.
    package func applied(to options: TableOptions) -> TableOptions {
        TableOptions(
            comment: comment ?? options.comment,
            defaultTimeToLiveSeconds: defaultTimeToLiveSeconds ?? options.defaultTimeToLiveSeconds,
            gcGraceSeconds: gcGraceSeconds ?? options.gcGraceSeconds,
            durability: durability ?? options.durability
        )
    }
}
