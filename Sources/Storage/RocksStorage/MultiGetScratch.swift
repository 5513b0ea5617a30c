internal import CRocksDB

/// The arrays that one batched multi-get takes, and its results until they are read.
///
/// One allocation holds them all, with a copy of the keys: Swift's arrays lend their bytes one
/// closure at a time, and copying short keys costs less than nesting.
struct MultiGetScratch {
    let keys: UnsafeMutablePointer<UnsafePointer<CChar>?>
    let keyCounts: UnsafeMutablePointer<Int>
    let values: UnsafeMutablePointer<OpaquePointer?>
    let errors: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    private let memory: UnsafeMutableRawPointer
    private let count: Int

    init(_ wanted: ArraySlice<[UInt8]>) {
        count = wanted.count
        let word = MemoryLayout<Int>.stride
        let keyBytes = wanted.reduce(0) { $0 + $1.count }
        memory = .allocate(byteCount: 4 * word * count + keyBytes, alignment: word)
        keys = memory.bindMemory(to: UnsafePointer<CChar>?.self, capacity: count)
        keyCounts = (memory + word * count).bindMemory(to: Int.self, capacity: count)
        values = (memory + 2 * word * count).bindMemory(to: OpaquePointer?.self, capacity: count)
        errors = (memory + 3 * word * count).bindMemory(
            to: UnsafeMutablePointer<CChar>?.self,
            capacity: count
        )
        values.initialize(repeating: nil, count: count)
        errors.initialize(repeating: nil, count: count)
        var target = memory + 4 * word * count
        for (index, key) in wanted.enumerated() {
            key.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(start: target, count: key.count).copyMemory(from: $0)
            }
            (keys + index).initialize(
                to: UnsafePointer(target.bindMemory(to: CChar.self, capacity: key.count))
            )
            (keyCounts + index).initialize(to: key.count)
            target += key.count
        }
    }

    /// The row of the key at `index`, valid until `free`; nil if there is none.
    func row(_ index: Int) -> UnsafeRawBufferPointer? {
        guard let slice = values[index] else { return nil }
        var count = 0
        let pointer = rocksdb_pinnableslice_value(slice, &count)
        return UnsafeRawBufferPointer(start: pointer, count: count)
    }

    /// The text of the first error, if any; all of them are freed.
    func takeError() -> String? {
        var first: String?
        for index in 0..<count {
            guard let text = RocksDatabase.takeText(&errors[index]) else { continue }
            first = first ?? text
        }
        return first
    }

    /// Releases the rows and the arrays.
    func free() {
        for index in 0..<count {
            if let slice = values[index] { rocksdb_pinnableslice_destroy(slice) }
        }
        memory.deallocate()
    }
}
