internal import Catalog
internal import Coordination
internal import Replication
internal import Storage
internal import TokenPlacement

/// The sweeper: drives the planner, and one pass over a slice at a time.
extension Upkeep {
    /// Begins the next pass, if none is under way and one is due.
    func sweepNext() {
        guard settings.sweeps, !isStopped, sweep == nil else { return }
        let next = planner.next(
            nowSeconds: wallSeconds,
            now: environment.now,
            ledger: ledger,
            health: health
        )
        guard let task = next else { return }
        sweep = SweepPass(task: task, settings: settings.repair, bandwidth: sweepBandwidth)
        feedSweep { $0.start(now: $1, actions: &$2) }
    }

    private func feedSweep(
        _ event: (inout SweepPass, Duration, inout [SweepPass.Action]) -> Void
    ) {
        guard !isStopped, var pass = sweep else { return }
        var actions: [SweepPass.Action] = []
        event(&pass, environment.now, &actions)
        sweep = pass
        for action in actions {
            switch action {
            case .scan(let range, let rowsMax, let bytesMax): scan(range, rowsMax, bytesMax)
            case .sweep(let keys): submit(keys, pass.task)
            case .wait(let until):
                let delay = max(.milliseconds(1), until - environment.now)
                _ = environment.schedule(after: delay) { [weak self] in
                    self?.feedSweep { $0.resumed(now: $1, actions: &$2) }
                }
            case .finish(let statistics, let isComplete):
                finished(pass, statistics, isComplete: isComplete)
            }
        }
    }

    private func scan(_ range: KeyRange, _ rowsMax: Int, _ bytesMax: Int) {
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) in
            try store.scan(range, rowsMax: rowsMax, bytesMax: bytesMax)
        } completion: { [weak self] (result: Result<StoreScan, StorageError>) in
            guard let self else { return }
            switch result {
            case .success(let page): feedSweep { $0.pageRead(page, now: $1, actions: &$2) }
            case .failure(let error):
                if error.asDamage != nil, let task = sweep?.task {
                    corruptionFound(task.slice.table, task.tokens.lowerBound, "\(error)")
                }
                feedSweep { pass, _, actions in pass.failed(actions: &actions) }
            }
        }
        if !isTaken { feedSweep { pass, _, actions in pass.failed(actions: &actions) } }
    }

    private func submit(_ keys: [[UInt8]], _ task: SweepTask) {
        var writes = StoreWrites()
        writes.durability = .periodic
        for key in keys {
            writes.sweep(
                key,
                nowSeconds: task.nowSeconds,
                purgeBeforeSeconds: task.purgeBeforeSeconds
            )
        }
        let isTaken = environment.submit(writes) { [weak self] error in
            self?.feedSweep { pass, now, actions in
                if error == nil {
                    pass.swept(now: now, actions: &actions)
                } else {
                    pass.failed(actions: &actions)
                }
            }
        }
        if !isTaken { feedSweep { pass, _, actions in pass.failed(actions: &actions) } }
    }

    private func finished(
        _ pass: SweepPass,
        _ statistics: SweepPass.Statistics,
        isComplete: Bool
    ) {
        sweep = nil
        sweepBandwidth = pass.bandwidth
        if !isComplete { planner.failed(pass.task, now: environment.now) }
        if statistics.damaged > 0 {
            corruptionFound(
                pass.task.slice.table,
                pass.task.tokens.lowerBound,
                "\(statistics.damaged) rows cannot be decoded"
            )
        }
    }
}
