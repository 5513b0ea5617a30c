internal import CRocksDB
internal import Storage

/// The open database: the pointers of the C API and the calls that take an error pointer.
///
/// `@unchecked Sendable`: the pointers are set in `init` and never change. RocksDB's database,
/// column families and caches may be used from any thread; the option objects are only read
/// after `init`. `close` runs once, after the readers and the writer left (see ``RocksStore``).
final class RocksDatabase: @unchecked Sendable {
    /// The column families, in the order in which they are opened.
    private static let familyNames = ["default", "rows", "local", "hints"]

    let path: String
    let handle: OpaquePointer
    let rows: OpaquePointer
    let local: OpaquePointer
    let hints: OpaquePointer
    let blockCache: OpaquePointer
    let rowCache: OpaquePointer?
    /// Reads from memory and disk.
    let readAnywhere: OpaquePointer
    /// Reads what memory holds, never the disk.
    let readMemory: OpaquePointer
    let writeSynced: OpaquePointer
    let writeUnsynced: OpaquePointer

    private let families: [OpaquePointer]
    private let databaseOptions: OpaquePointer
    private let rowOptions: OpaquePointer
    private let localOptions: OpaquePointer
    private let hintOptions: OpaquePointer

    /// Opens the database, and makes it if there is none.
    ///
    /// - Parameters:
    ///   - options: where and how.
    ///   - merging: how pieces of a row become one.
    ///   - environment: the disk; nil: the real one.
    ///   - opening: what for, and how much of it there must be.
    /// - Throws: what the disk says.
    init(
        options: RocksOptions,
        merging: RowMerging,
        environment: OpaquePointer?,
        opening: RocksOpening
    ) throws(StorageError) {
        let settings = RocksSettings(
            options: options,
            merging: merging,
            environment: environment,
            opening: opening
        )
        path = options.path
        databaseOptions = settings.database
        rowOptions = settings.rows
        localOptions = settings.local
        hintOptions = settings.hints
        blockCache = settings.blockCache
        rowCache = settings.rowCache
        readAnywhere = rocksdb_readoptions_create()
        readMemory = rocksdb_readoptions_create()
        rocksdb_readoptions_set_read_tier(readMemory, 1)  // Block cache and memtables only.
        writeSynced = rocksdb_writeoptions_create()
        rocksdb_writeoptions_set_sync(writeSynced, 1)
        writeUnsynced = rocksdb_writeoptions_create()

        let names = Self.familyNames.map { $0.withCString { rocksdbCopy($0) } }
        defer { names.forEach { $0.deallocate() } }
        let namePointers = names.map { UnsafePointer<CChar>?($0) }
        let familyOptions: [OpaquePointer?] = [
            localOptions, rowOptions, localOptions, hintOptions,
        ]
        var opened = [OpaquePointer?](repeating: nil, count: names.count)
        var message: UnsafeMutablePointer<CChar>?
        let count = Int32(names.count)
        let handle =
            switch opening {
            case .whole, .withoutLogDamage:
                rocksdb_open_column_families(
                    databaseOptions,
                    path,
                    count,
                    namePointers,
                    familyOptions,
                    &opened,
                    &message
                )
            case .listing:
                rocksdb_open_for_read_only_column_families(
                    databaseOptions,
                    path,
                    count,
                    namePointers,
                    familyOptions,
                    &opened,
                    0,
                    &message
                )
            }
        guard let handle, message == nil else {
            let text = Self.takeText(&message) ?? "no reason given"
            settings.destroy()
            rocksdb_readoptions_destroy(readAnywhere)
            rocksdb_readoptions_destroy(readMemory)
            rocksdb_writeoptions_destroy(writeSynced)
            rocksdb_writeoptions_destroy(writeUnsynced)
            throw .fromRocks(text, operation: "open the store", path: options.path)
        }
        families = opened.compactMap { $0 }
        precondition(families.count == names.count, "RocksDB opened \(opened), not \(names.count)")
        self.handle = handle
        rows = families[1]
        local = families[2]
        hints = families[3]
    }

    /// Closes the database; nothing may use this object afterwards.
    func close() {
        families.forEach { rocksdb_column_family_handle_destroy($0) }
        rocksdb_close(handle)
        rocksdb_readoptions_destroy(readAnywhere)
        rocksdb_readoptions_destroy(readMemory)
        rocksdb_writeoptions_destroy(writeSynced)
        rocksdb_writeoptions_destroy(writeUnsynced)
        rocksdb_options_destroy(rowOptions)
        rocksdb_options_destroy(localOptions)
        rocksdb_options_destroy(hintOptions)
        rocksdb_options_destroy(databaseOptions)
        rocksdb_cache_destroy(blockCache)
        if let rowCache { rocksdb_cache_destroy(rowCache) }
    }

    /// Makes one call of the C API and turns its error text into an error.
    ///
    /// - Throws: the case of ``StorageError`` that RocksDB's text says.
    func call<Result>(
        _ operation: String,
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) throws(StorageError) -> Result {
        var message: UnsafeMutablePointer<CChar>?
        let result = body(&message)
        if let text = Self.takeText(&message) { throw error(text, operation) }
        return result
    }

    /// The error of an operation on this database that RocksDB describes by `text`.
    func error(_ text: String, _ operation: String) -> StorageError {
        .fromRocks(text, operation: operation, path: path)
    }

    /// Reads and frees an error text.
    static func takeText(_ message: inout UnsafeMutablePointer<CChar>?) -> String? {
        guard let pointer = message else { return nil }
        defer {
            rocksdb_free(pointer)
            message = nil
        }
        return String(cString: pointer)
    }
}

/// A copy of a C string that outlives the closure that lent it.
private func rocksdbCopy(_ text: UnsafePointer<CChar>) -> UnsafeMutablePointer<CChar> {
    var count = 0
    while text[count] != 0 { count += 1 }
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: count + 1)
    copy.initialize(from: text, count: count + 1)
    return copy
}
