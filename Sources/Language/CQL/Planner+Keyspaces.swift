internal import CQLSyntax
internal import Catalog
internal import ClusterLog
internal import TokenPlacement

extension Planner {
    /// The most bytes of a keyspace's, table's or model's name, as in Cassandra.
    static let nameByteCountMax = 48

    /// Throws unless a name is 1 to 48 of the characters a-z, A-Z, 0-9 and _.
    static func checkName(_ name: String, of kind: String) throws(CQLError) {
        let isPlain = name.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "_")
        }
        guard isPlain, (1...nameByteCountMax).contains(name.utf8.count) else {
            throw .invalid(
                "\(kind) name '\(name.prefix(80))' is invalid: it must be 1 to "
                    + "\(nameByteCountMax) of the characters a-z, A-Z, 0-9 and _"
            )
        }
    }

    /// Throws if a keyspace belongs to the system.
    func checkNotProtected(_ keyspace: String) throws(CQLError) {
        guard !virtualTables.isProtected(keyspace) else {
            throw .invalid("keyspace \(keyspace) is not user-modifiable")
        }
    }

    /// The properties by name, each given once.
    static func byName(_ properties: [Property]) throws(CQLError) -> [(String, Expression)] {
        var seen: Set<String> = []
        var named: [(String, Expression)] = []
        for property in properties {
            guard seen.insert(property.name.name).inserted else {
                throw .syntax("Multiple definition for property '\(property.name.name)'")
            }
            named.append((property.name.name, property.value))
        }
        return named
    }

    mutating func createKeyspace(
        _ statement: CreateKeyspaceStatement
    ) throws(CQLError) -> SchemaPlan {
        let name = statement.name.name
        try Self.checkName(name, of: "Keyspace")
        try checkNotProtected(name)
        var replication: ReplicationStrategy?
        var durableWrites = true
        for (property, value) in try Self.byName(statement.properties) {
            switch property {
            case "replication": replication = try self.replication(value)
            case "durable_writes":
                guard case .literal(.boolean(let isDurable)) = value.kind else {
                    throw .configuration("durable_writes must be true or false, it is \(value)")
                }
                durableWrites = isDurable
            default:
                throw .syntax(
                    "Unknown property '\(property)': a keyspace has replication and durable_writes"
                )
            }
        }
        guard let replication else {
            throw .configuration(
                "Missing mandatory option 'replication': WITH replication = "
                    + "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}"
            )
        }
        if !statement.ifNotExists, state.keyspaces[name] != nil {
            throw .alreadyExists(keyspace: name, table: "")
        }
        if !durableWrites {
            warnings.append("durable_writes = false is kept but ignored: all writes are durable")
        }
        warnOfFewNodes(replication, keyspace: name)
        return SchemaPlan(
            change: .createKeyspace(
                KeyspaceDefinition(
                    name: name,
                    replication: replication,
                    durableWrites: durableWrites
                )
            ),
            isConditional: statement.ifNotExists
        )
    }

    private func replication(_ value: Expression) throws(CQLError) -> ReplicationStrategy {
        guard case .map(let entries) = value.kind else {
            throw .configuration(
                "replication must be a map such as {'class': 'SimpleStrategy', "
                    + "'replication_factor': 3}, it is \(value)"
            )
        }
        var options: [String: String] = [:]
        for entry in entries {
            guard case .literal(.string(let option)) = entry.key.kind else {
                throw .configuration("an option of replication is a text, not \(entry.key)")
            }
            let text: String
            switch entry.value.kind {
            case .literal(.string(let string)): text = string
            case .literal(.integer(let digits)): text = digits
            default:
                throw .configuration(
                    "option '\(option)' of replication must be a text or number, it is "
                        + "\(entry.value)"
                )
            }
            guard options.updateValue(text, forKey: option) == nil else {
                throw .configuration("option '\(option)' of replication is given twice")
            }
        }
        guard let name = options["class"] else {
            throw .configuration(
                "Missing replication strategy class: add 'class': 'NetworkTopologyStrategy'"
            )
        }
        do {
            return try ReplicationStrategy(
                class: name,
                options: options,
                datacenters: state.datacenters
            )
        } catch {
            throw .configuration(error.description)
        }
    }

    private mutating func warnOfFewNodes(_ replication: ReplicationStrategy, keyspace: String) {
        switch replication {
        case .simple(let factor):
            guard factor > state.nodes.count else { return }
            warnings.append(
                "Your replication factor \(factor) for keyspace \(keyspace) is higher than the "
                    + "number of nodes \(state.nodes.count)"
            )
        case .networkTopology(let factors):
            for factor in factors {
                let count = state.nodes.values.count {
                    $0.location.datacenter == factor.datacenter
                }
                guard factor.factor > count else { continue }
                warnings.append(
                    "Your replication factor \(factor.factor) for keyspace \(keyspace) is higher "
                        + "than the number of nodes \(count) for datacenter \(factor.datacenter)"
                )
            }
        case .everywhere: break
        }
    }

    func dropKeyspace(_ statement: DropKeyspaceStatement) throws(CQLError) -> SchemaPlan {
        let name = statement.name.name
        try checkNotProtected(name)
        guard statement.ifExists || state.keyspaces[name] != nil else {
            throw .invalid("Keyspace '\(name)' doesn't exist")
        }
        return SchemaPlan(change: .dropKeyspace(name), isConditional: statement.ifExists)
    }
}
