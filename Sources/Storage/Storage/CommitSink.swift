/// What became of one submitted batch.
package struct CommitOutcome: Equatable, Sendable {
    /// The number that the submitter gave.
    package let ticket: UInt64
    /// Why the batch is not known to be written, or nil: it is, and as durable as promised.
    package let error: StorageError?

    /// The outcome of the batch `ticket`.
    package init(ticket: UInt64, error: StorageError?) {
        self.ticket = ticket
        self.error = error
    }
}

/// Takes the outcomes of batches: an event loop's inbox, say.
package protocol CommitSink: AnyObject, Sendable {
    /// Called once per commit with the outcomes of this sink's batches, in their order of
    /// submission.
    ///
    /// Runs on the writer thread, so it only hands over, and calls neither `commit` nor `close`.
    /// The one exception: batches submitted after `close` are answered on the submitter's thread.
    func committed(_ outcomes: [CommitOutcome])
}
