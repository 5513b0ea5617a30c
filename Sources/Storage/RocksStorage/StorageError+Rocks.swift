internal import Storage

extension StorageError {
    /// Sorts an error text of RocksDB, which the C API gives instead of a code.
    static func fromRocks(_ message: String, operation: String, path: String) -> StorageError {
        let fault = Fault(operation: operation, path: path, message: message)
        if message.hasPrefix("Corruption") { return .corruption(fault) }
        if message.contains("No space left on device") { return .noSpace(fault) }
        if message.contains("lock hold by current process") || message.contains("While lock file") {
            return .locked(fault)
        }
        if message.hasPrefix("Invalid argument") || message.hasPrefix("Not implemented") {
            return .invalid(fault)
        }
        return .ioFailure(fault)
    }
}
