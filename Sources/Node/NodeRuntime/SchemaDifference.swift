internal import Catalog
internal import NativeProtocol

/// What clients are told when one state follows another.
enum SchemaDifference {
    /// The keyspaces, tables and models that came, changed or went.
    static func changes(from old: ClusterState, to new: ClusterState) -> [SchemaChange] {
        guard old.schemaVersion != new.schemaVersion else { return [] }
        var changes: [SchemaChange] = []
        for name in Set(old.keyspaces.keys).union(new.keyspaces.keys).sorted() {
            if let change = kind(old.keyspaces[name], new.keyspaces[name]) {
                changes.append(SchemaChange(change, .keyspace(name)))
            }
            let before = old.tables[name] ?? [:]
            let after = new.tables[name] ?? [:]
            for table in Set(before.keys).union(after.keys).sorted() {
                if let change = kind(before[table], after[table]) {
                    changes.append(SchemaChange(change, .table(keyspace: name, name: table)))
                }
            }
        }
        for name in Set(old.models.keys).union(new.models.keys).sorted() {
            guard let change = kind(old.models[name], new.models[name]) else { continue }
            let model = new.models[name] ?? old.models[name]
            let types = model?.signature.parameters.map(\.type.cqlType.cqlText) ?? []
            let target = SchemaChange.Target.function(
                keyspace: name.keyspace,
                name: name.name,
                argumentTypes: types
            )
            changes.append(SchemaChange(change, target))
        }
        return changes
    }

    private static func kind<Value: Equatable>(
        _ old: Value?,
        _ new: Value?
    ) -> SchemaChange.Change? {
        switch (old, new) {
        case (nil, nil): nil
        case (nil, _?): .created
        case (_?, nil): .dropped
        case (let old?, let new?): old == new ? nil : .updated
        }
    }
}
