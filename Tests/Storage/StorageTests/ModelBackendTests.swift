import Storage
import Testing

@Suite struct ModelBackendTests {
    /// What the store holds, as plainly as possible.
    private struct Contents: Equatable {
        var rows: [[UInt8]: [UInt8]] = [:]
        var local: [[UInt8]: [UInt8]] = [:]
        var hints: [[UInt8]: [UInt8]] = [:]

        mutating func apply(_ batches: [StoreWrites]) {
            for batch in batches {
                for (key, operand) in batch.merges {
                    rows[key] = RowMerge.merge([rows[key], operand].compactMap { $0 })
                }
                for (key, value) in batch.localPuts { local[key] = value }
                for key in batch.localDeletes { local[key] = nil }
                for (key, value) in batch.hintPuts { hints[key] = value }
                for key in batch.hintDeletes { hints[key] = nil }
            }
        }
    }

    private let row = rowOfCell(1, .live([1]))

    private func contents(of backend: ModelBackend) throws -> Contents {
        let rows = try backend.scan(.all, rowsMax: .max, bytesMax: .max)
        #expect(rows.isComplete)
        let local = try backend.scanLocal(.all, limit: .max, bytesMax: .max)
        let hints = try backend.scanHints(.all, limit: .max, bytesMax: .max)
        let pairs = rows.entries.map { (key: $0.key, value: $0.row) }
        for found in [pairs, local, hints] {
            let keys = found.map(\.key)
            #expect(keys == keys.sorted { $0.lexicographicallyPrecedes($1) })
        }
        return Contents(
            rows: Dictionary(uniqueKeysWithValues: pairs.map { ($0.key, $0.value) }),
            local: Dictionary(uniqueKeysWithValues: local.map { ($0.key, $0.value) }),
            hints: Dictionary(uniqueKeysWithValues: hints.map { ($0.key, $0.value) })
        )
    }

