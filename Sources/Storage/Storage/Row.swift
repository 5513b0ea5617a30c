import Catalog

/// A row or a write to one, decoded.
///
/// It is for writes, tests and tools; reads use ``RowView``.
package struct Row: Hashable, Sendable {
    /// What an INSERT leaves.
    package var marker: RowMarker?
    /// The deletion of the whole row.
    package var deletion: Deletion?
    /// Deletions of whole collections.
    package var collectionDeletions: [CollectionDeletion]
    /// Cells, in any order.
    package var cells: [Cell]

    /// A row with its parts.
    package init(
        marker: RowMarker? = nil,
        deletion: Deletion? = nil,
        collectionDeletions: [CollectionDeletion] = [],
        cells: [Cell] = []
    ) {
        self.marker = marker
        self.deletion = deletion
        self.collectionDeletions = collectionDeletions
        self.cells = cells
    }

    /// The row in stored bytes; its parts are in the order in which they are stored.
    package init(decoding bytes: [UInt8]) throws(RowFormatError) {
        let view = try RowView(validating: bytes)
        self.init(marker: view.marker, deletion: view.deletion)
        view.forEachEntry { entry in
            let value = Array(bytes[entry.value])
            let content: Cell.Content
            switch entry.kind {
            case .live: content = .live(value)
            case .expiring:
                let expiry = Expiry(
                    atSeconds: entry.seconds,
                    timeToLiveSeconds: entry.timeToLiveSeconds
                )
                content = .expiring(value, expiry)
            case .expired: content = .expired(atSeconds: entry.seconds)
            case .deleted: content = .deleted(deletionSeconds: entry.seconds)
            case .collectionDeletion:
                let deletion = Deletion(
                    timestamp: entry.timestamp,
                    deletionSeconds: entry.seconds
                )
                collectionDeletions.append(
                    CollectionDeletion(column: entry.column, deletion: deletion)
                )
                return
            }
            cells.append(
                Cell(
                    column: entry.column,
                    path: entry.path.map { Array(bytes[$0]) },
                    timestamp: entry.timestamp,
                    content: content
                )
            )
        }
    }

    /// The row's stored bytes, which are the same for the same row in whatever order its parts are.
    ///
    /// Where two parts are for the same cell, the one that wins a merge is kept; what a deletion
    /// in the row covers is left out.
    package func encoded() -> [UInt8] {
        let parts = (collectionDeletions.map(Part.init) + cells.map(Part.init))
            .sorted { $0.precedes($1) }
        let isUnique = zip(parts, parts.dropFirst()).allSatisfy { $0.precedes($1) }
        guard isUnique else {
            // One definition of who wins: that of merging.
            let header = Self.encode(marker: marker, deletion: deletion, [])
            return RowMerge.merge(
                [header] + parts.map { Self.encode(marker: nil, deletion: nil, [$0]) }
            )
        }
        return Self.encode(marker: marker, deletion: deletion, parts)
    }

    private static func encode(
        marker: RowMarker?,
        deletion: Deletion?,
        _ parts: [Part]
    ) -> [UInt8] {
        let capacity = parts.reduce(32) { $0 + 16 + $1.value.count + ($1.path?.count ?? 0) }
        var encoder = RowEncoder(deletion: deletion, marker: marker, capacity: capacity)
        var collectionDeletion: RowEntry?
        for part in parts {
            let entry = part.entry
            if let deletion, deletion.covers(entry.timestamp) { continue }
            if entry.kind == .collectionDeletion {
                collectionDeletion = entry
            } else if part.path != nil, let found = collectionDeletion,
                found.column == entry.column, entry.timestamp <= found.timestamp
            {
                continue
            }
            part.value.withUnsafeBytes { value in
                if let path = part.path {
                    path.withUnsafeBytes { encoder.append(entry, path: $0, value: value) }
                } else {
                    encoder.append(entry, path: nil, value: value)
                }
            }
        }
        return encoder.bytes
    }

    /// A cell or collection deletion as an entry, its bytes beside it.
    private struct Part {
        let entry: RowEntry
        let path: [UInt8]?
        let value: [UInt8]

        init(_ deletion: CollectionDeletion) {
            path = nil
            value = []
            entry = RowEntry(
                kind: .collectionDeletion,
                column: deletion.column,
                timestamp: deletion.deletion.timestamp,
                seconds: deletion.deletion.deletionSeconds,
                timeToLiveSeconds: 0,
                path: nil,
                value: 0..<0
            )
        }

        init(_ cell: Cell) {
            path = cell.path
            let kind: RowEntry.Kind
            var seconds: Int64 = 0
            var timeToLiveSeconds: Int32 = 0
            switch cell.content {
            case .live(let bytes):
                kind = .live
                value = bytes
            case .expiring(let bytes, let expiry):
                kind = .expiring
                value = bytes
                seconds = expiry.atSeconds
                timeToLiveSeconds = expiry.timeToLiveSeconds
            case .expired(let atSeconds):
                kind = .expired
                value = []
                seconds = atSeconds
            case .deleted(let deletionSeconds):
                kind = .deleted
                value = []
                seconds = deletionSeconds
            }
            entry = RowEntry(
                kind: kind,
                column: cell.column,
                timestamp: cell.timestamp,
                seconds: seconds,
                timeToLiveSeconds: timeToLiveSeconds,
                path: cell.path.map { 0..<$0.count },
                value: 0..<0
            )
        }

        /// Whether it stands before another one in a row; neither does where both are one cell.
        func precedes(_ other: Part) -> Bool {
            if entry.column != other.entry.column { return entry.column < other.entry.column }
            if entry.rank != other.entry.rank { return entry.rank < other.entry.rank }
            guard let path, let otherPath = other.path else { return false }
            return ByteOrder.precedes(path, otherPath)
        }
    }
}
