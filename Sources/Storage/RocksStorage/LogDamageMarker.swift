internal import Foundation
internal import Storage

/// A file beside a store that says that its write-ahead log was damaged: written before RocksDB opens
/// the store without what it cannot read, and forgets that there was anything.
///
/// It stays until somebody has written down what follows from it, whatever crashes meanwhile.
struct LogDamageMarker {
    private let path: String

    /// The marker of the store in a folder.
    init(store path: String) { self.path = path + ".log-damage" }

    /// What was wrong; nil: there is no marker.
    func read() -> String? {
        guard let bytes = FileManager.default.contents(atPath: path) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Leaves the marker, to last.
    ///
    /// - Throws: ``StorageError/ioFailure(_:)``.
    func write(_ text: String) throws(StorageError) {
        guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)),
            Self.sync(path), Self.sync((path as NSString).deletingLastPathComponent)
        else { throw failure("write") }
    }

    /// Takes the marker away.
    ///
    /// - Throws: ``StorageError/ioFailure(_:)``.
    func remove() throws(StorageError) {
        guard FileManager.default.fileExists(atPath: path) else { return }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw failure("remove")
        }
    }

    private func failure(_ operation: String) -> StorageError {
        .ioFailure(
            StorageError.Fault(
                operation: "\(operation) the file that says that the log is damaged",
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
