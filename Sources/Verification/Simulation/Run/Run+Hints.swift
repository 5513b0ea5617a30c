internal import Catalog
internal import HistoryChecking
internal import PeerMessages
internal import Replication
internal import Storage
internal import TokenPlacement

extension Run {
    /// Takes the hints from the disk of a node that is down, as its program does at a start at which
    /// it finds them damaged; false if there are none, or the disk does not let it.
    func loseHints(of node: SimulatedNode) -> Bool {
        defer { node.disk.processEnded() }
        do {
            let seconds = node.clock.wallMicros(at: kernel.now) / 1_000_000
            let store = try node.disk.open()
            guard try !store.scanHints(.all, limit: 1, bytesMax: 1).isEmpty else { return false }
            // A write that fails may have come to the disk all the same.
            history.hintLosses.append((kernel.now, node.index))
            return try program.loseHints(in: store, nowSeconds: seconds)
        } catch {
            return false
        }
    }

    /// A hint that is not old goes only once its target has the write, as far as it can be asked.
    ///
    /// How old it is, is judged by the true time; a node whose clock jumps far may be mistaken about
    /// that, as the owner of a hint and as its target.
    func checkHints(_ life: NodeLife, _ keys: [[UInt8]]) {
        guard life.node != plan.jumpingNode else { return }
        let nowMicros = NodeClock.epochSeconds * 1_000_000 + kernel.now / 1000
        for bytes in keys {
            guard let key = HintKey(decoding: bytes),
                nowMicros - key.createdMicros < rules.hintAgeMax * 1_000_000,
                let target = setup.nodeIDs.firstIndex(of: key.target), target != plan.jumpingNode,
                !history.diskLosses.contains(where: { $0.node == target }),
                let store = nodes[target].life?.store
            else { continue }
            let range = KeyRange(lower: bytes, upper: bytes + [0])
            guard let hint = try? life.store.scanHints(range, limit: 1, bytesMax: .max).first,
                let mutation = try? Mutation(decoding: hint.value),
                let table = setup.tables.firstIndex(where: { $0.id == mutation.table }),
                !rules.periodicTables.contains(table),
                let found = try? store.read([mutation.rowKey.encoded])
            else { continue }
            if let row = found[0], RowMerge.merge([row, mutation.operand]) == row { continue }
            let name = String(decoding: mutation.partition.key, as: UTF8.self)
            report(
                Violation(
                    .hintsArrive,
                    "at \(kernel.now.secondsText) node \(life.node) deletes a hint for node "
                        + "\(target) whose write of \(name) that node does not have"
                )
            )
        }
    }
}
