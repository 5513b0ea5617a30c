internal import CRocksFiles
internal import Foundation
internal import Storage

/// Opens a database, if need be without what cannot be read of it, and says what that is.
///
/// By itself RocksDB passes over damage in its log without a word, and forgets it; and it does not
/// open at all with a table file whose footer or index is damaged. So markers say what is lost until
/// somebody has written down what follows from it.
struct StoreOpener {
    /// How often in a row the disk must refuse to give a part of a file for that to count as damage.
    private static let refusalsMax = 3
    /// How many files may be taken out at once, or else a quarter of them: more are no chance, but a wrong
    /// disk, or a RocksDB that does not know their format.
    private static let brokenMax = 4

    private let options: RocksOptions
    private let merging: RowMerging
    private let environment: StoreEnvironment
    private let markers: (any StoreMarkers)?
    /// What was wrong with the log.
    private(set) var logDamage: String?
    /// What lay in the files that had to go.
    private(set) var lostFiles: [LostFile] = []

    init(options: RocksOptions, merging: RowMerging, environment: StoreEnvironment) {
        self.options = options
        self.merging = merging
        self.environment = environment
        markers = environment.markers(options.path)
    }

    /// Opens the database for use.
    ///
    /// - Throws: what the disk says.
    mutating func open() throws(StorageError) -> RocksDatabase {
        logDamage = markers?.read(StoreMarker.logDamage).map { String(decoding: $0, as: UTF8.self) }
        lostFiles = markers?.read(StoreMarker.lostFiles).map(LostFile.decode) ?? []
        while true {
            do throws(StorageError) {
                return try database(.whole)
            } catch {
                guard let fault = error.asDamage?.fault else { throw error }
                let broken = try brokenFiles()
                guard !broken.isEmpty else { return try openWithoutLogDamage(fault) }
                try takeOut(broken)
            }
        }
    }

    private func database(_ opening: RocksOpening) throws(StorageError) -> RocksDatabase {
        try RocksDatabase(
            options: options,
            merging: merging,
            environment: environment.environment,
            opening: opening
        )
    }

    private mutating func openWithoutLogDamage(
        _ fault: StorageError.Fault
    ) throws(StorageError) -> RocksDatabase {
        let known = logDamage
        let damage = known ?? fault.message
        try markers?.write(Array(damage.utf8), StoreMarker.logDamage)
        do throws(StorageError) {
            let database = try database(.withoutLogDamage)
            logDamage = damage
            return database
        } catch {
            // Something else is damaged.
            if known == nil { try markers?.remove(StoreMarker.logDamage) }
            throw error
        }
    }

    // MARK: Files

    /// The table files of rows and hints that cannot be opened; those of the node's own values stay,
    /// as without them the node does not know who it is.
    ///
    /// - Throws: ``StorageError/corruption(_:)`` if they are so many that no damage to files explains it.
    private func brokenFiles() throws(StorageError) -> [(number: UInt64, lost: LostFile)] {
        // What goes must be remembered somewhere.
        guard markers != nil, let database = try? database(.listing) else { return [] }
        defer { database.close() }
        let rows = LiveFile.all(in: database).map { ($0, LostFile.rows($0.range)) }
        let hints = LiveFile.all(in: database, family: "hints").map { ($0, LostFile.hints) }
        var broken: [(number: UInt64, lost: LostFile)] = []
        var reason = ""
        for (file, lost) in rows + hints {
            guard let damage = damage(of: file) else { continue }
            broken.append((file.number, lost))
            reason = damage
        }
        guard broken.count <= max(Self.brokenMax, (rows.count + hints.count) / 4) else {
            throw .corruption(
                StorageError.Fault(
                    operation: "open \(broken.count) of \(rows.count + hints.count) table files",
                    path: options.path,
                    message: reason
                )
            )
        }
        return broken
    }

    /// Why a file cannot be opened, if it is damaged.
    private func damage(of file: LiveFile) -> String? {
        let handle = environment.environment.map { UnsafeRawPointer($0) }
        var reason: String?
        for _ in 0..<Self.refusalsMax {
            guard let text = rocks_files_check(options.path + file.name, handle) else { return nil }
            defer { free(text) }
            let error = StorageError.fromRocks(
                String(cString: text),
                operation: "open \(file.name)",
                path: options.path
            )
            guard error.asDamage != nil else { return nil }
            reason = error.fault?.message
            if case .corruption = error { break }
        }
        return reason
    }

    /// Takes files out of the closed database, whatever they hold.
    private mutating func takeOut(
        _ files: [(number: UInt64, lost: LostFile)]
    ) throws(StorageError) {
        // A crash behind this finds them broken once more.
        lostFiles += files.map(\.lost).filter { !lostFiles.contains($0) }
        try markers?.write(LostFile.encode(lostFiles), StoreMarker.lostFiles)
        for file in files { try Self.remove(file: file.number, options, environment) }
    }

    /// Takes a table file out of a database that is closed.
    ///
    /// - Throws: why it stays.
    static func remove(
        file number: UInt64,
        _ options: RocksOptions,
        _ environment: StoreEnvironment
    ) throws(StorageError) {
        let handle = environment.environment.map { UnsafeRawPointer($0) }
        guard let reason = rocks_files_remove(options.path, number, handle) else { return }
        defer { free(reason) }
        throw .fromRocks(
            String(cString: reason),
            operation: "take out the damaged table file \(number)",
            path: options.path
        )
    }
}
