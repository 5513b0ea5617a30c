import Catalog

/// Collects a virtual table's rows, with each row's values in the order of the table's columns.
struct SystemRows {
    /// The table that the rows are of.
    let table: TableDefinition
    /// The rows so far.
    private(set) var rows: [[[UInt8]?]] = []

    init(of table: TableDefinition) { self.table = table }

    /// Appends a row of values by column name; columns that are not named are null.
    mutating func append(_ values: KeyValuePairs<String, EncodedValue>) {
        var row = [[UInt8]?](repeating: nil, count: table.columns.count)
        for (name, value) in values {
            guard let index = table.index(ofColumn: name) else {
                preconditionFailure("\(table.qualifiedName) has no column \(name)")
            }
            row[index] = value.bytes
        }
        rows.append(row)
    }
}
