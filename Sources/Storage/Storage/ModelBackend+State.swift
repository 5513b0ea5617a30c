extension ModelBackend {
    /// What is written as one group.
    enum Change: Sendable {
        case writes([StoreWrites])
        case rows([(key: [UInt8], row: [UInt8]?)])
        /// Some rows, all that there are in a range, whose damage goes with them.
        case deletion([[UInt8]], of: KeyRange)
    }

    /// How to take back one part of a group.
    enum Undo: Sendable {
        case row([UInt8], [UInt8]?)
        case local([UInt8], [UInt8]?)
        case hint([UInt8], [UInt8]?)
        case damaged([KeyRange])
    }

    /// The disk and what memory knows beyond it.
    struct State: Sendable {
        let path: String
        var rows = ByteTable()
        var local = ByteTable()
        var hints = ByteTable()
        var damaged: [KeyRange] = []
        var isUnreadable = false
        /// Of each unsynced group, oldest first, how to take it back.
        var undo: [[Undo]] = []
        /// A group that failed, but may have reached the disk.
        var failedGroup: Change?
        var failure: StorageError?
        var faults: Set<Fault> = []
        var isFull = false
        var diskReadEvery = 0
        var memoryReads = 0

        init(path: String) {
            self.path = path
        }

        // MARK: Reads

        func read(_ key: [UInt8]) throws(StorageError) -> [UInt8]? {
            if !damaged.isEmpty, damaged.contains(where: { $0.contains(key) }) {
                throw damage("read rows")
            }
            return rows[key]
        }

        func scan(
            _ range: KeyRange,
            rowsMax: Int,
            bytesMax: Int
        ) throws(StorageError) -> StoreScan {
            let page = rows.page(range, limit: max(1, rowsMax), bytesMax: bytesMax)
            let end = page.next ?? range.upper
            if damaged.contains(where: { $0.overlaps(KeyRange(lower: range.lower, upper: end)) }) {
                throw damage("scan rows")
            }
            return StoreScan(
                entries: page.found.map { StoredRow(key: $0.key, row: $0.value) },
                isComplete: page.next == nil
            )
        }

        private func damage(_ operation: String) -> StorageError {
            isUnreadable
                ? .ioFailure(fault(operation, "Input/output error"))
                : .corruption(fault(operation, "a block of rows is damaged"))
        }

        /// Refuses a range to be deleted that contains a part of what is damaged.
        func checkDamage(inside range: KeyRange) throws(StorageError) {
            let isPart = damaged.contains { $0.overlaps(range) && !$0.isInside(range) }
            guard !isPart else {
                throw .corruption(fault("delete rows", "a block beyond the range is damaged"))
            }
        }

        // MARK: Writes

        mutating func change(
            _ change: Change,
            _ operation: String,
            synced: Bool
        ) throws(StorageError) {
            if let failure { throw failure }
            if isFull {
                throw fail(.noSpace(fault(operation, "No space left on device")))
            }
            if faults.remove(.write) != nil {
                failedGroup = change
                throw fail(.ioFailure(fault(operation, "the simulated write failed")))
            }
            if synced, faults.remove(.sync) != nil {
                failedGroup = change
                throw fail(.ioFailure(fault(operation, "the simulated sync failed")))
            }
            if synced {
                undo.removeAll(keepingCapacity: true)
                var ignored: [Undo]?
                apply(change, &ignored)
            } else {
                var steps: [Undo]? = []
                apply(change, &steps)
                undo.append(steps ?? [])
            }
        }

        mutating func sync() throws(StorageError) {
            if let failure { throw failure }
            if faults.remove(.sync) != nil {
                throw fail(.ioFailure(fault("sync the log", "the simulated sync failed")))
            }
            undo.removeAll(keepingCapacity: true)
        }

        mutating func crash(keeping groups: Int) {
            precondition(groups >= 0, "a crash cannot keep \(groups) groups")
            let keepsFailed = groups > undo.count
            while undo.count > groups, let steps = undo.popLast() {
                for step in steps.reversed() { revert(step) }
            }
            undo = []
            if keepsFailed, let failedGroup {
                var ignored: [Undo]?
                apply(failedGroup, &ignored)
            }
            failedGroup = nil
            failure = nil
            faults = []
        }

        private mutating func fail(_ error: StorageError) -> StorageError {
            failure = error
            return error
        }

        private func fault(_ operation: String, _ message: String) -> StorageError.Fault {
            StorageError.Fault(operation: operation, path: path, message: message)
        }

        /// Makes a change, and notes how to take it back where `steps` is not nil.
        private mutating func apply(_ change: Change, _ steps: inout [Undo]?) {
            switch change {
            case .writes(let batches):
                for batch in batches { apply(batch, &steps) }
            case .rows(let replaced):
                for (key, row) in replaced {
                    let old = rows.set(key, to: row)
                    steps?.append(.row(key, old))
                }
            case .deletion(let keys, let range):
                for key in keys {
                    let old = rows.set(key, to: nil)
                    steps?.append(.row(key, old))
                }
                guard !damaged.isEmpty else { return }
                steps?.append(.damaged(damaged))
                damaged = damaged.flatMap { $0.subtracting(range) }
            }
        }

        private mutating func apply(_ batch: StoreWrites, _ steps: inout [Undo]?) {
            for (key, operand) in batch.merges {
                let old = rows.update(key) { old in
                    RowMerge.merge(old.map { [$0, operand] } ?? [operand])
                }
                steps?.append(.row(key, old))
            }
            for (key, value) in batch.localPuts {
                let old = local.set(key, to: value)
                steps?.append(.local(key, old))
            }
            for key in batch.localDeletes {
                let old = local.set(key, to: nil)
                steps?.append(.local(key, old))
            }
            for (key, value) in batch.hintPuts {
                let old = hints.set(key, to: value)
                steps?.append(.hint(key, old))
            }
            for key in batch.hintDeletes {
                let old = hints.set(key, to: nil)
                steps?.append(.hint(key, old))
            }
        }

        private mutating func revert(_ step: Undo) {
            switch step {
            case .row(let key, let old): rows.set(key, to: old)
            case .local(let key, let old): local.set(key, to: old)
            case .hint(let key, let old): hints.set(key, to: old)
            case .damaged(let ranges): damaged = ranges
            }
        }
    }
}

