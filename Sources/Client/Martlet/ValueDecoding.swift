internal import Catalog
internal import Foundation
internal import NativeProtocol

/// A cell: its bytes and its type, not yet read.
struct Cell {
    let type: ColumnType
    /// The bytes, or nil for null.
    let bytes: ArraySlice<UInt8>?

    private func invalid(_ problem: String) -> MartletError {
        MartletError.unreadable("a cell of type \(type.description): \(problem)")
    }

    /// The bytes of a value that is not null.
    func present() throws -> ArraySlice<UInt8> {
        guard let bytes else { throw invalid("it is null; read it as an optional") }
        return bytes
    }

    private func fixed(_ count: Int) throws -> IntegerBytes {
        let bytes = try present()
        guard bytes.count == count else {
            throw invalid("\(count) bytes expected, \(bytes.count) given")
        }
        return IntegerBytes(bytes: bytes)
    }

    /// A number of an integer type, or the milliseconds of a timestamp.
    func integer() throws -> Int64 {
        switch type {
        case .cql(.tinyint): Int64(try fixed(1).read(Int8.self))
        case .cql(.smallint): Int64(try fixed(2).read(Int16.self))
        case .cql(.int): Int64(try fixed(4).read(Int32.self))
        case .cql(.bigint), .cql(.timestamp), .foreign("counter"):
            try fixed(8).read(Int64.self)
        default: throw invalid("it is no whole number")
        }
    }

    /// A number of a floating-point or integer type.
    func double() throws -> Double {
        switch type {
        case .cql(.double): Double(bitPattern: try fixed(8).read(UInt64.self))
        case .cql(.float): Double(Float(bitPattern: try fixed(4).read(UInt32.self)))
        default: Double(try integer())
        }
    }

    /// A number of the type `float`, or one that is narrowed to it.
    func float() throws -> Float {
        if case .cql(.float) = type { return Float(bitPattern: try fixed(4).read(UInt32.self)) }
        return Float(try double())
    }

    /// A boolean.
    func boolean() throws -> Bool {
        guard case .cql(.boolean) = type else { throw invalid("it is no boolean") }
        return try fixed(1).read(UInt8.self) != 0
    }

    /// A text, or an address in its usual notation, or a UUID in its.
    func text() throws -> String {
        switch type {
        case .cql(.text), .cql(.ascii):
            guard let text = String(validating: try present(), as: UTF8.self) else {
                throw invalid("it is not UTF-8")
            }
            return text
        case .cql(.inet):
            guard let address = InetAddress(bytes: try present()) else {
                throw invalid("an address has 4 or 16 bytes, \(try present().count) given")
            }
            return address.description
        case .cql(.uuid), .cql(.timeuuid): return try uuid().uuidString.lowercased()
        default: throw invalid("it is no text")
        }
    }

    /// A UUID.
    func uuid() throws -> UUID {
        switch type {
        case .cql(.uuid), .cql(.timeuuid): break
        default: throw invalid("it is no UUID")
        }
        let bytes = try fixed(16).bytes
        return bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    }

    /// A point in time.
    func date() throws -> Date {
        guard case .cql(.timestamp) = type else { throw invalid("it is no timestamp") }
        return Date(timeIntervalSince1970: Double(try fixed(8).read(Int64.self)) / 1000)
    }

    /// A vector's or list's floats.
    func floats() throws -> [Float] {
        guard case .cql(.vector(let dimension)) = type else {
            return try elements().map { try $0.float() }
        }
        let bytes = try fixed(4 * dimension).bytes
        return bytes.withUnsafeBytes { source in
            (0..<dimension).map { index in
                let word = source.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
                return Float(bitPattern: UInt32(bigEndian: word))
            }
        }
    }

    /// The elements of a list, set or vector; those of a null one are none, as in CQL.
    func elements() throws -> [Cell] {
        switch type {
        case .cql(.list(let element)), .cql(.set(let element)):
            return try split(types: [.cql(element)])
        case .cql(.vector):
            let bytes = try present()
            return (0..<(try floats().count)).map { index in
                let start = bytes.startIndex + 4 * index
                return Cell(type: .cql(.float), bytes: bytes[start..<start + 4])
            }
        default: throw invalid("it is no list, set or vector")
        }
    }

    /// The entries of a map; those of a null one are none, as in CQL.
    func entries() throws -> [(key: Cell, value: Cell)] {
        guard case .cql(.map(let keyType, let valueType)) = type else {
            throw invalid("it is no map")
        }
        let cells = try split(types: [.cql(keyType), .cql(valueType)])
        return stride(from: 0, to: cells.count, by: 2).map { (cells[$0], cells[$0 + 1]) }
    }

    private func split(types: [ColumnType]) throws -> [Cell] {
        guard let bytes else { return [] }
        let elements = CollectionCoding.elements(of: Array(bytes), partCount: types.count)
        guard let elements else { throw invalid("the elements' lengths do not fit the bytes") }
        return elements.enumerated().map { index, element in
            Cell(type: types[index % types.count], bytes: element[...])
        }
    }

    /// The value, whatever its type.
    func value() throws -> CQLValue {
        guard bytes != nil else { return .null }
        guard case .cql(let cqlType) = type else { return .blob(Array(try present())) }
        return switch cqlType {
        case .boolean: .boolean(try boolean())
        case .tinyint, .smallint, .int, .bigint: .integer(try integer())
        case .float: .float(try float())
        case .double: .double(try double())
        case .ascii, .text, .inet: .text(try text())
        case .blob: .blob(Array(try present()))
        case .uuid, .timeuuid: .uuid(try uuid())
        case .timestamp: .timestamp(try date())
        case .vector: .vector(try floats())
        case .list, .set: .list(try elements().map { try $0.value() })
        case .map:
            .map(
                try entries().map {
                    CQLValue.Entry(key: try $0.key.value(), value: try $0.value.value())
                }
            )
        }
    }
}

/// Bytes of which the length is known to be right.
private struct IntegerBytes {
    let bytes: ArraySlice<UInt8>

    func read<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Integer {
        bytes.withUnsafeBytes { Integer(bigEndian: $0.loadUnaligned(as: type)) }
    }
}
