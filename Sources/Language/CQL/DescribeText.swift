internal import CQLSyntax
package import Catalog
internal import TokenPlacement

/// The schema as CQL text, as DESCRIBE shows it.
package enum DescribeText {
    /// The statement that makes a keyspace.
    package static func createStatement(of keyspace: KeyspaceDefinition) -> String {
        let options = keyspace.replication.cassandraOptions.map { option, value in
            let bare = value.split(separator: ".").last.map(String.init) ?? value
            return "\(quoted(option)): \(quoted(option == "class" ? bare : value))"
        }
        return "CREATE KEYSPACE \(name(keyspace.name)) WITH replication = "
            + "{\(options.joined(separator: ", "))} AND durable_writes = \(keyspace.durableWrites);"
    }

    /// The statement that makes a table.
    package static func createStatement(of table: TableDefinition) -> String {
        let partitionKey = table.partitionKey.map { name($0.name) }
        let clustering = table.columns.filter { $0.kind == .clustering }.map { name($0.name) }
        let isInline = partitionKey.count == 1 && clustering.isEmpty
        var lines = table.columns.map { column in
            var line = "    \(name(column.name)) \(column.type.cqlText)"
            if column.kind == .static { line += " static" }
            if isInline, column.kind == .partitionKey { line += " PRIMARY KEY" }
            return line
        }
        if !isInline {
            let first =
                partitionKey.count == 1
                ? partitionKey[0] : "(\(partitionKey.joined(separator: ", ")))"
            lines.append("    PRIMARY KEY (\(([first] + clustering).joined(separator: ", ")))")
        }
        return "CREATE TABLE \(name(table.keyspace)).\(name(table.name)) (\n"
            + lines.joined(separator: ",\n")
            + "\n) WITH comment = \(quoted(table.options.comment))"
            + "\n    AND default_time_to_live = \(table.options.defaultTimeToLiveSeconds)"
            + "\n    AND gc_grace_seconds = \(table.options.gcGraceSeconds)"
            + durability(table.options.durability) + ";"
    }

    /// Martlet's own option, left out where it says nothing new, so that the text of other tables
    /// is CQL for Cassandra too.
    private static func durability(_ durability: TableDurability) -> String {
        durability == .synced ? "" : "\n    AND durability = \(quoted(durability.description))"
    }

    /// The newest version of a model as a comment: its bytes are no text.
    package static func createStatement(of model: ModelDefinition) -> String {
        let version = model.current
        let signature = String(
            model.signature.text.map { $0.isNewline ? " " : $0 }
        )
        return "-- Model \(model.name), version \(version.number) of \(version.byteCount) bytes:\n"
            + "-- CREATE MODEL \(name(model.name.keyspace)).\(name(model.name.name)) FROM ? WITH "
            + "signature = \(quoted(signature)) AND sha256 = '\(version.hash)';"
    }

    /// A name in double quotes where it needs them.
    package static func name(_ name: String) -> String { Identifier.quotedIfNeeded(name) }

    private static func quoted(_ text: String) -> String {
        Literal.string(text).description
    }
}
