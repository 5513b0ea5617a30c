package import Catalog
package import Coordination
package import PeerMessages
internal import Replication
internal import TokenPlacement

/// Times and bounds of coordinated requests.
package struct RequestSettings: Sendable {
    /// How long a read may take.
    package var readTimeout = Duration.seconds(5)
    /// How long a write may take.
    package var writeTimeout = Duration.seconds(2)
    /// How long one statement may count the rows of a scan, over all its pages.
    package var countTimeout = Duration.seconds(60)
    /// How long a scoring may take.
    package var scoreTimeout = Duration.seconds(5)
    /// How long a model push waits for a node.
    package var modelPushTimeout = Duration.seconds(60)
    /// The most requests that one loop coordinates at a time.
    package var requestsMax = 8192
    /// The most bytes of those requests' mutations and pages.
    package var bytesMax = 64 << 20
    /// The most bytes that one node is sent to write at once, or to keep as a logged batch: what
    /// its writer and a message between nodes take.
    package var nodeWriteBytesMax = 63 << 20
    /// The percentile of measured read latencies after which another replica is asked; nil: never.
    package var speculativePercentile: Double? = 99
    /// The most rows that one page of a scan asks a replica for.
    package var scanRowsMax = 1000
    /// The most bytes of one such page; less where `bytesMax` is small.
    package var scanBytesMax = 1 << 20

    /// The defaults.
    package init() {}
}

