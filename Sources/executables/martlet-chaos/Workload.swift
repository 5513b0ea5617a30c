internal import Catalog
internal import Foundation
internal import HistoryChecking
internal import Martlet
internal import Simulation

/// Clients that read and write few keys, many times each, and go on to other keys all the time.
struct Workload: Sendable {
    static let columns = [0, 1, 2]
    private static let keysAtOnce = 200
    private static let operationsPerKey = 100
    private static let paddingMax = 100

    let client: MartletClient
    let recorder: Recorder
    /// The level that requests really have.
    let sentLevel: Consistency
    let operationsPerSecond: Int
    let workers: Int

    /// Makes the keyspace and the table; tombstones may go soon.
    ///
    /// A machine that has just started several nodes may be too busy to answer in time.
    func createTable(replicas: Int) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(60)
        while true {
            do {
                return try await tryToCreateTable(replicas: replicas)
            } catch {
                guard clock.now < deadline else { throw error }
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    private func tryToCreateTable(replicas: Int) async throws {
        try await client.execute(
            """
            CREATE KEYSPACE IF NOT EXISTS chaos WITH replication = \
            {'class': 'NetworkTopologyStrategy', 'datacenter1': \(replicas)}
            """
        )
        try await client.execute(
            """
            CREATE TABLE IF NOT EXISTS chaos.t (k int PRIMARY KEY, c0 blob, c1 blob, c2 blob) \
            WITH gc_grace_seconds = 30
            """
        )
    }

    /// Runs until the task is cancelled.
    func run(seed: UInt64) async {
        await withTaskGroup { group in
            for worker in 0..<workers {
                let random = SimulatedRandom(seed: seed).forked("worker", worker)
                group.addTask { await work(worker, random) }
            }
        }
    }

    private func work(_ worker: Int, _ random: SimulatedRandom) async {
        var random = random
        let clock = ContinuousClock()
        let interval = Duration.seconds(1) * workers / operationsPerSecond
        var next = clock.now + interval * Double(worker) / Double(workers)
        while !Task.isCancelled {
            // Who falls behind does not catch up: the load has a bound.
            next = max(next + interval, clock.now)
            try? await Task.sleep(until: next, clock: clock)
            if Task.isCancelled { return }
            await operate(worker, &random)
        }
    }

    private func operate(_ worker: Int, _ random: inout SimulatedRandom) async {
        let first = recorder.count / Self.operationsPerKey
        func key(_ random: inout SimulatedRandom) -> Int { first + random.below(Self.keysAtOnce) }
        switch random.below(100) {
        case 0..<35:
            await read([key(&random)], worker)
        case 35..<45:
            await read((0..<random.number(in: 2...8)).map { _ in key(&random) }, worker)
        case 45..<50:
            let keys = Set((0..<random.number(in: 2...4)).map { _ in key(&random) })
            let kinds = keys.sorted().map { ($0, random.below(10)) }
            await write(kinds, isLogged: true, worker, random.below(Self.paddingMax))
        default:
            let kind = (key(&random), random.below(10))
            await write([kind], isLogged: false, worker, random.below(Self.paddingMax))
        }
    }

    // MARK: Writes

    private func write(
        _ parts: [(key: Int, kind: Int)],
        isLogged: Bool,
        _ worker: Int,
        _ padding: Int
    ) async {
        let operation = recorder.begin(client: worker) { id, timestamp in
            let rows = parts.enumerated().map { row, part in
                RowWrite(key: part.key, change: change(part, id, row, worker, padding))
            }
            return .write(rows, timestamp: timestamp, isLogged: isLogged)
        }
        guard case .write(let rows, let timestamp, _) = operation.request else { return }
        var batch = Batch(.logged)
        for row in rows {
            let (cql, values) = statement(row)
            batch.add(cql, values: values)
        }
        do {
            if isLogged {
                try await client.execute(batch, consistency: sentLevel, timestamp: timestamp)
            } else {
                let (cql, values) = statement(rows[0])
                try await client.execute(
                    cql,
                    values: values,
                    consistency: sentLevel,
                    timestamp: timestamp
                )
            }
            recorder.end(operation, .done)
        } catch {
            recorder.end(operation, outcome(of: error))
        }
    }

    private func change(
        _ part: (key: Int, kind: Int),
        _ id: Int,
        _ row: Int,
        _ worker: Int,
        _ padding: Int
    ) -> RowWrite.Change {
        func value(_ column: Int) -> [UInt8] {
            WrittenValue(client: worker, operation: id, row: row, column: column)
                .bytes(padding: padding)
        }
        let column = Self.columns[id % Self.columns.count]
        switch part.kind {
        case 0..<5:
            let cells = Self.columns.map { ($0, value($0)) }
            return .set(Dictionary(uniqueKeysWithValues: cells), isInsert: true)
        case 5..<8: return .set([column: value(column)], isInsert: false)
        case 8: return .deleteCells([column])
        default: return .deleteRow
        }
    }

    private func statement(_ row: RowWrite) -> (cql: String, values: [any CQLBindable]) {
        switch row.change {
        case .set(let cells, isInsert: true):
            return (
                "INSERT INTO chaos.t (k, c0, c1, c2) VALUES (?, ?, ?, ?)",
                [row.key] + Self.columns.map { CQLValue.blob(cells[$0] ?? []) }
            )
        case .set(let cells, isInsert: false):
            let sorted = cells.sorted { $0.key < $1.key }
            let list = sorted.map { "c\($0.key) = ?" }.joined(separator: ", ")
            return (
                "UPDATE chaos.t SET \(list) WHERE k = ?",
                sorted.map { CQLValue.blob($0.value) } + [row.key]
            )
        case .deleteCells(let columns):
            let list = columns.map { "c\($0)" }.joined(separator: ", ")
            return ("DELETE \(list) FROM chaos.t WHERE k = ?", [row.key])
        case .deleteRow: return ("DELETE FROM chaos.t WHERE k = ?", [row.key])
        }
    }

    // MARK: Reads

    private func read(_ keys: [Int], _ worker: Int) async {
        let keys = Array(Set(keys))
        let operation = recorder.begin(client: worker) { _, _ in .read(keys) }
        do {
            recorder.end(operation, .done, rows: try await rows(keys, sentLevel))
        } catch {
            recorder.end(operation, outcome(of: error))
        }
    }

    /// Reads all keys that were ever written, at ALL.
    ///
    /// - Throws: what the last try of a part failed with.
    func readAll(within limit: Duration) async throws -> [FinalRow] {
        let clock = ContinuousClock()
        var finals: [FinalRow] = []
        let keys = recorder.history.writtenRows.map(\.key)
        for start in stride(from: 0, to: keys.count, by: 50) {
            let part = Array(keys[start..<min(keys.count, start + 50)])
            let deadline = clock.now + limit
            while true {
                let operation = recorder.begin(client: workers, level: .all) { _, _ in .read(part) }
                do {
                    let rows = try await rows(part, .all)
                    recorder.end(operation, .done, rows: rows)
                    finals += part.map { key in
                        // One answer stands for all replicas: whoever differed was repaired.
                        let row = FinalReplica(node: 0, row: rows[key] ?? [:], digest: "")
                        return FinalRow(table: 0, key: key, replicas: [row])
                    }
                    break
                } catch {
                    recorder.end(operation, outcome(of: error))
                    if clock.now >= deadline { throw error }
                    try await Task.sleep(for: .milliseconds(200))
                }
            }
        }
        return finals
    }

    private func rows(_ keys: [Int], _ level: Consistency) async throws -> [Int: VisibleRow] {
        let found = try await client.execute(
            "SELECT k, c0, c1, c2 FROM chaos.t WHERE k IN ?",
            keys,
            consistency: level
        )
        var rows: [Int: VisibleRow] = [:]
        for row in found {
            var visible: VisibleRow = [:]
            for column in Self.columns {
                visible[column] = try row.get("c\(column)", as: [UInt8]?.self)
            }
            rows[try row.get("k", as: Int.self)] = visible
        }
        return rows
    }

    // MARK: Errors

    private static let explained: Set<MartletError.Code> = [
        .unavailable, .writeTimeout, .readTimeout, .writeFailure, .readFailure, .overloaded,
        .bootstrapping, .connectionFailed, .connectionLost, .requestTimedOut, .clientOverloaded,
    ]

    private func outcome(of error: any Error) -> OperationOutcome {
        guard let error = error as? MartletError else {
            // The end of the run cancels what is under way.
            if !(error is CancellationError) { recorder.report("\(error)") }
            return .unknown("\(error)")
        }
        if !Self.explained.contains(error.code) { recorder.report("\(error)") }
        let text = "\(error.code)" + (error.node.map { " at \($0)" } ?? "")
        return error.outcome == .notDone ? .refused(text) : .unknown(text)
    }
}
