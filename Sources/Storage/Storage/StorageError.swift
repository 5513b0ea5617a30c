/// Why the store could not do what it was asked.
///
/// After `corruption`, `ioFailure` or `noSpace` on a write the store takes no more writes: what
/// reached the disk is unknown, and only opening it again tells.
package enum StorageError: Error, Equatable, Sendable {
    /// What was attempted where, and RocksDB's own words.
    package struct Fault: Equatable, Sendable {
        /// The operation, as a phrase: "commit writes".
        package let operation: String
        /// The folder of the store.
        package let path: String
        /// RocksDB's message, or ours where RocksDB was not asked.
        package let message: String

        /// A fault of one operation on the store in `path`.
        package init(operation: String, path: String, message: String) {
            self.operation = operation
            self.path = path
            self.message = message
        }
    }

    /// Bytes on disk do not match their checksum or their format.
    case corruption(Fault)
    /// The file system refused a read, a write or an fsync.
    case ioFailure(Fault)
    /// The disk is full.
    case noSpace(Fault)
    /// Another process, or this one, has the folder open.
    case locked(Fault)
    /// The request or the options are not ones that the store accepts.
    case invalid(Fault)
    /// The store was closed before the request.
    case closed(path: String)
}

extension StorageError {
    /// What happened where; nil if the store was closed.
    package var fault: Fault? {
        switch self {
        case .corruption(let fault), .ioFailure(let fault), .noSpace(let fault),
            .locked(let fault), .invalid(let fault):
            fault
        case .closed: nil
        }
    }

    /// What the system says of bytes that are lost: EIO, EUCLEAN, ENOENT.
    ///
    /// What else it may say (too many open files, no permission, no memory) is over once somebody has
    /// helped.
    private static let lossTexts = [
        "Input/output error", "Structure needs cleaning", "No such file or directory",
    ]

    /// This error of a read as damage: bytes that the disk refuses to give are as lost as those whose
    /// checksum differs; nil if it says nothing of what is on the disk.
    package var asDamage: StorageError? {
        switch self {
        case .corruption: self
        case .ioFailure(let fault):
            Self.lossTexts.contains(where: fault.message.contains) ? .corruption(fault) : nil
        case .noSpace, .locked, .invalid, .closed: nil
        }
    }
}

extension StorageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .corruption(let fault):
            "\(fault.text). Data in this folder is damaged: start the node again, which rebuilds "
                + "damaged rows from their replicas; if it does not start, keep the folder for "
                + "analysis, and start it with an empty one and `martletd --rebuild`."
        case .ioFailure(let fault):
            "\(fault.text). The store takes no more writes: look at the disk (dmesg, SMART), "
                + "then start the node again."
        case .noSpace(let fault):
            "\(fault.text). The disk is full and the store takes no more writes: free space on "
                + "it, then start the node again."
        case .locked(let fault):
            "\(fault.text). Another process uses this folder: stop it, or give this node a data "
                + "folder of its own."
        case .invalid(let fault):
            "\(fault.text)."
        case .closed(let path):
            "The store in \(path) is closed: the node is stopping; ask another one."
        }
    }
}

extension StorageError.Fault {
    fileprivate var text: String { "Could not \(operation) in \(path): \(message)" }
}
