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
    /// What keeps the markers of the store in a folder; nil: there are none.
    let markers: (_ path: String) -> (any StoreMarkers)?

    /// The machine's own file system.
    package static var realDisk: StoreEnvironment {
        StoreEnvironment(environment: nil, owner: nil, acknowledgement: .afterSync) {
            MarkerFiles(store: $0)
        }
    }

    /// A simulated file system, given as a `rocksdb_env_t` that lives as long as `owner`, and the
    /// markers of the one store on it, if it has any.
    package static func simulatedDisk(
        _ environment: OpaquePointer,
        owner: AnyObject,
        acknowledgement: Acknowledgement = .afterSync,
        markers: (any StoreMarkers)? = nil
    ) -> StoreEnvironment {
        StoreEnvironment(
            environment: environment,
            owner: owner,
            acknowledgement: acknowledgement,
            markers: { _ in markers }
        )
    }
}
