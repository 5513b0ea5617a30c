internal import CRocksDB
internal import Glibc

/// RocksDB's merge operator over a ``RowMerging``.
///
/// RocksDB calls it from readers, flushes and compactions, on any thread. A failed merge in a
/// compaction stops every later write of the database, so success is all it ever reports.
enum MergeOperator {
    /// Holds the merge function while RocksDB holds the operator.
    private final class State: Sendable {
        let merging: RowMerging

        init(_ merging: RowMerging) {
            self.merging = merging
        }
    }

    /// A new operator; RocksDB owns it once it is set on options, and destroys it with them.
    static func create(_ merging: RowMerging) -> OpaquePointer? {
        rocksdb_mergeoperator_create(
            Unmanaged.passRetained(State(merging)).toOpaque(),
            { state in
                guard let state else { return }
                Unmanaged<State>.fromOpaque(state).release()
            },
            { state, _, _, existing, existingCount, operands, counts, count, success, newCount in
                MergeOperator.merge(
                    state,
                    existing: existing.map {
                        UnsafeRawBufferPointer(start: $0, count: existingCount)
                    },
                    operands,
                    counts,
                    Int(count),
                    success,
                    newCount
                )
            },
            { state, _, _, operands, counts, count, success, newCount in
                MergeOperator.merge(
                    state,
                    existing: nil,
                    operands,
                    counts,
                    Int(count),
                    success,
                    newCount
                )
            },
            // RocksDB copies the result into its own string, then gives ours back here.
            { _, value, _ in free(UnsafeMutablePointer(mutating: value)) },
            { _ in MergeOperator.name }
        )
    }

    /// Stands in the OPTIONS file of the store; immortal, as RocksDB keeps the pointer.
    private nonisolated(unsafe) static let name: UnsafePointer<CChar>? = UnsafePointer(
        strdup("martlet.rows.1")
    )

    private static func merge(
        _ state: UnsafeMutableRawPointer?,
        existing: UnsafeRawBufferPointer?,
        _ operands: UnsafePointer<UnsafePointer<CChar>?>?,
        _ counts: UnsafePointer<Int>?,
        _ count: Int,
        _ success: UnsafeMutablePointer<UInt8>?,
        _ newCount: UnsafeMutablePointer<Int>?
    ) -> UnsafeMutablePointer<CChar>? {
        guard let state, let operands, let counts, let success, let newCount else {
            preconditionFailure("RocksDB called the merge operator without its arguments")
        }
        success.pointee = 1
        if existing == nil, count == 1 {
            newCount.pointee = counts[0]
            return copy(UnsafeRawBufferPointer(start: operands[0], count: counts[0]))
        }
        let pieces = [UnsafeRawBufferPointer](unsafeUninitializedCapacity: count + 1) {
            buffer,
            used in
            if let existing { buffer.initializeElement(at: 0, to: existing) }
            used = existing == nil ? 0 : 1
            for index in 0..<count {
                let piece = UnsafeRawBufferPointer(start: operands[index], count: counts[index])
                buffer.initializeElement(at: used, to: piece)
                used += 1
            }
        }
        let merging = Unmanaged<State>.fromOpaque(state)._withUnsafeGuaranteedRef { $0.merging }
        let merged = merging.merge(pieces)
        newCount.pointee = merged.count
        return merged.withUnsafeBytes(copy)
    }

    /// A copy made by malloc, which `free` above takes back; never NULL, also for no bytes.
    private static func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutablePointer<CChar> {
        guard let target = malloc(max(bytes.count, 1)) else {
            fatalError("out of memory while merging a row of \(bytes.count) bytes")
        }
        if let source = bytes.baseAddress { memcpy(target, source, bytes.count) }
        return target.assumingMemoryBound(to: CChar.self)
    }
}
