internal import Catalog
internal import ClusterLog
internal import Coordination
internal import NodeCore
internal import PeerMessages
internal import Simulation
internal import Storage
internal import TokenPlacement

/// Clients' way to a Martlet node: its coordinator on one loop.
final class NodePort: ClientPort {
    private let parts: LoopParts
    private weak var logic: NodeLogic?

    init(_ parts: LoopParts, _ logic: NodeLogic) {
        self.parts = parts
        self.logic = logic
    }

    func nextTimestamp() -> Int64 { parts.coordinator.nextTimestamp() }

    var nowSeconds: Int64 { parts.coordinator.nowSeconds }

    func write(
        _ mutations: [Mutation],
        of table: TableDefinition,
        at level: ConsistencyLevel,
        isLogged: Bool,
        completion: @escaping (Result<Void, ClientFailure>) -> Void
    ) {
        let keyspaces = mutations.map { _ in table.keyspace }
        let done: (Result<Void, CoordinationError>) -> Void = { result in
            completion(result.mapError(ClientFailure.init))
        }
        if isLogged, mutations.count > 1 {
            parts.coordinator.writeLogged(
                mutations,
                keyspaces: keyspaces,
                consistency: level,
                completion: done
            )
        } else {
            parts.coordinator.write(
                mutations,
                keyspaces: keyspaces,
                consistency: level,
                type: mutations.count > 1 ? .unloggedBatch : .simple,
                completion: done
            )
        }
    }

    func read(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        at level: ConsistencyLevel,
        nowSeconds: Int64,
        completion: @escaping (Result<[[UInt8]?], ClientFailure>) -> Void
    ) {
        parts.coordinator.read(
            partitions,
            of: table,
            consistency: level,
            nowSeconds: nowSeconds
        ) { completion($0.mapError(ClientFailure.init)) }
    }

    func scan(
        _ table: TableDefinition,
        at level: ConsistencyLevel,
        nowSeconds: Int64,
        pageRows: Int,
        completion: @escaping (Result<[ScannedRow], ClientFailure>) -> Void
    ) {
        let all = Token(.min)...Token(.max)
        let request = ScanPageRequest(
            table: table,
            position: ScanPosition(ranges: [all]),
            rowsMax: pageRows,
            consistency: level,
            nowSeconds: nowSeconds
        )
        scan(request, [], completion)
    }

    private func scan(
        _ request: ScanPageRequest,
        _ rows: [ScannedRow],
        _ completion: @escaping (Result<[ScannedRow], ClientFailure>) -> Void
    ) {
        parts.coordinator.scan(request) { [weak self] result in
            switch result {
            case .success(let page):
                let rows = rows + page.rows
                guard let position = page.position else {
                    completion(.success(rows))
                    return
                }
                var next = request
                next.position = position
                self?.scan(next, rows, completion)
            case .failure(let error): completion(.failure(ClientFailure(error)))
            }
        }
    }

    func score(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        at level: ConsistencyLevel,
        nowSeconds: Int64,
        completion: @escaping (Result<[ScoredKey], ClientFailure>) -> Void
    ) {
        guard let hash = NodeProgram.modelHash else { return }
        let template = ScoreRequest(
            table: table.id,
            model: hash,
            modelName: NodeProgram.modelName,
            arguments: [.column(ColumnID(1))],
            order: .none,
            limit: partitions.count,
            columns: [],
            nowSeconds: nowSeconds,
            groups: []
        )
        parts.coordinator.score(partitions, of: table, template: template, consistency: level) {
            result in
            completion(
                result.map { $0.entries.map { ScoredKey(index: $0.key, score: $0.score) } }
                    .mapError(ClientFailure.init)
            )
        }
    }

    func table(named name: String) -> TableDefinition? {
        parts.coordinator.view.state.tables[ClusterSetup.keyspace]?[name]
    }

    func change(
        _ change: ClusterChange,
        completion: @escaping (Result<Void, ClientFailure>) -> Void
    ) {
        guard let logic else {
            completion(.failure(.unknown("the node is gone")))
            return
        }
        let bound = LoopBound(completion, on: parts.environment)
        logic.control.perform { control in
            control.proposeEverywhere(change) { result in
                let outcome: Result<Void, ClientFailure> =
                    switch result {
                    case .success: .success(())
                    case .failure(.undecided(let text)): .failure(.unknown(text))
                    case .failure(let error): .failure(.refused("\(error)"))
                    }
                bound.perform { $0(outcome) }
            }
        }
    }
}

extension ClientFailure {
    /// What a coordinator's error says of the request: only these say that nothing was done.
    init(_ error: CoordinationError) {
        switch error {
        case .overloaded: self = .overloaded("\(error)")
        case .unavailable, .invalid: self = .refused("\(error)")
        case .writeTimeout, .readTimeout, .writeFailure, .readFailure, .scoringFailed:
            self = .unknown("\(error)")
        }
    }
}
