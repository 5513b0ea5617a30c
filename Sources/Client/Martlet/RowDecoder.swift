internal import Catalog
internal import Foundation
internal import NativeProtocol

/// Decodes a row: its columns are the keys.
struct RowDecoder: Decoder {
    let row: Row

    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(RowContainer<Key>(row: row))
    }

    func unkeyedContainer() -> any UnkeyedDecodingContainer {
        let cells = (0..<row.columnCount).map { row.storage.cell(row.index, $0) }
        return CellListContainer(cells: cells, codingPath: [])
    }

    /// A row of one column is that column's value.
    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        guard row.columnCount == 1 else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: [],
                    debugDescription: "one value is asked for, the row has \(row.columnCount)"
                )
            )
        }
        return CellDecoder(cell: row.storage.cell(row.index, 0), codingPath: [])
    }
}

/// The columns of a row by name.
private struct RowContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let row: Row

    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { row.storage.names.compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { row.storage.indexes[key.stringValue] != nil }

    private func cell(_ key: Key) throws -> CellDecoder {
        guard let column = row.storage.indexes[key.stringValue] else {
            throw DecodingError.keyNotFound(key, .init(codingPath: [], debugDescription: ""))
        }
        return CellDecoder(cell: row.storage.cell(row.index, column), codingPath: [key])
    }

    func decodeNil(forKey key: Key) throws -> Bool { try cell(key).decodeNil() }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try cell(key).decode(type)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try cell(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try cell(key).unkeyedContainer()
    }

    func superDecoder() -> any Decoder { RowDecoder(row: row) }

    func superDecoder(forKey key: Key) throws -> any Decoder { try cell(key) }
}

/// Decodes one cell.
struct CellDecoder: Decoder, SingleValueDecodingContainer {
    let cell: Cell
    let codingPath: [any CodingKey]

    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// Names the place where reading the cell fails.
    private func reading<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as MartletError {
            throw DecodingError.dataCorrupted(
                .init(codingPath: codingPath, debugDescription: error.message)
            )
        }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        let entries = try reading { try cell.entries() }
        let container = try CellMapContainer<Key>(entries: entries, codingPath: codingPath)
        return KeyedDecodingContainer(container)
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        let cells = try reading {
            if case .cql(.map(_, _)) = cell.type {
                return try cell.entries().flatMap { [$0.key, $0.value] }
            }
            return try cell.elements()
        }
        return CellListContainer(cells: cells, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { cell.bytes == nil }

    func decode(_ type: Bool.Type) throws -> Bool { try reading { try cell.boolean() } }
    func decode(_ type: String.Type) throws -> String { try reading { try cell.text() } }
    func decode(_ type: Double.Type) throws -> Double { try reading { try cell.double() } }
    func decode(_ type: Float.Type) throws -> Float { try reading { try cell.float() } }

    private func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Value {
        let number = try reading { try cell.integer() }
        guard let value = Value(exactly: number) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: codingPath, debugDescription: "\(number) does not fit \(type)")
            )
        }
        return value
    }

    func decode(_ type: Int.Type) throws -> Int { try integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let special: Any? =
            switch type {
            case is UUID.Type: try reading { try cell.uuid() }
            case is Date.Type: try reading { try cell.date() }
            case is [Float].Type: try reading { try cell.floats() }
            case is [UInt8].Type: try bytes()
            case is CQLValueBox.Type: CQLValueBox(value: try reading { try cell.value() })
            default: nil
            }
        // Without the first test, nil would be taken for the null of an optional type.
        if let special, let value = special as? Value { return value }
        return try Value(from: self)
    }

    /// A blob, or a list of small numbers.
    private func bytes() throws -> [UInt8]? {
        switch cell.type {
        case .cql(.list(_)), .cql(.set(_)): nil
        default: Array(try reading { try cell.present() })
        }
    }
}

/// Asks a decoder for a value of any type.
private struct CQLValueBox: Decodable {
    let value: CQLValue

    init(value: CQLValue) { self.value = value }

    init(from decoder: any Decoder) throws {
        throw DecodingError.dataCorrupted(
            .init(
                codingPath: decoder.codingPath,
                debugDescription: "a CQLValue can only be decoded from a row"
            )
        )
    }
}

extension CQLValue: Decodable {
    /// The value of a cell, whatever its type.
    ///
    /// - Parameter decoder: that of a row.
    /// - Throws: `DecodingError` if it is another one, or the bytes are no value.
    public init(from decoder: any Decoder) throws {
        self = try decoder.singleValueContainer().decode(CQLValueBox.self).value
    }
}

/// The elements of a list, set or vector.
private struct CellListContainer: UnkeyedDecodingContainer {
    let cells: [Cell]
    let codingPath: [any CodingKey]
    var currentIndex = 0

    init(cells: [Cell], codingPath: [any CodingKey]) {
        self.cells = cells
        self.codingPath = codingPath
    }

    var count: Int? { cells.count }
    var isAtEnd: Bool { currentIndex == cells.count }

    private mutating func next() throws -> CellDecoder {
        guard currentIndex < cells.count else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: codingPath,
                    debugDescription: "there are no more than \(cells.count) elements"
                )
            )
        }
        defer { currentIndex += 1 }
        return CellDecoder(cell: cells[currentIndex], codingPath: codingPath)
    }

    mutating func decodeNil() throws -> Bool {
        guard currentIndex < cells.count, cells[currentIndex].bytes == nil else { return false }
        currentIndex += 1
        return true
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try next().decode(type)
    }

    mutating func nestedContainer<Key: CodingKey>(
        keyedBy type: Key.Type
    ) throws -> KeyedDecodingContainer<Key> {
        try next().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try next().unkeyedContainer()
    }

    mutating func superDecoder() throws -> any Decoder { try next() }
}

/// The entries of a map whose keys are texts or whole numbers.
private struct CellMapContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let codingPath: [any CodingKey]
    private let cells: [String: Cell]

    init(entries: [(key: Cell, value: Cell)], codingPath: [any CodingKey]) throws {
        self.codingPath = codingPath
        var cells: [String: Cell] = [:]
        for entry in entries {
            let key: String
            switch try entry.key.value() {
            case .text(let text): key = text
            case .integer(let number): key = String(number)
            case .uuid(let uuid): key = uuid.uuidString
            case .boolean(let value): key = String(value)
            case let other:
                throw DecodingError.dataCorrupted(
                    .init(codingPath: codingPath, debugDescription: "a \(other.kind) is no key")
                )
            }
            cells[key] = entry.value
        }
        self.cells = cells
    }

    var allKeys: [Key] { cells.keys.sorted().compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { cells[key.stringValue] != nil }

    private func cell(_ key: Key) throws -> CellDecoder {
        guard let cell = cells[key.stringValue] else {
            throw DecodingError.keyNotFound(
                key,
                .init(codingPath: codingPath, debugDescription: "")
            )
        }
        return CellDecoder(cell: cell, codingPath: codingPath + [key])
    }

    func decodeNil(forKey key: Key) throws -> Bool { try cell(key).decodeNil() }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try cell(key).decode(type)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try cell(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try cell(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder {
        throw DecodingError.dataCorrupted(
            .init(codingPath: codingPath, debugDescription: "a map has no super decoder")
        )
    }

    func superDecoder(forKey key: Key) throws -> any Decoder { try cell(key) }
}
