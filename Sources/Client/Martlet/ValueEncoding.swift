internal import Catalog
internal import Foundation
internal import NativeProtocol

/// Writes values in the native protocol's encoding of a type (native_protocol_v4.spec, section 6).
extension CQLValue {
    /// The value for a marker of a type.
    ///
    /// - Throws: ``MartletError`` with the code `invalidValue` if it does not fit.
    func bound(to marker: ColumnSpecification) throws -> BoundValue {
        switch self {
        case .null: return .null
        case .unset: return .unset
        default: break
        }
        guard case .cql(let type) = marker.type else {
            guard case .blob(let bytes) = self else {
                throw MartletError.unbindable(
                    """
                    marker '\(marker.name)' has the type \(marker.type.description), which this \
                    client does not know; bind its bytes as a blob
                    """
                )
            }
            return .bytes(bytes)
        }
        do {
            var bytes: [UInt8] = []
            try encode(as: type, into: &bytes)
            return .bytes(bytes)
        } catch let problem as UnfitValue {
            throw MartletError.unbindable(
                "marker '\(marker.name)' of type \(type.cqlText): \(problem.reason)"
            )
        }
    }

    private struct UnfitValue: Error {
        let reason: String
    }

    private func encode(as type: CQLType, into bytes: inout [UInt8]) throws {
        switch (type, self) {
        case (.boolean, .boolean(let value)): bytes.append(value ? 1 : 0)
        case (.tinyint, .integer(let value)): try append(Int8(exactly: value), to: &bytes)
        case (.smallint, .integer(let value)): try append(Int16(exactly: value), to: &bytes)
        case (.int, .integer(let value)): try append(Int32(exactly: value), to: &bytes)
        case (.bigint, .integer(let value)), (.timestamp, .integer(let value)):
            try append(value, to: &bytes)
        case (.timestamp, .timestamp(let date)):
            let milliseconds = (date.timeIntervalSince1970 * 1000).rounded()
            try append(Int64(exactly: milliseconds), to: &bytes)
        case (.float, .float(let value)): try append(value.bitPattern, to: &bytes)
        case (.float, .double(let value)): try append(Float(value).bitPattern, to: &bytes)
        case (.float, .integer(let value)): try append(Float(value).bitPattern, to: &bytes)
        case (.double, .double(let value)): try append(value.bitPattern, to: &bytes)
        case (.double, .float(let value)): try append(Double(value).bitPattern, to: &bytes)
        case (.double, .integer(let value)): try append(Double(value).bitPattern, to: &bytes)
        case (.text, .text(let value)): bytes.append(contentsOf: value.utf8)
        case (.ascii, .text(let value)):
            guard value.utf8.allSatisfy({ $0 < 0x80 }) else {
                throw UnfitValue(reason: "the text '\(value.prefix(40))' is not all ASCII")
            }
            bytes.append(contentsOf: value.utf8)
        case (.inet, .text(let value)):
            guard let address = InetAddress(value) else {
                throw UnfitValue(reason: "'\(value.prefix(60))' is no IPv4 or IPv6 address")
            }
            bytes.append(contentsOf: address.bytes)
        case (.blob, .blob(let value)): bytes.append(contentsOf: value)
        case (.uuid, .uuid(let value)), (.timeuuid, .uuid(let value)):
            withUnsafeBytes(of: value.uuid) { bytes.append(contentsOf: $0) }
        case (.vector(let dimension), .vector(let floats)):
            try requireDimension(dimension, floats.count)
            for float in floats { try append(float.bitPattern, to: &bytes) }
        case (.vector(let dimension), .list(let elements)):
            try requireDimension(dimension, elements.count)
            for element in elements { try element.encode(as: .float, into: &bytes) }
        case (.list(let element), .vector(let floats)), (.set(let element), .vector(let floats)):
            try CQLValue.list(floats.map(CQLValue.float))
                .encode(as: .list(element), into: &bytes)
        case (.list(let type), .list(let elements)), (.set(let type), .list(let elements)):
            try append(Int32(exactly: elements.count), to: &bytes)
            for element in elements { try element.appendElement(as: type, to: &bytes) }
        case (.map(let keyType, let valueType), .map(let entries)):
            try append(Int32(exactly: entries.count), to: &bytes)
            for entry in entries {
                try entry.key.appendElement(as: keyType, to: &bytes)
                try entry.value.appendElement(as: valueType, to: &bytes)
            }
        default: throw UnfitValue(reason: "a \(kind) does not fit it")
        }
    }

    private func appendElement(as type: CQLType, to bytes: inout [UInt8]) throws {
        let start = bytes.count
        bytes.append(contentsOf: [0, 0, 0, 0])
        try encode(as: type, into: &bytes)
        guard let count = Int32(exactly: bytes.count - start - 4) else {
            throw UnfitValue(reason: "an element is longer than 2 GiB")
        }
        withUnsafeBytes(of: count.bigEndian) { source in
            for (index, byte) in source.enumerated() { bytes[start + index] = byte }
        }
    }

    private func append<Integer: FixedWidthInteger>(
        _ value: Integer?,
        to bytes: inout [UInt8]
    ) throws {
        guard let value else {
            throw UnfitValue(reason: "\(kind) is outside of \(Integer.min)...\(Integer.max)")
        }
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    private func requireDimension(_ expected: Int, _ actual: Int) throws {
        guard expected == actual else {
            throw UnfitValue(reason: "\(expected) floats are needed, \(actual) are given")
        }
    }

    /// The kind of value, for errors.
    var kind: String {
        switch self {
        case .null: "null"
        case .unset: "value that is not set"
        case .boolean: "boolean"
        case .integer(let value): "whole number (\(value))"
        case .float, .double: "floating-point number"
        case .text: "text"
        case .blob: "blob"
        case .uuid: "UUID"
        case .timestamp: "timestamp"
        case .vector(let floats): "vector of \(floats.count) floats"
        case .list: "list"
        case .map: "map"
        }
    }
}
