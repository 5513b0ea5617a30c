internal import Martlet

/// Writes one row of a file, whatever it takes.
struct RowWriter: Sendable {
    /// A row that is written or rejected.
    struct Done: Sendable {
        var row: Int
        var mark: PrefixTracker.Mark
        var rejection: RowRejection?
    }

    private static let attemptsMax = 6

    let client: MartletClient
    let statement: PreparedStatement
    let plan: ImportPlan
    let file: String
    let consistency: Consistency

    /// Writes a row, and writes it again while that may help.
    ///
    /// - Throws: ``ImportError`` if it cannot be written for a reason that is not the row's own.
    func write(_ number: Int, _ record: CSVRecord) async throws -> Done {
        var mark = PrefixTracker.Mark(offset: record.endOffset, line: record.nextLine)
        let row: ImportPlan.WritableRow
        do {
            row = try plan.row(record)
        } catch {
            mark.isRejected = true
            return Done(row: number, mark: mark, rejection: error)
        }
        var pause = Duration.milliseconds(50)
        for attempt in 1... {
            do {
                try await client.execute(
                    statement,
                    values: row.values,
                    consistency: consistency,
                    timestamp: row.timestamp,
                    isIdempotent: true
                )
                break
            } catch let error as MartletError {
                if [.invalid, .invalidValue].contains(error.code) {
                    mark.isRejected = true
                    let rejection = RowRejection(line: record.line, problem: error.message)
                    return Done(row: number, mark: mark, rejection: rejection)
                }
                guard Self.retried.contains(error.code), attempt < Self.attemptsMax else {
                    throw ImportError(
                        """
                        stopped at \(file), line \(record.line): \(error); run the same \
                        command again to go on from there
                        """
                    )
                }
                // An INSERT with the same values can be repeated.
                try await Task.sleep(for: pause)
                pause *= 2
            }
        }
        return Done(row: number, mark: mark)
    }

    private static let retried: Set<MartletError.Code> = [
        .unavailable, .writeTimeout, .writeFailure, .overloaded, .bootstrapping,
        .connectionFailed, .connectionLost, .requestTimedOut, .clientOverloaded,
    ]
}
