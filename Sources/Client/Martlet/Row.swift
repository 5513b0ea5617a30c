internal import NativeProtocol

/// A column of a result.
public struct Column: Hashable, Sendable {
    /// The keyspace of the table.
    public let keyspace: String
    /// The table.
    public let table: String
    /// The name, the alias, or the selected expression.
    public let name: String
    /// The type as it is written in CQL.
    public let type: String

    init(_ specification: ColumnSpecification) {
        keyspace = specification.keyspace
        table = specification.table
        name = specification.name
        type = specification.type.description
    }
}

/// The rows of a result with the look-up of their columns, shared by all of them.
final class RowStorage: Sendable {
    let rows: RowsResult
    let types: [ColumnType]
    let names: [String]
    let indexes: [String: Int]

    init(_ rows: RowsResult, columns: [ColumnSpecification]) {
        self.rows = rows
        types = columns.map(\.type)
        names = columns.map(\.name)
        // Of columns with one name the first is found by it, the others by index.
        indexes = Dictionary(
            columns.enumerated().map { ($0.element.name, $0.offset) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    func cell(_ row: Int, _ column: Int) -> Cell {
        Cell(type: types[column], bytes: rows[row: row, column: column])
    }
}

/// A row of a result; its cells are read when they are asked for.
public struct Row: Sendable {
    let storage: RowStorage
    let index: Int

    /// The number of columns.
    public var columnCount: Int { storage.types.count }

    /// The names of the columns, in order.
    public var columnNames: [String] { storage.names }

    private func column(_ name: String) throws -> Int {
        guard let column = storage.indexes[name] else {
            throw MartletError.unreadable(
                "the row has no column '\(name)'; it has \(storage.names.joined(separator: ", "))"
            )
        }
        return column
    }

    private func cell(at column: Int) -> Cell {
        precondition(
            (0..<columnCount).contains(column),
            "column \(column) of a row of \(columnCount) columns"
        )
        return storage.cell(index, column)
    }

    /// The value of a column, whatever its type.
    ///
    /// - Parameter name: the column's name as the result has it: lower case if it was not quoted.
    /// - Returns: the value.
    /// - Throws: ``MartletError`` if there is no such column, or its bytes are no value.
    public func value(_ name: String) throws -> CQLValue {
        try cell(at: try column(name)).value()
    }

    /// The value of a column, whatever its type.
    ///
    /// - Parameter column: the column's position, from 0 to ``columnCount`` - 1.
    /// - Returns: the value.
    /// - Throws: ``MartletError`` if its bytes are no value of its type.
    public func value(at column: Int) throws -> CQLValue { try cell(at: column).value() }

    /// The value of a column as a Swift type.
    ///
    /// - Parameters:
    ///   - name: the column's name.
    ///   - type: the type; an optional one if the cell may be null.
    /// - Returns: the value.
    /// - Throws: ``MartletError`` if there is no such column, or its value is none of the type.
    public func get<Value: Decodable>(
        _ name: String,
        as type: Value.Type = Value.self
    ) throws -> Value {
        try get(at: try column(name), as: type)
    }

    /// The value of a column as a Swift type.
    ///
    /// - Parameters:
    ///   - column: the column's position, from 0 to ``columnCount`` - 1.
    ///   - type: the type; an optional one if the cell may be null.
    /// - Returns: the value.
    /// - Throws: ``MartletError`` if the value is none of the type.
    public func get<Value: Decodable>(
        at column: Int,
        as type: Value.Type = Value.self
    ) throws -> Value {
        try decoding(storage.names[column]) {
            try CellDecoder(cell: cell(at: column), codingPath: []).decode(type)
        }
    }

    /// Whether a column is null or missing.
    public func isNull(_ name: String) -> Bool {
        guard let column = storage.indexes[name] else { return true }
        return storage.rows.isNull(row: index, column: column)
    }

    /// The row as a value whose properties, or coding keys, have the names of the columns.
    ///
    /// - Parameter type: the type; properties that may be null are optional.
    /// - Returns: the value.
    /// - Throws: ``MartletError`` if a column is missing, or its value is none of the property's
    ///   type.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        try decoding(nil) { try Value(from: RowDecoder(row: self)) }
    }

    private func decoding<Value>(_ column: String?, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as DecodingError {
            throw MartletError.unreadable(error.summary(column: column))
        } catch let error as MartletError {
            guard let column else { throw error }
            throw MartletError.unreadable("column '\(column)': \(error.message)")
        }
    }
}

extension DecodingError {
    /// The error in one sentence.
    fileprivate func summary(column: String?) -> String {
        let context: Context
        var problem: String?
        switch self {
        case .keyNotFound(let key, let found):
            context = found
            problem = "there is no column '\(key.stringValue)'"
        case .typeMismatch(_, let found), .valueNotFound(_, let found), .dataCorrupted(let found):
            context = found
        @unknown default: return "\(self)"
        }
        let path = (column.map { [$0] } ?? []) + context.codingPath.map(\.stringValue)
        let place = path.isEmpty ? "" : "column '\(path.joined(separator: "."))': "
        return place + (problem ?? context.debugDescription)
    }
}
