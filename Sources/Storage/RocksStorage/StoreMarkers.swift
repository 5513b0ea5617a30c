internal import Foundation
package import Storage

/// Small values beside a store that tell what its opening lost: written before RocksDB opens the
/// store without what it cannot read, and forgets that there was anything.
///
/// Each stays until somebody has written down what follows from it, whatever crashes meanwhile.
package protocol StoreMarkers: AnyObject {
    /// The value of a marker; nil: there is none.
    func read(_ name: String) -> [UInt8]?
    /// Leaves a marker, to last.
    func write(_ value: [UInt8], _ name: String) throws(StorageError)
    /// Takes a marker away, if there is one.
    func remove(_ name: String) throws(StorageError)
}

/// The names of the markers.
enum StoreMarker {
    /// What was wrong with the write-ahead log, in words.
    static let logDamage = "log-damage"
    /// What lay in table files that were taken out, as ``LostFile`` encodes it.
    static let lostFiles = "lost-files"
}

/// Markers that are files in the folder of the store's folder.
final class MarkerFiles: StoreMarkers {
    private let store: String

    /// The markers of the store in a folder.
    init(store: String) { self.store = store }

    func read(_ name: String) -> [UInt8]? {
        FileManager.default.contents(atPath: path(name)).map { [UInt8]($0) }
    }

    func write(_ value: [UInt8], _ name: String) throws(StorageError) {
        // Under another name first: a crash must not leave half of it in the place of the last one.
        let (path, draft) = (path(name), path(name) + ".new")
        guard FileManager.default.createFile(atPath: draft, contents: Data(value)),
            Self.sync(draft), rename(draft, path) == 0,
            Self.sync((path as NSString).deletingLastPathComponent)
        else { throw failure("write", path) }
    }

    func remove(_ name: String) throws(StorageError) {
        let path = path(name)
        guard FileManager.default.fileExists(atPath: path) else { return }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw failure("remove", path)
        }
    }

    private func path(_ name: String) -> String { "\(store).\(name)" }

    private func failure(_ operation: String, _ path: String) -> StorageError {
        .ioFailure(
            StorageError.Fault(
                operation: "\(operation) the file that says what is damaged",
                path: path,
                message: String(cString: strerror(errno))
            )
        )
    }

    private static func sync(_ path: String) -> Bool {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { return false }
        defer { close(file) }
        return fsync(file) == 0
    }
}

/// Markers that last as long as this object, for stores on simulated disks.
///
/// `@unchecked Sendable`: a store is opened, and its markers read and written, by one thread at a time.
package final class MarkersInMemory: StoreMarkers, @unchecked Sendable {
    private var values: [String: [UInt8]] = [:]

    /// No markers.
    package init() {}

    package func read(_ name: String) -> [UInt8]? { values[name] }

    package func write(_ value: [UInt8], _ name: String) throws(StorageError) {
        values[name] = value
    }

    package func remove(_ name: String) throws(StorageError) { values[name] = nil }
}
