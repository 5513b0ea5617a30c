package import Storage

/// The disk under a store: the real one, or a simulated one in tests.
///
/// No configuration reaches this: the program says `realDisk`, and the planted fault needs an
/// environment that only the test support target can make.
package struct StoreEnvironment {
    /// When the writer acknowledges relative to the sync that it promised.
    package typealias Acknowledgement = CommitCycle.Acknowledgement

    /// A `rocksdb_env_t`, or nil for the real disk.
    let environment: OpaquePointer?
    /// What frees `environment`; the store keeps it alive.
    let owner: AnyObject?
    let acknowledgement: Acknowledgement

    /// The machine's own file system.
    package static var realDisk: StoreEnvironment {
        StoreEnvironment(environment: nil, owner: nil, acknowledgement: .afterSync)
    }

    /// A simulated file system, given as a `rocksdb_env_t` that lives as long as `owner`.
    package static func simulatedDisk(
        _ environment: OpaquePointer,
        owner: AnyObject,
        acknowledgement: Acknowledgement = .afterSync
    ) -> StoreEnvironment {
        StoreEnvironment(
            environment: environment,
            owner: owner,
            acknowledgement: acknowledgement
        )
    }
}