/// Drives the coordination machines on one event loop: feeds them what happens, does what they say.
///
/// Bound to its loop; completions are called on it.
package final class LoopCoordinator {
    /// Where the coordinator's machines live: time, peers, the store.
    package let environment: any LoopEnvironment
    /// This node as a replica, on the same loop.
    package let replica: LoopReplica
    /// Times and bounds.
    package let settings: RequestSettings

    /// The cluster as of now; replaced as a whole.
    package var view: ClusterView {
        didSet {
            guard oldValue.state.epoch != view.state.epoch else { return }
            let nodes = Set(view.state.nodes.keys)
            latencies.forget(allBut: nodes)
            scanLatencies.forget(allBut: nodes)
        }
    }

    /// The latencies of the replicas' answers to reads of rows, as this loop measured them.
    var latencies = LatencyTracker()
    /// Those of the pages of scans, which take longer.
    var scanLatencies = LatencyTracker()
    let hints: SharedHints
    let upkeep: LoopBound<Upkeep>
    let faults: PlantedFaults

    /// A page of a scan takes this part of all requests' bytes at most.
    private static let scanShare = 16

    private let clock: WriteClock
    private var openRequests = 0
    private var openBytes = 0

    init(
        environment: any LoopEnvironment,
        replica: LoopReplica,
        hints: SharedHints,
        upkeep: LoopBound<Upkeep>,
        settings: RequestSettings,
        clock: WriteClock,
        view: ClusterView,
        faults: PlantedFaults
    ) {
        self.environment = environment
        self.replica = replica
        self.hints = hints
        self.upkeep = upkeep
        self.settings = settings
        self.view = view
        self.faults = faults
        self.clock = clock
    }

    // MARK: Clocks

    /// The wall clock in seconds, as expiries are judged by it.
    package var nowSeconds: Int64 {
        environment.wallMicros / 1_000_000 - (faults.contains(.lateClock) ? 3600 : 0)
    }

    /// A timestamp for a write that brings none: it never repeats or goes back on this node, while
    /// it runs.
    package func nextTimestamp() -> Int64 { clock.next(wallMicros: environment.wallMicros) }

    /// Microseconds since 1970 by which the ages of hints and batches are measured: whatever is done
    /// to the wall clock while the node runs, they go on evenly.
    var steadyMicros: Int64 { hints.clock.micros(at: environment.now) }

    // MARK: Bounds

    /// Takes room for a request, or refuses it before anything is done.
    func admit(_ bytes: Int) throws(CoordinationError) {
        guard openRequests < settings.requestsMax else {
            throw .overloaded(
                """
                this node coordinates \(openRequests) requests already (the limit is \
                native.requests_max, \(settings.requestsMax) for each event loop); nothing was \
                done, try again later
                """
            )
        }
        guard openBytes + bytes <= settings.bytesMax || openRequests == 0 else {
            throw .overloaded(
                """
                requests of \(openBytes) bytes are under way and this one has \(bytes) (the limit \
                is memory.parts_mib.requests, \(settings.bytesMax >> 20) MiB); nothing was done, try \
                again later
                """
            )
        }
        openRequests += 1
        openBytes += bytes
    }

    /// Counts what a request that was admitted holds by now; later ones are refused for it.
    func hold(_ bytes: Int) { openBytes += bytes }

    /// Refuses a write that no node could do, before any is asked: their failures would look like
    /// those of broken disks, and cost repairs.
    private func checkSize(_ bytes: Int) throws(CoordinationError) {
        guard bytes > settings.nodeWriteBytesMax else { return }
        throw .invalid(
            """
            a node would have to write \(bytes) bytes of this request at once, and the limit is \
            \(settings.nodeWriteBytesMax) (memory.parts_mib.writer_queue, and the longest message \
            between nodes): send fewer or smaller values at once
            """
        )
    }

    /// Gives the room of a request back.
    func release(_ bytes: Int) {
        guard !faults.contains(.heldRoom) else { return }
        openRequests -= 1
        openBytes -= bytes
    }

    /// Requests and bytes that are under way.
    package var load: (requests: Int, bytes: Int) { (openRequests, openBytes) }

    // MARK: Requests

    /// Writes mutations of some keyspaces at a level.
    package func write(
        _ mutations: [Mutation],
        keyspaces: [String],
        consistency: ConsistencyLevel,
        type: WriteType,
        completion: @escaping (Result<Void, CoordinationError>) -> Void
    ) {
        let bytes = mutations.reduce(0) { $0 + $1.byteCount }
        do throws(CoordinationError) {
            let machine = try WriteMachine(
                partitions: mutations.map(\.partition),
                keyspaces: keyspaces,
                view: view,
                consistency: consistency,
                type: type
            )
            if bytes > settings.nodeWriteBytesMax {
                try checkSize(machine.bytesMaxOfNode { mutations[$0].byteCount })
            }
            try admit(bytes)
            WriteOperation(machine, mutations, self, bytes, completion).start()
        } catch {
            completion(.failure(error))
        }
    }

    /// Writes mutations so that all of them will be written once their log is stored, though this
    /// node may die meanwhile.
    package func writeLogged(
        _ mutations: [Mutation],
        keyspaces: [String],
        consistency: ConsistencyLevel,
        completion: @escaping (Result<Void, CoordinationError>) -> Void
    ) {
        let bytes = mutations.reduce(0) { $0 + $1.byteCount }
        let batch = StoredBatch(
            id: NodeID(high: environment.random(), low: environment.random()),
            createdMicros: steadyMicros,
            mutations: mutations
        )
        do throws(CoordinationError) {
            let machine = try BatchMachine(
                id: batch.id,
                partitions: mutations.map(\.partition),
                keyspaces: keyspaces,
                view: view,
                consistency: consistency
            )
            // Who keeps the batch takes all of it.
            try checkSize(bytes)
            try admit(bytes)
            BatchOperation(machine, batch, self, bytes, completion).start()
        } catch {
            completion(.failure(error))
        }
    }

    /// Reads rows of one table at a level, in the order of the partitions.
    package func read(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        consistency: ConsistencyLevel,
        nowSeconds: Int64,
        completion: @escaping (Result<[[UInt8]?], CoordinationError>) -> Void
    ) {
        do throws(CoordinationError) {
            let groups = try group(partitions, of: table, consistency)
            try admit(0)
            ReadOperation(
                partitions,
                groups,
                table,
                consistency,
                nowSeconds,
                self,
                completion
            ).start()
        } catch {
            completion(.failure(error))
        }
    }

    /// Scores rows of one table where they are; the request's groups are filled in here.
    package func score(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        template: ScoreRequest,
        consistency: ConsistencyLevel,
        completion: @escaping (Result<ScoreMachine.Outcome, CoordinationError>) -> Void
    ) {
        do throws(CoordinationError) {
            var groups = try group(partitions, of: table, consistency)
            if faults.contains(.scoreAtOneReplica) {
                for index in groups.indices { groups[index].requireOne() }
            }
            try admit(0)
            ScoreOperation(partitions, groups, table, template, consistency, self, completion)
                .start()
        } catch {
            completion(.failure(error))
        }
    }

    /// Reads one page of a table's rows in the order of their tokens.
    package func scan(
        _ request: ScanPageRequest,
        completion: @escaping (Result<ScanMachine.Page, CoordinationError>) -> Void
    ) {
        do throws(CoordinationError) {
            var runs = try view.runs(
                of: request.position.ranges,
                keyspace: request.table.keyspace,
                consistency: request.consistency,
                latencies: scanLatencies
            )
            if faults.contains(.readAtOneReplica) {
                for index in runs.indices { runs[index].requireOne() }
            }
            // A page may have so many bytes; what replicas send for it, as many each.
            let bytes = min(settings.scanBytesMax, max(1, settings.bytesMax / Self.scanShare))
            try admit(bytes)
            let machine = ScanMachine(
                table: request.table.id,
                position: request.position,
                runs: runs,
                consistency: request.consistency,
                nowSeconds: request.nowSeconds,
                gcGraceSeconds: request.table.options.gcGraceSeconds,
                limits: ScanMachine.Limits(
                    rowsMax: request.rowsMax,
                    bytesMax: bytes,
                    requestRowsMax: min(request.rowsMax, settings.scanRowsMax),
                    requestBytesMax: bytes
                )
            )
            ScanOperation(machine, request.table.id, self, bytes, completion).start()
        } catch {
            completion(.failure(error))
        }
    }

    private func group(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        _ consistency: ConsistencyLevel
    ) throws(CoordinationError) -> [KeyGroup] {
        var groups = try view.group(
            partitions,
            keyspace: table.keyspace,
            consistency: consistency,
            latencies: latencies
        )
        if faults.contains(.readAtOneReplica) {
            for index in groups.indices { groups[index].requireOne() }
        }
        return groups
    }
}

extension Mutation {
    /// What the mutation counts against bounds, in bytes: more than it takes as a write, in a
    /// message or as a hint.
    package var byteCount: Int { partition.key.count + operand.count + 96 }
}
