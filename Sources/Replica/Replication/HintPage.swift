import Catalog
import PeerMessages
import TokenPlacement

/// What is to become of the hints of one page.
struct HintPage {
    /// A page as it was read.
    struct Read {
        /// Keys and values.
        var hints: [(key: [UInt8], value: [UInt8])]
        /// By which ages are judged.
        var steadyMicros: Int64
        /// Since when the slices count as dirty whose hints are given up.
        var nowSeconds: Int64
    }

    /// To be sent, in the order of their keys.
    private(set) var hints: [HintDispatcher.Hint] = []
    /// Of no use: too old, for a table that is gone, or unreadable.
    private(set) var removals: [HintDispatcher.Removal] = []
    /// The slices for which repair must do what hints of no use would have done.
    private(set) var marks: Set<DirtyMark> = []
    /// Whether hints stay as they are for now.
    private(set) var hasKept = false
    /// Where the next page begins.
    private(set) var cursor: [UInt8]?

    private let tables: Set<TableID>
    private let nextTable: TableID

    init(tables: Set<TableID>, nextTable: TableID) {
        self.tables = tables
        self.nextTable = nextTable
    }

    /// Sorts the hints for a node that is alive.
    mutating func sort(
        _ page: Read,
        settings: HintSettings
    ) {
        for (key, value) in page.hints {
            cursor = HintKeys.behind(key)
            let removal = HintDispatcher.Removal(key: key, valueBytes: value.count)
            guard let parts = HintKey(decoding: key) else {
                removals.append(removal)
                continue
            }
            guard let mutation = try? Mutation(decoding: value) else {
                discard(removal, parts, nil, page)
                continue
            }
            if Self.isExpired(parts, settings, page.steadyMicros) {
                discard(removal, parts, mutation.table, page)
            } else if tables.contains(mutation.table) {
                hints.append(
                    HintDispatcher.Hint(removal: removal, key: parts, mutation: mutation)
                )
            } else if mutation.table < nextTable {
                removals.append(removal)
            } else {
                hasKept = true
            }
        }
    }

    /// Finds the hints that are too old, of a node that is down.
    ///
    /// In a slice they come first: where one is young enough the rest of its slice is passed over.
    mutating func takeExpired(
        _ page: Read,
        for node: NodeID,
        settings: HintSettings
    ) {
        for (key, value) in page.hints {
            cursor = HintKeys.behind(key)
            let removal = HintDispatcher.Removal(key: key, valueBytes: value.count)
            guard let parts = HintKey(decoding: key) else {
                removals.append(removal)
                continue
            }
            guard Self.isExpired(parts, settings, page.steadyMicros) else {
                guard parts.slice < Int(UInt32.max) else { continue }
                cursor = HintKeys.start(of: node, slice: parts.slice + 1)
                return
            }
            discard(removal, parts, (try? Mutation(decoding: value))?.table, page)
        }
    }

    /// The marks of hints that are given up.
    static func marks(of hints: [HintDispatcher.Hint], nowSeconds: Int64) -> [DirtyMark] {
        sorted(
            Set(
                hints.map { hint in
                    DirtyMark(
                        table: hint.mutation.table,
                        slice: hint.key.slice,
                        target: hint.key.target,
                        sinceSeconds: nowSeconds
                    )
                }
            )
        )
    }

    /// Marks by slice and target.
    static func sorted(_ marks: Set<DirtyMark>) -> [DirtyMark] {
        marks.sorted {
            (SliceID($0.table, $0.slice), $0.target) < (SliceID($1.table, $1.slice), $1.target)
        }
    }

    /// Whether a hint may not be sent any more.
    ///
    /// One from the future was made before the clock was set back: its age is not known, so that
    /// it counts as too old.
    private static func isExpired(
        _ key: HintKey,
        _ settings: HintSettings,
        _ steadyMicros: Int64
    ) -> Bool {
        let (age, isOver) = steadyMicros.subtractingReportingOverflow(key.createdMicros)
        if isOver { return true }
        return age > settings.windowSeconds * 1_000_000
            || age < -settings.skewMarginSeconds * 1_000_000
    }

    /// Gives a hint up and leaves its slice to repair; without a table, that of every table.
    private mutating func discard(
        _ removal: HintDispatcher.Removal,
        _ key: HintKey,
        _ table: TableID?,
        _ page: Read
    ) {
        removals.append(removal)
        for table in table.map({ [$0] }) ?? tables.sorted() where tables.contains(table) {
            marks.insert(
                DirtyMark(
                    table: table,
                    slice: key.slice,
                    target: key.target,
                    sinceSeconds: page.nowSeconds
                )
            )
        }
    }
}
