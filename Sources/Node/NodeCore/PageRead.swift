internal import Catalog
internal import PeerMessages
internal import Replication
internal import Storage
internal import TokenPlacement

extension ScanPage {
    /// Leaves out what lies behind a token, and says so if that is not the last that was asked for.
    mutating func cut(behind last: Token, of tokens: ClosedRange<Token>) {
        guard last < tokens.upperBound else { return }
        let count = rows.count
        rows.removeAll { $0.partition.token > last }
        if isComplete || rows.count < count { coveredTo = last }
        isComplete = false
    }
}

/// What a replica finds where it reads a page of its own rows: the page, checked row by row, or
/// what is wrong and where.
enum PageRead: Sendable {
    case page(ScanPage)
    /// A stored key is none of this program's.
    case badKey
    /// A stored row of a token cannot be decoded.
    case badRow(Token, RowFormatError)
    /// The disk is damaged in the slice of a token.
    case damaged(Token, StorageError)

    /// The keys of a page and its bounds.
    struct Bounds: Sendable {
        var table: TableID
        /// The tokens that may be read, as slices of a ring of so many.
        var tokens: ClosedRange<Token>
        var sliceCount: Int
        /// The partition behind which the page begins.
        var after: PartitionRef?
        var rowsMax: Int
        var bytesMax: Int

        /// The keys of some of the tokens.
        func keys(of tokens: ClosedRange<Token>) -> KeyRange {
            var range = RowKey.sliceRange(table: table, tokens: tokens)
            if let after {
                let key = RowKey(table: table, token: after.token, partitionKey: after.key)
                let start = key.encoded + [0]
                if range.lower.lexicographicallyPrecedes(start) { range.lower = start }
            }
            return range
        }
    }

    /// The most slices that are read one by one to find damage.
    private static let slicesMax = 4096

    /// Reads a page; waits for the disk.
    static func read(
        _ bounds: Bounds,
        in store: any StoreReading
    ) throws(StorageError) -> PageRead {
        let scan: StoreScan
        do throws(StorageError) {
            scan = try store.scan(
                bounds.keys(of: bounds.tokens),
                rowsMax: bounds.rowsMax,
                bytesMax: bounds.bytesMax
            )
        } catch {
            guard error.asDamage != nil else { throw error }
            return .damaged(damagedToken(bounds, in: store) ?? bounds.tokens.lowerBound, error)
        }
        var rows: [ScannedRow] = []
        rows.reserveCapacity(scan.entries.count)
        for entry in scan.entries {
            guard let key = try? RowKey(decoding: entry.key) else { return .badKey }
            do throws(RowFormatError) {
                _ = try RowView(validating: entry.row)
            } catch {
                return .badRow(key.token, error)
            }
            let partition = PartitionRef(token: key.token, key: key.partitionKey)
            rows.append(ScannedRow(partition: partition, row: entry.row))
        }
        return .page(ScanPage(rows: rows, isComplete: scan.isComplete))
    }

    /// A token of the slice in which a page met damage: its slices are read one by one, as far as
    /// the page could have come.
    private static func damagedToken(_ bounds: Bounds, in store: any StoreReading) -> Token? {
        let count = bounds.sliceCount
        let first = SliceID.slice(of: bounds.tokens.lowerBound, sliceCount: count)
        let last = SliceID.slice(of: bounds.tokens.upperBound, sliceCount: count)
        // The store looks one row further, to tell whether there is one.
        var rowsLeft = bounds.rowsMax + 1
        for slice in first...min(last, first + slicesMax) where rowsLeft > 0 {
            let tokens = SliceID.tokens(ofSlice: slice, sliceCount: count)
                .clamped(to: bounds.tokens)
            do throws(StorageError) {
                let scan = try store.scan(
                    bounds.keys(of: tokens),
                    rowsMax: rowsLeft,
                    bytesMax: bounds.bytesMax
                )
                rowsLeft -= scan.entries.count
            } catch {
                return error.asDamage != nil ? tokens.lowerBound : nil
            }
        }
        return nil
    }
}
