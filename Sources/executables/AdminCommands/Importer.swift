internal import Foundation
internal import Martlet

/// Writes the rows of a CSV file into a table.
struct Importer {
    /// What an import is told.
    struct Settings: Sendable {
        var file: String
        var keyspace: String
        var table: String
        var timestampColumn: String?
        var timestampUnit = TimestampUnit.milliseconds
        var consistency = Consistency.quorum
        var concurrency = 256
        var resumes = true
        var progressFile: String
        var null = ""
        var errorsMax = 0
    }

    /// What an import has done.
    struct Summary {
        var rows: Int
        var resumedAt: Int
        var rejected: Int
        var seconds: Double

        var rowsPerSecond: Double { seconds > 0 ? Double(rows - resumedAt) / seconds : 0 }
    }

    private static let chunkBytes = 1 << 18

    let settings: Settings
    let client: MartletClient
    let reporter: ImportReporter

    /// Imports the file.
    ///
    /// - Throws: ``ImportError`` that says where it stopped; what was done until then is in the
    ///   progress file.
    func run() async throws -> Summary {
        let clock = ContinuousClock()
        let start = clock.now
        let (tableID, columns) = try await tableColumns()
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: settings.file))
        defer { try? file.close() }
        let identity = try identity(of: file, tableID: tableID)
        var reader = CSVReader(file: file, chunkBytes: Self.chunkBytes)
        guard let header = try reader.next() else {
            throw ImportError("\(settings.file) is empty; its first line must name the columns")
        }
        let plan: ImportPlan
        do {
            plan = try ImportPlan(
                table: "\(settings.keyspace).\(settings.table)",
                header: header.fields.map(\.text),
                columns: columns,
                timestampColumn: settings.timestampColumn,
                timestampUnit: settings.timestampUnit,
                null: settings.null
            )
        } catch {
            throw ImportError("\(settings.file), \(error)")
        }
        var tracker = PrefixTracker(offset: header.endOffset, line: header.nextLine)
        if settings.resumes,
            let done = ImportProgress.load(settings.progressFile, identity: identity),
            done.offset >= header.endOffset
        {
            tracker = PrefixTracker(
                rows: done.rows,
                rejected: done.rejected,
                offset: done.offset,
                line: done.line
            )
            try reader.seek(offset: done.offset, line: done.line)
        }
        let resumedAt = tracker.rows
        reporter.begin(bytes: identity.bytes, resumedAt: resumedAt)
        do {
            try await write(&reader, plan, &tracker, identity)
        } catch {
            try? save(tracker, identity)
            reporter.end()
            throw error
        }
        reporter.end()
        // It has done its duty; a later import of the same file shall write it again.
        try? FileManager.default.removeItem(atPath: settings.progressFile)
        let (seconds, attoseconds) = (clock.now - start).components
        return Summary(
            rows: tracker.rows,
            resumedAt: resumedAt,
            rejected: tracker.rejected,
            seconds: Double(seconds) + Double(attoseconds) / 1e18
        )
    }

    private func write(
        _ reader: inout CSVReader,
        _ plan: ImportPlan,
        _ tracker: inout PrefixTracker,
        _ identity: ImportProgress.Identity
    ) async throws {
        let writer = RowWriter(
            client: client,
            statement: try await client.prepare(plan.insert),
            plan: plan,
            file: settings.file,
            consistency: settings.consistency
        )
        let clock = ContinuousClock()
        var savedAt = clock.now
        var errors = tracker.rejected
        var row = tracker.rows
        // A row that takes long must not make the others' marks pile up.
        let windowMax = 16 * settings.concurrency
        try await withThrowingTaskGroup(of: RowWriter.Done.self) { group in
            var underWay = 0
            while true {
                let record = try reader.next()
                if let record {
                    let number = row
                    row += 1
                    underWay += 1
                    group.addTask { try await writer.write(number, record) }
                }
                let isOver = record == nil
                while underWay > 0,
                    isOver || underWay >= settings.concurrency || row - tracker.rows >= windowMax
                {
                    guard let done = try await group.next() else { break }
                    underWay -= 1
                    if let rejection = done.rejection {
                        reporter.reject(rejection)
                        errors += 1
                        guard errors <= settings.errorsMax else {
                            throw ImportError(
                                """
                                stopped at \(settings.file), \(rejection); \(errors) rows are \
                                bad, --max-errors is \(settings.errorsMax)
                                """
                            )
                        }
                    }
                    tracker.complete(done.row, done.mark)
                    reporter.update(rows: tracker.rows, offset: tracker.offset)
                    if clock.now - savedAt > .seconds(1) {
                        try save(tracker, identity)
                        savedAt = clock.now
                    }
                }
                if isOver { return }
            }
        }
    }

    private func save(_ tracker: PrefixTracker, _ identity: ImportProgress.Identity) throws {
        let progress = ImportProgress(
            identity: identity,
            rows: tracker.rows,
            rejected: tracker.rejected,
            offset: tracker.offset,
            line: tracker.line
        )
        try progress.save(settings.progressFile)
    }

    private func identity(
        of file: FileHandle,
        tableID: String?
    ) throws -> ImportProgress.Identity {
        let attributes = try FileManager.default.attributesOfItem(atPath: settings.file)
        let head = try file.read(upToCount: 1 << 16) ?? Data()
        try file.seek(toOffset: 0)
        // FNV-1a: it tells files apart that only look alike, and need not withstand an attacker.
        let hash = head.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3
        }
        let modified = attributes[.modificationDate] as? Date
        return ImportProgress.Identity(
            bytes: (attributes[.size] as? NSNumber)?.intValue ?? 0,
            modified: modified?.timeIntervalSince1970 ?? 0,
            head: String(hash, radix: 16),
            table: "\(settings.keyspace).\(settings.table)",
            tableID: tableID
        )
    }

    /// The id and the columns of the table.
    private func tableColumns() async throws -> (String?, [ImportPlan.TableColumn]) {
        let condition = """
            WHERE keyspace_name = \(quotedLiteral(settings.keyspace)) \
            AND table_name = \(quotedLiteral(settings.table))
            """
        let columns = try await client.execute(
            "SELECT * FROM system_schema.columns \(condition)",
            consistency: .one
        )
        guard !columns.isEmpty else {
            throw ImportError("there is no table \(settings.keyspace).\(settings.table)")
        }
        let table = try await client.execute(
            "SELECT * FROM system_schema.tables \(condition)",
            consistency: .one
        )
        let kinds: Set = ["partition_key", "clustering"]
        return (
            try table.first?.get("id", as: String.self),
            try columns.map { row in
                ImportPlan.TableColumn(
                    try row.get("column_name"),
                    try row.get("type"),
                    isKey: kinds.contains(try row.get("kind", as: String.self))
                )
            }
        )
    }
}