extension ByteTable {
    /// The first entries of a range, up to a number and a sum of bytes of which one entry may exceed
    /// the latter, and the key of the next one.
    func page(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) -> (found: [(key: [UInt8], value: [UInt8])], next: [UInt8]?) {
        var found: [(key: [UInt8], value: [UInt8])] = []
        var bytes = 0
        var next: [UInt8]?
        forEach(in: range) { entry in
            guard found.count < limit, found.isEmpty || bytes < bytesMax else {
                next = entry.key
                return false
            }
            bytes += entry.key.count + entry.value.count
            found.append((entry.key, entry.value))
            return true
        }
        return (found, next)
    }
}

extension KeyRange {
    /// Whether some key may lie in both ranges.
    package func overlaps(_ other: KeyRange) -> Bool {
        let isBefore = upper.map { !ByteOrder.precedes(other.lower, $0) } ?? false
        let isBehind = other.upper.map { !ByteOrder.precedes(lower, $0) } ?? false
        return !isBefore && !isBehind && !isEmpty && !other.isEmpty
    }

    /// Whether all of it lies in another range.
    func isInside(_ other: KeyRange) -> Bool {
        guard !ByteOrder.precedes(lower, other.lower) else { return false }
        guard let end = other.upper else { return true }
        return upper.map { !ByteOrder.precedes(end, $0) } ?? false
    }

    /// What is left of it, up to two ranges, without another one.
    func subtracting(_ other: KeyRange) -> [KeyRange] {
        guard overlaps(other) else { return isEmpty ? [] : [self] }
        var rest: [KeyRange] = []
        if ByteOrder.precedes(lower, other.lower) {
            rest.append(KeyRange(lower: lower, upper: other.lower))
        }
        if let end = other.upper {
            let tail = KeyRange(lower: end, upper: upper)
            if !tail.isEmpty { rest.append(tail) }
        }
        return rest
    }

    private var isEmpty: Bool {
        upper.map { !ByteOrder.precedes(lower, $0) } ?? false
    }
}
