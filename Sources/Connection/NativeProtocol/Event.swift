import ByteCoding

/// A kind of event that REGISTER asks for (native_protocol_v4.spec, section 4.2.6).
package enum EventType: String, Hashable, Sendable, CaseIterable {
    case topologyChange = "TOPOLOGY_CHANGE"
    case statusChange = "STATUS_CHANGE"
    case schemaChange = "SCHEMA_CHANGE"
}

/// What a server tells without being asked.
package enum Event: Hashable, Sendable {
    /// What became of a node's membership.
    package enum TopologyChange: String, Hashable, Sendable, CaseIterable {
        case newNode = "NEW_NODE"
        case removedNode = "REMOVED_NODE"
        case movedNode = "MOVED_NODE"
    }

    /// What became of a node's liveness.
    package enum StatusChange: String, Hashable, Sendable, CaseIterable {
        case up = "UP"
        case down = "DOWN"
    }

    /// A node joined or left.
    case topologyChange(TopologyChange, InetEndpoint)
    /// A node came up or went down.
    case statusChange(StatusChange, InetEndpoint)
    /// A keyspace, table or function changed.
    case schemaChange(SchemaChange)

    /// The type to which a connection must have registered.
    package var type: EventType {
        switch self {
        case .topologyChange: .topologyChange
        case .statusChange: .statusChange
        case .schemaChange: .schemaChange
        }
    }
}

/// A change of the schema, as an event and as the result of a statement (sections 4.2.5.5, 4.2.6).
package struct SchemaChange: Hashable, Sendable {
    /// What was done.
    package enum Change: String, Hashable, Sendable, CaseIterable {
        case created = "CREATED"
        case updated = "UPDATED"
        case dropped = "DROPPED"
    }

    /// To what it was done.
    package enum Target: Hashable, Sendable {
        /// A keyspace.
        case keyspace(String)
        /// A table, its indexes included.
        case table(keyspace: String, name: String)
        /// A user-defined type.
        case type(keyspace: String, name: String)
        /// A function, which a model is.
        case function(keyspace: String, name: String, argumentTypes: [String])
        /// An aggregate.
        case aggregate(keyspace: String, name: String, argumentTypes: [String])
    }

    /// What was done.
    package var change: Change
    /// To what it was done.
    package var target: Target

    /// A change of a target.
    package init(_ change: Change, _ target: Target) {
        self.change = change
        self.target = target
    }
}

extension ByteReader {
    private mutating func readName<Name: RawRepresentable>(
        _ what: StaticStringName
    ) throws(ByteDecodingError) -> Name where Name.RawValue == String {
        let text = try readString(what)
        guard let name = Name(rawValue: text) else {
            throw .invalid(what: "\(what.text) '\(text)'")
        }
        return name
    }

    mutating func readEvent() throws(ByteDecodingError) -> Event {
        let type: EventType = try readName("event type")
        switch type {
        case .topologyChange:
            return .topologyChange(try readName("topology change"), try readEndpoint())
        case .statusChange:
            return .statusChange(try readName("status change"), try readEndpoint())
        case .schemaChange: return .schemaChange(try readSchemaChange())
        }
    }

    mutating func readSchemaChange() throws(ByteDecodingError) -> SchemaChange {
        let change: SchemaChange.Change = try readName("schema change")
        let target = try readString("target of a schema change")
        let keyspace = try readString("keyspace")
        switch target {
        case "KEYSPACE": return SchemaChange(change, .keyspace(keyspace))
        case "TABLE":
            return SchemaChange(change, .table(keyspace: keyspace, name: try readString("table")))
        case "TYPE":
            return SchemaChange(change, .type(keyspace: keyspace, name: try readString("type")))
        case "FUNCTION":
            return SchemaChange(
                change,
                .function(
                    keyspace: keyspace,
                    name: try readString("function"),
                    argumentTypes: try readStringList("argument types")
                )
            )
        case "AGGREGATE":
            return SchemaChange(
                change,
                .aggregate(
                    keyspace: keyspace,
                    name: try readString("aggregate"),
                    argumentTypes: try readStringList("argument types")
                )
            )
        default: throw .invalid(what: "target of a schema change '\(target)'")
        }
    }
}

extension ByteWriter {
    mutating func writeEvent(_ event: Event) {
        writeString(event.type.rawValue)
        switch event {
        case .topologyChange(let change, let endpoint):
            writeString(change.rawValue)
            writeEndpoint(endpoint)
        case .statusChange(let change, let endpoint):
            writeString(change.rawValue)
            writeEndpoint(endpoint)
        case .schemaChange(let change): writeSchemaChange(change)
        }
    }

    mutating func writeSchemaChange(_ change: SchemaChange) {
        writeString(change.change.rawValue)
        switch change.target {
        case .keyspace(let keyspace): writeStrings("KEYSPACE", keyspace)
        case .table(let keyspace, let name): writeStrings("TABLE", keyspace, name)
        case .type(let keyspace, let name): writeStrings("TYPE", keyspace, name)
        case .function(let keyspace, let name, let argumentTypes):
            writeStrings("FUNCTION", keyspace, name)
            writeStringList(argumentTypes)
        case .aggregate(let keyspace, let name, let argumentTypes):
            writeStrings("AGGREGATE", keyspace, name)
            writeStringList(argumentTypes)
        }
    }

    private mutating func writeStrings(_ texts: String...) {
        for text in texts { writeString(text) }
    }
}
