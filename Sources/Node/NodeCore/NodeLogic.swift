package import Catalog
package import ClusterLog
internal import Coordination
package import Gossip
internal import PeerMessages
internal import Replication
internal import Storage
package import TokenPlacement

/// What a node's logic is told once.
package struct NodeSettings: Sendable {
    /// Times and bounds of requests.
    package var requests = RequestSettings()
    /// How long a schema change waits for slow nodes.
    package var schemaTimeout = Duration.seconds(10)
    /// When and how much is probed.
    package var gossip = GossipConfiguration()
    /// Hints, repair and sweeping.
    package var upkeep = UpkeepSettings()
    /// Planted faults, for the simulator's proofs.
    package var faults = PlantedFaults()

    /// The defaults.
    package init() {}
}

/// What belongs to one event loop; bound to it.
package struct LoopParts {
    /// Time, peers and the store.
    package let environment: any LoopEnvironment
    /// This node as a replica.
    package let replica: LoopReplica
    /// This node as a coordinator.
    package let coordinator: LoopCoordinator
    /// What answers other nodes.
    package let receiver: LoopNode
}

/// The logic of one node, put together: the same in the program and in the simulator.
package final class NodeLogic: Sendable {
    /// What the surroundings do when the node learns something; called on the control loop.
    package struct Hooks: Sendable {
        /// A new state counts.
        package var published:
            @Sendable (_ old: ClusterState, _ new: ClusterState, _ alive: Set<NodeID>) -> Void
        /// Gossip changed its mind about a node; `wasAlive` is what the loops held.
        package var aliveChanged: @Sendable (_ node: NodeID, _ isAlive: Bool) -> Void
        /// Rows may be compacted from now on, or must not any more; before the first call they must
        /// not.
        package var compactionChanged: @Sendable (_ isAllowed: Bool) -> Void

        /// Hooks; nothing happens in those that are left out.
        package init(
            published:
                @escaping @Sendable (ClusterState, ClusterState, Set<NodeID>) -> Void = { _, _, _ in
                },
            aliveChanged: @escaping @Sendable (NodeID, Bool) -> Void = { _, _ in },
            compactionChanged: @escaping @Sendable (Bool) -> Void = { _ in }
        ) {
            self.published = published
            self.aliveChanged = aliveChanged
            self.compactionChanged = compactionChanged
        }
    }

    /// This node.
    package let node: NodeID
    /// The parts of each loop.
    package let loops: [LoopBound<LoopParts>]
    /// Cluster log and gossip, on the first loop.
    package let control: LoopBound<ControlPlane>
    /// Hints, repair and sweeping, on the first loop.
    package let upkeep: LoopBound<Upkeep>

    private let hooks: Hooks
    private let faults: PlantedFaults
    /// The state that was published last; on the control loop.
    private let published: LoopBound<Published>

    private final class Published {
        var state = ClusterState()
    }

    /// Puts a node together, before anything runs on its loops.
    ///
    /// - Parameters:
    ///   - node: who this node is.
    ///   - incarnation: the number of this start, greater than those before.
    ///   - environments: one for each loop; the first one is the control loop.
    ///   - entries: the log entries on this node's disk.
    ///   - records: what else this node keeps for itself.
    ///   - settings: bounds and intervals.
    ///   - scorer: makes what scores rows, for each loop.
    ///   - models: makes what looks after models, for the control loop.
    ///   - hooks: what the surroundings do when the node learns something.
    /// - Throws: ``ClusterChangeError`` if the entries are no log.
    package init(
        node: NodeID,
        incarnation: Incarnation,
        environments: [any LoopEnvironment],
        entries: [LogEntry],
        records: UpkeepRecords,
        settings: NodeSettings,
        scorer: (any LoopEnvironment) -> any RowScorer,
        models: (any LoopEnvironment) -> any ModelService,
        hooks: Hooks
    ) throws {
        self.node = node
        self.hooks = hooks
        faults = settings.faults
        let first = environments[0]
        let hints = SharedHints(
            settings: settings.upkeep.hints,
            records: records,
            clock: SteadyClock(wallMicros: first.wallMicros, now: first.now)
        )
        var batchSettings = settings.upkeep.batches
        // One for the log, one for the writes.
        batchSettings.orphanedAfter = settings.requests.writeTimeout * 2
        let batches = SharedBatches(
            settings: batchSettings,
            records: records,
            clock: hints.clock,
            now: first.now
        )
        let plane = try ControlPlane(
            node: node,
            environment: first,
            incarnation: incarnation,
            entries: entries,
            schemaTimeout: settings.schemaTimeout,
            gossip: settings.gossip,
            faults: settings.faults
        )
        let view = ClusterView(node: node, state: ClusterState(), alive: [node])
        let replicas = environments.map {
            LoopReplica(environment: $0, scorer: scorer($0), batches: batches)
        }
        let keeper = Upkeep(
            node: node,
            environment: first,
            loopCount: environments.count,
            replica: replicas[0],
            hints: hints,
            records: records,
            settings: settings.upkeep,
            faults: settings.faults
        )
        let control = LoopBound(plane, on: first)
        let upkeep = LoopBound(keeper, on: first)
        self.control = control
        self.upkeep = upkeep
        published = LoopBound(Published(), on: first)
        let clock = WriteClock()
        let digestRate = SharedRate(bytesPerSecond: settings.upkeep.repair.bytesPerSecond)
        let digestTurns = SharedTurns()
        loops = zip(environments, replicas).map { environment, replica in
            replica.faults = settings.faults
            replica.digestTurns = digestTurns
            replica.digestRate = digestRate
            replica.digestRowsMax = settings.upkeep.repair.pageRowsMax * 4
            replica.corruptionFound = { table, token, error in
                let text = "\(error)"
                upkeep.perform { $0.corruptionFound(table, token, text) }
            }
            return LoopBound(
                LoopParts(
                    environment: environment,
                    replica: replica,
                    coordinator: LoopCoordinator(
                        environment: environment,
                        replica: replica,
                        hints: hints,
                        upkeep: upkeep,
                        settings: settings.requests,
                        clock: clock,
                        view: view,
                        faults: settings.faults
                    ),
                    receiver: LoopNode(
                        environment: environment,
                        replica: replica,
                        control: control,
                        upkeep: upkeep,
                        models: models(environment),
                        hintSettings: settings.upkeep.hints
                    )
                ),
                on: environment
            )
        }
    }

    /// Publishes the state from disk and begins to gossip and to look after the rows; called on
    /// the control loop.
    package func start() {
        let (plane, keeper) = (control.value, upkeep.value)
        keeper.healthChanged = { [loops] health in
            for loop in loops { loop.perform { $0.replica.health = health } }
        }
        keeper.compactionChanged = hooks.compactionChanged
        plane.listener = ControlPlane.Listener(
            published: { [weak self] state in self?.publish(state) },
            aliveChanged: { [weak self] alive, changed, isAlive in
                self?.aliveChanged(alive, changed, isAlive: isAlive)
            }
        )
        keeper.coordinator = loops[0].value.coordinator
        keeper.start()
        plane.start()
    }

    /// Ends gossip and upkeep; called on the control loop.
    package func stop() {
        control.value.stop()
        upkeep.value.stop()
    }

    /// Lets go of everything without a word: the node crashed.
    package func abandon() {
        let (plane, keeper) = (control.beforeRunning, upkeep.beforeRunning)
        plane.listener = nil
        keeper.healthChanged = { _ in }
        keeper.compactionChanged = { _ in }
        keeper.coordinator = nil
        for loop in loops {
            loop.beforeRunning.replica.corruptionFound = { _, _, _ in }
        }
    }

    // MARK: Following

    /// A new state counts: every loop gets it.
    private func publish(_ state: ClusterState) {
        let plane = control.value
        let alive = plane.alive
        let old = published.value.state
        published.value.state = state
        let view = ClusterView(node: node, state: state, alive: alive)
        // First, so that no loop reads a slice of a lost disk.
        upkeep.value.viewChanged(view)
        for (index, loop) in loops.enumerated() {
            loop.perform { [upkeep] parts in
                parts.environment.adopt(state)
                parts.coordinator.view = view
                parts.replica.state = state
                parts.receiver.epoch = state.epoch
                upkeep.perform { $0.loopAdopted(state.epoch, on: index) }
            }
        }
        hooks.published(old, state, alive)
    }

    /// Gossip changed its mind about a node.
    private func aliveChanged(_ alive: Set<NodeID>, _ changed: NodeID, isAlive: Bool) {
        if isAlive, faults.contains(.unnoticedReturn) { return }
        let everybody = alive.union([node])
        for loop in loops {
            loop.perform { parts in
                parts.coordinator.view.alive = everybody
                if !isAlive { parts.environment.giveUp(on: changed) }
            }
        }
        upkeep.value.aliveChanged(everybody, changed, isAlive: isAlive)
        hooks.aliveChanged(changed, isAlive)
    }
}