    @Test(arguments: 0..<12)
    func `it is a dictionary of merged rows that loses what was not synced`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        var generator = RowGenerator(seed: seed + 1000)
        let backend = ModelBackend()
        // Of each unsynced group the contents before it, oldest first, and the contents now.
        var earlier: [Contents] = []
        var now = Contents()
        let keyCount = seed % 3 == 0 ? 3 : 2
        func key(_ random: inout SeededGenerator) -> [UInt8] {
            random.bytes(atMost: keyCount).map { $0 % 12 }
        }
        for _ in 0..<400 {
            let synced = random.chance(30)
            func written(_ after: Contents) {
                if synced { earlier = [] } else { earlier.append(now) }
                now = after
            }
            switch random.below(100) {
            case 0..<70:
                let batches = (0...random.below(2)).map { _ in
                    batch(&random, &generator, key)
                }
                try backend.write(batches, synced: synced)
                var after = now
                after.apply(batches)
                written(after)
            case 70..<80:
                let rows = (0...random.below(3)).map { _ in
                    (key: key(&random), row: random.chance(50) ? generator.row().encoded() : nil)
                }
                try backend.replace(rows, synced: synced)
                var after = now
                for (key, row) in rows { after.rows[key] = row }
                written(after)
            case 80..<88:
                let bounds = [key(&random), key(&random)]
                    .sorted { $0.lexicographicallyPrecedes($1) }
                let range = KeyRange(lower: bounds[0], upper: bounds[1])
                var position: [UInt8]?
                repeat {
                    let start = position ?? range.lower
                    position = try backend.deleteRows(in: range, from: position, bytesMax: 40)
                    let piece = KeyRange(lower: start, upper: position ?? range.upper)
                    earlier.append(now)
                    now.rows = now.rows.filter { !piece.contains($0.key) }
                } while position != nil
            case 88..<92:
                try backend.sync()
                earlier = []
            case 92..<98:
                #expect(backend.unsyncedGroups == earlier.count)
                let kept = random.below(earlier.count + 2)
                backend.crash(keeping: kept)
                if kept < earlier.count { now = earlier[kept] }
                earlier = []
                #expect(backend.unsyncedGroups == 0)
            default: #expect(try contents(of: backend) == now)
            }
            let wanted = (0..<4).map { _ in key(&random) }
            #expect(try backend.read(wanted) == wanted.map { now.rows[$0] })
            #expect(try backend.readLocal(wanted[0]) == now.local[wanted[0]])
        }
        #expect(try contents(of: backend) == now)
        #expect(backend.rowCount == now.rows.count)
    }

    private func batch(
        _ random: inout SeededGenerator,
        _ generator: inout RowGenerator,
        _ key: (inout SeededGenerator) -> [UInt8]
    ) -> StoreWrites {
        var writes = StoreWrites()
        for _ in 0...random.below(4) {
            writes.merge(generator.row().encoded(), into: key(&random))
        }
        if random.chance(30) { writes.putLocal([1], for: key(&random)) }
        if random.chance(30) { writes.deleteLocal(key(&random)) }
        if random.chance(30) { writes.putHint([2], for: key(&random)) }
        if random.chance(30) { writes.deleteHint(key(&random)) }
        return writes
    }

    @Test func `scans go page by page within their bounds`() throws {
        let backend = ModelBackend()
        var writes = StoreWrites()
        for index in UInt8(0)..<200 {
            writes.merge(row, into: [index])
            writes.putHint([index], for: [index])
            writes.putLocal([index], for: [index])
        }
        try backend.write([writes], synced: true)
        var found: [UInt8] = []
        var range = KeyRange(lower: [10], upper: [150])
        while true {
            let page = try backend.scan(range, rowsMax: 7, bytesMax: .max)
            found += page.entries.map { $0.key[0] }
            guard !page.isComplete, let last = page.entries.last else { break }
            #expect(page.entries.count == 7)
            range.lower = last.key + [0]
        }
        #expect(found == Array(10..<150))
        let size = 1 + row.count
        #expect(try backend.scan(.all, rowsMax: 100, bytesMax: 3 * size).entries.count == 3)
        #expect(try backend.scan(.all, rowsMax: 100, bytesMax: 3 * size + 1).entries.count == 4)
        #expect(try backend.scan(.all, rowsMax: 100, bytesMax: 0).entries.count == 1)
        #expect(try backend.scan(.all, rowsMax: 0, bytesMax: 0).entries.count == 1)
        #expect(try backend.scan(.all, rowsMax: 200, bytesMax: .max).isComplete)
        let backwards = KeyRange(lower: [9], upper: [3])
        #expect(try backend.scan(backwards, rowsMax: 9, bytesMax: 9).entries.isEmpty)
        let hints = try backend.scanHints(
            KeyRange(lower: [5], upper: nil),
            limit: 9,
            bytesMax: 4
        )
        #expect(hints.map(\.key) == [[5], [6]])
        let local = try backend.scanLocal(.all, limit: 3, bytesMax: .max)
        #expect(local.map(\.key) == [[0], [1], [2]])
        #expect(try backend.scanLocal(.all, limit: 0, bytesMax: .max).isEmpty)
        #expect(try backend.scanLocal(.all, limit: 9, bytesMax: 1).map(\.key) == [[0]])
    }

    @Test func `a failed write may or may not survive, and everything fails until then`() throws {
        for (fault, keeping, survives) in [
            (ModelBackend.Fault.write, 0, false), (.write, 1, true), (.sync, 0, false),
            (.sync, 1, true),
        ] {
            let backend = ModelBackend()
            var writes = StoreWrites()
            writes.merge(row, into: [1])
            backend.inject(fault)
            #expect(throws: StorageError.self) { try backend.write([writes], synced: true) }
            let failure = try #require(backend.failure)
            #expect(throws: failure) { try backend.write([writes], synced: false) }
            #expect(throws: failure) { try backend.replace([], synced: false) }
            #expect(throws: failure) { try backend.sync() }
            #expect(throws: failure) {
                _ = try backend.deleteRows(in: .all, from: nil, bytesMax: 1)
            }
            #expect(try backend.read([[1]]) == [nil])
            #expect(backend.unsyncedGroups == 1)
            backend.crash(keeping: keeping)
            #expect(try backend.read([[1]]) == [survives ? row : nil])
            try backend.write([writes], synced: true)
            #expect(try backend.read([[1]]) == [row])
        }
    }

    @Test func `a failed sync leaves the groups before it to the crash`() throws {
        let backend = ModelBackend()
        for key in UInt8(0)..<4 {
            var writes = StoreWrites()
            writes.merge(row, into: [key])
            try backend.write([writes], synced: key == 0)
        }
        backend.inject(.sync)
        #expect(throws: StorageError.self) { try backend.sync() }
        #expect(try backend.scan(.all, rowsMax: 9, bytesMax: .max).entries.count == 4)
        backend.crash(keeping: 2)
        #expect(
            try backend.scan(.all, rowsMax: 9, bytesMax: .max).entries.map(\.key)
                == [[0], [1], [2]]
        )
    }

    @Test func `a full disk keeps nothing, also after a restart`() throws {
        let backend = ModelBackend()
        var writes = StoreWrites()
        writes.merge(row, into: [1])
        backend.setFull(true)
        for _ in 0..<2 {
            let error = #expect(throws: StorageError.self) {
                try backend.write([writes], synced: true)
            }
            guard case .noSpace = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            backend.crash(keeping: 9)
            #expect(try backend.read([[1]]) == [nil])
        }
        backend.setFull(false)
        try backend.write([writes], synced: true)
    }

    @Test func `faults that have not struck are taken back, those that have stay`() throws {
        let backend = ModelBackend()
        var writes = StoreWrites()
        writes.merge(row, into: [1])
        backend.inject(.write)
        backend.inject(.sync)
        backend.setFull(true)
        backend.clearFaults()
        try backend.write([writes], synced: true)
        backend.inject(.write)
        #expect(throws: StorageError.self) { try backend.write([writes], synced: true) }
        backend.clearFaults()
        #expect(throws: StorageError.self) { try backend.write([writes], synced: true) }
        #expect(backend.failure != nil)
    }

    @Test(arguments: [false, true])
    func `a damaged range is an error until it is deleted, and a crash brings it back`(
        isUnreadable: Bool
    ) throws {
        let backend = ModelBackend()
        var writes = StoreWrites()
        for index in UInt8(0)..<10 { writes.merge(row, into: [index]) }
        try backend.write([writes], synced: true)
        let damage = KeyRange(lower: [3], upper: [6])
        backend.damage(damage, isUnreadable: isUnreadable)
        let fault = StorageError.Fault(operation: "read", path: "", message: "Input/output error")
        #expect(backend.damagedRange(.corruption(fault)) == damage)
        #expect(backend.damagedRange(.ioFailure(fault)) == damage)
        #expect(backend.damagedRange(.invalid(fault)) == nil)
        func isDamaged(_ body: () throws -> Void, deletes: Bool = false) -> Bool {
            do {
                try body()
                return false
            } catch StorageError.corruption {
                return deletes || !isUnreadable
            } catch StorageError.ioFailure {
                return !deletes && isUnreadable
            } catch {
                Issue.record("\(error)")
                return false
            }
        }
        #expect(try backend.read([[2], [6], [9]]).allSatisfy { $0 == row })
        #expect(isDamaged { _ = try backend.read([[2], [3]]) })
        // Absent or not, nobody knows.
        #expect(isDamaged { _ = try backend.readFromMemory([3, 1]) })
        #expect(isDamaged { _ = try backend.scan(.all, rowsMax: 99, bytesMax: .max) })
        #expect(isDamaged { _ = try backend.scan(.all, rowsMax: 4, bytesMax: .max) })
        #expect(try backend.scan(.all, rowsMax: 3, bytesMax: .max).entries.count == 3)
        let behind = KeyRange(lower: [6], upper: nil)
        #expect(try backend.scan(behind, rowsMax: 99, bytesMax: .max).entries.count == 4)
        // A write into it goes through, and helps nobody.
        try backend.write([writes], synced: true)
        #expect(isDamaged { _ = try backend.read([[4]]) })

        // A part of what is damaged cannot be deleted, as with a file of RocksDB.
        for part in [
            KeyRange(lower: [2], upper: [5]), KeyRange(lower: [4], upper: nil),
            KeyRange(lower: [4], upper: [5]),
        ] {
            #expect(
                isDamaged(
                    { _ = try backend.deleteRows(in: part, from: nil, bytesMax: 30) },
                    deletes: true
                )
            )
        }
        #expect(backend.failure == nil)
        let range = KeyRange(lower: [2], upper: [6])
        let next = try backend.deleteRows(in: range, from: nil, bytesMax: 30)
        #expect(next == [4])
        #expect(try backend.read([[2], [3]]) == [nil, nil])
        #expect(isDamaged { _ = try backend.read([[4]]) })
        #expect(try backend.deleteRows(in: range, from: next, bytesMax: 99) == nil)
        #expect(try backend.read([[4], [5], [6]]) == [nil, nil, row])
        #expect(!backend.isDamaged)
        backend.crash()
        #expect(isDamaged { _ = try backend.read([[3]]) })
        #expect(try backend.read([[2]]) == [row])
        _ = try backend.deleteRows(in: .all, from: nil, bytesMax: .max)
        try backend.sync()
        #expect(!backend.isDamaged)
        #expect(backend.rowCount == 0)
    }

    @Test func `wiping leaves an empty disk, and memory may be made to miss`() throws {
        let backend = ModelBackend()
        var writes = StoreWrites()
        writes.merge(row, into: [1])
        writes.putLocal([1], for: [1])
        writes.putHint([1], for: [1])
        try backend.write([writes], synced: true)
        backend.needDisk(everyNthRead: 3)
        let reads = try (0..<6).map { _ in try backend.readFromMemory([1]) }
        #expect(
            reads
                == [.found(row), .found(row), .needsDisk, .found(row), .found(row), .needsDisk]
        )
        backend.needDisk(everyNthRead: 1)
        #expect(try backend.readFromMemory([1]) == .needsDisk)
        backend.needDisk(everyNthRead: 0)
        backend.wipe()
        #expect(try backend.readFromMemory([1]) == .absent)
        #expect(try contents(of: backend) == Contents())
    }
}
