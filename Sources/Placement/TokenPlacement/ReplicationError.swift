/// Why a keyspace's replication cannot be accepted.
package enum ReplicationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The class is none that is known here.
    case unknownClass(String)
    /// An option that must be given is missing.
    case missingOption(String, class: String)
    /// An option is none of the class.
    case unknownOption(String, class: String)
    /// No node stands in the datacenter.
    case unknownDatacenter(String, known: [String])
    /// No datacenter is given a replica.
    case noDatacenters
    /// The factor is no number.
    case invalidFactor(String, option: String)
    /// The factor is less than the least or more than the greatest that is accepted.
    case factorOutOfRange(Int, option: String, minimum: Int, maximum: Int)

    package var description: String {
        switch self {
        case .unknownClass(let name):
            "unknown replication class '\(name)': use 'SimpleStrategy' or 'NetworkTopologyStrategy'"
        case .missingOption(let option, let name):
            "\(name) needs the option '\(option)': add it to the replication"
        case .unknownOption(let option, let name):
            "\(name) has no option '\(option)': remove it from the replication"
        case .unknownDatacenter(let name, let known):
            "no node is in the datacenter '\(name)': the datacenters are "
                + known.map { "'\($0)'" }.joined(separator: ", ")
        case .noDatacenters:
            "NetworkTopologyStrategy needs a replication factor of at least 1 for at least one "
                + "datacenter: name one, or give 'replication_factor' for all of them"
        case .invalidFactor(let text, let option):
            "the replication factor '\(text)' of '\(option)' is not a whole number"
                + (text.contains("/") ? ": transient replicas are not supported" : "")
        case .factorOutOfRange(let factor, let option, let minimum, let maximum):
            "the replication factor of '\(option)' is \(factor): "
                + "it must be between \(minimum) and \(maximum)"
        }
    }
}
