internal import Catalog

/// How values of a type stand to each other, by Cassandra's rules.
enum ValueOrder {
    /// Whether values of a type have an order that WHERE can ask for.
    static func isOrdered(_ type: CQLType) -> Bool {
        switch type {
        case .ascii, .text, .blob, .boolean, .tinyint, .smallint, .int, .bigint, .float, .double,
            .timeuuid, .timestamp, .inet:
            true
        // A UUID's order depends on its version, which nobody means who writes `<`.
        case .uuid, .vector, .list, .set, .map: false
        }
    }

    /// Less than, equal to or greater than 0 as the left value stands to the right one; nil where
    /// the type has no order or bytes are not a value of it.
    static func compare(
        _ left: UnsafeRawBufferPointer,
        _ right: UnsafeRawBufferPointer,
        _ type: CQLType
    ) -> Int? {
        if let count = type.fixedByteCount, left.count != count || right.count != count {
            return nil
        }
        switch type {
        case .ascii, .text, .blob, .inet: return compareBytes(left, right)
        case .boolean: return sign(left[0] == 0 ? 0 : 1, right[0] == 0 ? 0 : 1)
        case .tinyint: return integers(left, right, Int8.self)
        case .smallint: return integers(left, right, Int16.self)
        case .int: return integers(left, right, Int32.self)
        case .bigint, .timestamp: return integers(left, right, Int64.self)
        case .float:
            let (left, right) = (load(left, UInt32.self), load(right, UInt32.self))
            return floats(Float(bitPattern: left), Float(bitPattern: right))
        case .double:
            let (left, right) = (load(left, UInt64.self), load(right, UInt64.self))
            return floats(Double(bitPattern: left), Double(bitPattern: right))
        case .timeuuid: return times(left, right)
        case .uuid, .vector, .list, .set, .map: return nil
        }
    }

    private static func sign<Value: Comparable>(_ left: Value, _ right: Value) -> Int {
        left < right ? -1 : left > right ? 1 : 0
    }

    private static func compareBytes(
        _ left: UnsafeRawBufferPointer,
        _ right: UnsafeRawBufferPointer
    ) -> Int {
        for index in 0..<min(left.count, right.count) where left[index] != right[index] {
            return left[index] < right[index] ? -1 : 1
        }
        return sign(left.count, right.count)
    }

    private static func load<Number: FixedWidthInteger>(
        _ bytes: UnsafeRawBufferPointer,
        _ type: Number.Type
    ) -> Number {
        Number(bigEndian: bytes.loadUnaligned(as: type))
    }

    private static func integers<Number: FixedWidthInteger>(
        _ left: UnsafeRawBufferPointer,
        _ right: UnsafeRawBufferPointer,
        _ type: Number.Type
    ) -> Int {
        sign(load(left, type), load(right, type))
    }

    /// Java's order: -0.0 before 0.0, and NaN, equal to itself, behind infinity.
    private static func floats<Number: BinaryFloatingPoint>(_ left: Number, _ right: Number) -> Int
    {
        if left.isNaN || right.isNaN { return sign(left.isNaN ? 1 : 0, right.isNaN ? 1 : 0) }
        if left == right { return sign(left.sign == .minus ? 0 : 1, right.sign == .minus ? 0 : 1) }
        return left < right ? -1 : 1
    }

    /// By time (RFC 9562 section 5.1), then by the other bytes as signed ones.
    private static func times(
        _ left: UnsafeRawBufferPointer,
        _ right: UnsafeRawBufferPointer
    ) -> Int {
        func time(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
            let word = load(bytes, UInt64.self)
            return (word & 0x0FFF) << 48 | (word & 0xFFFF_0000) << 16 | word >> 32
        }
        let order = sign(time(left), time(right))
        guard order == 0 else { return order }
        for index in 8..<16 where left[index] != right[index] {
            return sign(Int8(bitPattern: left[index]), Int8(bitPattern: right[index]))
        }
        return 0
    }
}
