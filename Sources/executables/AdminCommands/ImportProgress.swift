internal import Foundation

/// What an import has done so far, as it is kept beside the file.
package struct ImportProgress: Codable, Hashable, Sendable {
    /// What must be the same for an import to go on: the file, the table and the cluster.
    package struct Identity: Codable, Hashable, Sendable {
        /// The size of the file.
        package var bytes: Int
        /// When the file was changed last, in seconds since 1970.
        package var modified: Double
        /// A hash of the file's first bytes.
        package var head: String
        /// The table's keyspace and name.
        package var table: String
        /// The table's id, so that a table which was dropped and made again is another one.
        package var tableID: String?

        /// The identity of an import.
        package init(
            bytes: Int,
            modified: Double,
            head: String,
            table: String,
            tableID: String? = nil
        ) {
            self.bytes = bytes
            self.modified = modified
            self.head = head
            self.table = table
            self.tableID = tableID
        }
    }

    /// Which import it is.
    package var identity: Identity
    /// The rows at the file's start that are all written or rejected.
    package var rows: Int
    /// How many of them were rejected.
    package var rejected: Int
    /// The byte behind them.
    package var offset: Int
    /// The line behind them.
    package var line: Int

    /// A progress.
    package init(identity: Identity, rows: Int, rejected: Int, offset: Int, line: Int) {
        self.identity = identity
        self.rows = rows
        self.rejected = rejected
        self.offset = offset
        self.line = line
    }

    /// The progress in a file, or nil if there is none for this import.
    package static func load(_ path: String, identity: Identity) -> ImportProgress? {
        guard let data = FileManager.default.contents(atPath: path),
            let progress = try? JSONDecoder().decode(ImportProgress.self, from: data),
            progress.identity == identity, progress.offset <= identity.bytes
        else { return nil }
        return progress
    }

    /// Writes the progress: to a file of its own first, synced, which then takes the name.
    package func save(_ path: String) throws {
        let temporary = path + ".new"
        let data = try JSONEncoder().encode(self)
        guard FileManager.default.createFile(atPath: temporary, contents: nil) else {
            throw ImportError("the progress file \(temporary) cannot be written")
        }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: temporary))
        try handle.write(contentsOf: data)
        try handle.synchronize()
        try handle.close()
        guard rename(temporary, path) == 0 else {
            throw ImportError("the progress file \(path) cannot be replaced")
        }
    }
}

/// Which rows at the start of a file are all done, though rows are done in any order.
package struct PrefixTracker: Sendable {
    /// A row that is done: where the next one starts, and whether it was rejected.
    package struct Mark: Hashable, Sendable {
        var offset: Int
        var line: Int
        var isRejected: Bool

        /// A mark behind a row.
        package init(offset: Int, line: Int, isRejected: Bool = false) {
            self.offset = offset
            self.line = line
            self.isRejected = isRejected
        }
    }

    /// The rows of the prefix.
    package private(set) var rows: Int
    /// The rejected ones among them.
    package private(set) var rejected: Int
    /// The byte behind them.
    package private(set) var offset: Int
    /// The line behind them.
    package private(set) var line: Int

    private var waiting: [Int: Mark] = [:]

    /// A tracker behind rows that are done.
    package init(rows: Int = 0, rejected: Int = 0, offset: Int, line: Int) {
        self.rows = rows
        self.rejected = rejected
        self.offset = offset
        self.line = line
    }

    /// A row, counted from 0, is done.
    package mutating func complete(_ row: Int, _ mark: Mark) {
        waiting[row] = mark
        while let next = waiting.removeValue(forKey: rows) {
            rows += 1
            offset = next.offset
            line = next.line
            if next.isRejected { rejected += 1 }
        }
    }
}

/// Why an import cannot go on.
package struct ImportError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    /// An error with a text.
    package init(_ description: String) { self.description = description }
}
