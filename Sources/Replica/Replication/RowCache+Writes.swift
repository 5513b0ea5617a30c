package import Storage
internal import Synchronization

/// What the writer tells the cache, on the writer's thread.
extension RowCache: WriteObserver {
    package func writesWillBegin(_ batches: [StoreWrites]) {
        for batch in batches {
            for (key, _) in batch.merges {
                withStripe(of: key) { $0.begin($1, encoded: $2) }
            }
        }
    }

    package func writesDidEnd(_ batches: [StoreWrites], failed: Bool) {
        // Most rows are not cached: their writes end at once. Of the others those of one row are
        // merged together, since the store shows a group as a whole.
        var cached: [CachedWrite] = []
        for (batch, writes) in batches.enumerated() {
            for (index, write) in writes.merges.enumerated() {
                withStripe(of: write.key) { stripe, position, key in
                    if !failed, let found = stripe.row(position, encoded: key) {
                        cached.append(
                            CachedWrite(
                                hash: position.hash,
                                entry: found.number,
                                batch: batch,
                                index: index
                            )
                        )
                    } else {
                        stripe.drop(position, encoded: key)
                        stripe.end()
                    }
                }
            }
        }
        guard !cached.isEmpty else { return }
        cached.sort { $0.sortKey < $1.sortKey }
        var start = 0
        while start < cached.count {
            let end =
                cached[start...].firstIndex { !$0.isOfSameEntry(as: cached[start]) }
                ?? cached.count
            let writes = cached[start..<end].map { batches[$0.batch].merges[$0.index] }
            merge(writes.map(\.operand), into: writes[0].key)
            start = end
        }
        for write in cached {
            withStripe(of: batches[write.batch].merges[write.index].key) { stripe, _, _ in
                stripe.end()
            }
        }
    }

    package func rowsWillBeReplaced(_ keys: [[UInt8]]) {
        for key in keys {
            withStripe(of: key) { stripe, position, key in
                stripe.begin()
                stripe.drop(position, encoded: key)
            }
        }
    }

    package func rowsReplaced(_ keys: [[UInt8]], failed: Bool) {
        for key in keys { withStripe(of: key) { stripe, _, _ in stripe.end() } }
    }

    package func rowsWillBeDeleted(in range: KeyRange) {
        let span = RowCacheSpan(range)
        for stripe in stripes {
            stripe.state.withLock {
                $0.begin()
                $0.clear(span)
            }
        }
    }

    package func rowsDeleted(in range: KeyRange, failed: Bool) {
        for stripe in stripes { stripe.state.withLock { $0.end() } }
    }

    /// A write whose row was cached when it ended.
    private struct CachedWrite {
        let hash: UInt64
        let entry: Int
        let batch: Int
        let index: Int

        var sortKey: (UInt64, Int, Int, Int) { (hash, entry, batch, index) }

        func isOfSameEntry(as other: Self) -> Bool { hash == other.hash && entry == other.entry }
    }

    /// Merges operands into a cached row, outside of the lock.
    private func merge(_ operands: [[UInt8]], into key: [UInt8]) {
        var found: (number: Int, row: [UInt8]?)?
        withStripe(of: key) { found = $0.row($1, encoded: $2) }
        guard let found else { return }
        let row = RowMerge.merge((found.row.map { [$0] } ?? []) + operands)
        withStripe(of: key) { $0.update($1, encoded: $2, from: found.row, to: row) }
    }

    /// Gives the stripe of a storage key to `body`; of what cannot be a row's key nothing is cached.
    private func withStripe(
        of key: [UInt8],
        _ body: (inout RowCacheStripe, RowCachePosition, UnsafeRawBufferPointer) -> Void
    ) {
        key.withUnsafeBytes { key in
            guard let position = RowCachePosition(encoded: key) else { return }
            stripes[index(position.hash)].state.withLock { body(&$0, position, key) }
        }
    }
}
