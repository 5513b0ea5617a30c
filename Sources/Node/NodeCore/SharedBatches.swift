package import Coordination
internal import Synchronization

/// The accounts of the logged batches that a node keeps, shared by its loops.
package final class SharedBatches: Sendable {
    /// What the ages of batches are measured by.
    let clock: SteadyClock
    private let book: Mutex<BatchBook>

    /// The accounts of what was found on disk, at a monotonic time.
    package init(
        settings: BatchLogSettings,
        records: UpkeepRecords,
        clock: SteadyClock,
        now: Duration
    ) {
        self.clock = clock
        var book = BatchBook(settings: settings)
        let nowMicros = clock.micros(at: now)
        for batch in records.batches {
            book.restore(batch.id, bytes: batch.valueBytes, nowMicros: nowMicros)
        }
        self.book = Mutex(book)
    }

    /// Works with the accounts.
    func withBook<Value>(_ body: (inout BatchBook) -> sending Value) -> sending Value {
        book.withLock { body(&$0) }
    }
}
