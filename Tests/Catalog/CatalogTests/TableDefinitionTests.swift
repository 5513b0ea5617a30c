import Catalog
import Testing
import TokenPlacement

/// The order of a table's columns, and how they are found.
@Suite struct TableDefinitionTests {
    private func table(_ columns: [ColumnDefinition]) -> TableDefinition {
        TableDefinition(
            id: TableID(1),
            uuid: NodeID(high: 0, low: 1),
            keyspace: "ml",
            name: "t",
            columns: columns
        )
    }

    private let columns = [
        ColumnDefinition(id: ColumnID(1), name: "b", type: .int, kind: .regular),
        ColumnDefinition(
            id: ColumnID(2),
            name: "second",
            type: .text,
            kind: .partitionKey,
            position: 1
        ),
        ColumnDefinition(id: ColumnID(3), name: "y", type: .int, kind: .clustering, position: 1),
        ColumnDefinition(id: ColumnID(4), name: "a", type: .float, kind: .static),
        ColumnDefinition(id: ColumnID(5), name: "z", type: .int, kind: .clustering, position: 0),
        ColumnDefinition(
            id: ColumnID(6),
            name: "third",
            type: .text,
            kind: .partitionKey,
            position: 2
        ),
        ColumnDefinition(id: ColumnID(7), name: "x", type: .int, kind: .partitionKey, position: 0),
        ColumnDefinition(id: ColumnID(8), name: "A", type: .int, kind: .regular),
    ]

    @Test func `keys come first by position, then the rest by name`() {
        let table = table(columns)
        #expect(table.columns.map(\.name) == ["x", "second", "third", "z", "y", "A", "a", "b"])
        #expect(table.partitionKeyCount == 3)
        #expect(table.partitionKey.map(\.name) == ["x", "second", "third"])
        #expect(table.qualifiedName == "ml.t")
    }

    @Test func `the order in which columns are given does not matter`() {
        #expect(table(columns) == table(columns.reversed()))
        #expect(table(columns).hashValue == table(columns.reversed()).hashValue)
    }

    @Test func `columns are found by name and by id`() {
        let table = table(columns)
        for (index, column) in table.columns.enumerated() {
            #expect(table.index(ofColumn: column.name) == index)
            #expect(table.index(of: column.id) == index)
            #expect(table.column(column.name) == column)
        }
        #expect(table.index(ofColumn: "X") == nil)
        #expect(table.column("nobody") == nil)
        #expect(table.index(of: ColumnID(9)) == nil)
    }

    @Test func `kinds bear Cassandra's names`() {
        let kinds: [ColumnKind] = [.partitionKey, .clustering, .static, .regular]
        #expect(
            kinds.map(\.cassandraName) == ["partition_key", "clustering", "static", "regular"]
        )
    }

    @Test func `a durability is known by its name and number`() {
        #expect(TableOptions().durability == .synced)
        #expect(TableDurability.periodic.rawValue == 0 && TableDurability.synced.rawValue == 1)
        for durability in TableDurability.allCases {
            #expect(TableDurability(optionValue: durability.description) == durability)
        }
        for text in ["", "SYNCED", "never"] { #expect(TableDurability(optionValue: text) == nil) }
    }
}
