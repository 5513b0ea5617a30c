/// Where a node stands: the failure domains over which replicas are spread.
package struct Location: Hashable, Sendable {
    /// The name of the datacenter, as keyspaces name it in their replication.
    package var datacenter: String
    /// The name of the rack, unique within its datacenter only.
    package var rack: String

    /// The location with the given names.
    package init(datacenter: String, rack: String) {
        self.datacenter = datacenter
        self.rack = rack
    }
}
