package import Storage

/// Looks through a slice for what cannot be read: damaged blocks, and rows that cannot be decoded.
///
/// A page at a time, so that a pool is not held by one slice.
package struct DamageSearch: Sendable {
    /// What is known of a slice after looking through it.
    package enum Finding: Hashable, Sendable {
        /// All of it can be read.
        case sound
        /// It is damaged, as is whatever lies in the range, if the store knows one.
        case damaged(KeyRange?)
        /// The disk refused to give a part of it, which may lie in the range: once may be chance.
        case refused(KeyRange?)
    }

    private static let pageRowsMax = 1000
    private static let pageBytesMax = 1 << 20

    /// What is left to look through.
    private var rest: KeyRange
    /// The bytes of keys and rows that were read so far.
    package private(set) var bytesRead = 0

    /// A search of a range of keys.
    package init(_ range: KeyRange) { rest = range }

    /// Reads the next page.
    ///
    /// - Returns: nil if there is more to look through.
    /// - Throws: what says nothing of the slice: the store is closed, or the process may open no more files.
    package mutating func step(in store: any StoreReading) throws(StorageError) -> Finding? {
        let page: StoreScan
        do throws(StorageError) {
            page = try store.scan(rest, rowsMax: Self.pageRowsMax, bytesMax: Self.pageBytesMax)
        } catch {
            guard error.asDamage != nil else { throw error }
            let range = store.damagedRange(error)
            return if case .corruption = error { .damaged(range) } else { .refused(range) }
        }
        for entry in page.entries {
            bytesRead += entry.key.count + entry.row.count
            // Replicas refuse to write what they cannot decode, so that the disk did this.
            guard entry.row.withUnsafeBytes({ RowMerge.isRow($0) }),
                (try? RowKey(decoding: entry.key)) != nil
            else { return .damaged(nil) }
        }
        guard !page.isComplete, let last = page.entries.last else { return .sound }
        rest.lower = last.key + [0]
        return nil
    }
}
