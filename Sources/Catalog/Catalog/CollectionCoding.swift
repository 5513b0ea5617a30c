/// The native protocol's encoding of lists, sets and maps: a 32-bit count, then each element
/// behind its 32-bit length (native_protocol_v4.spec, sections 6.11 to 6.13).
package enum CollectionCoding {
    /// The elements of an encoded collection, of a map its keys and values in turn.
    ///
    /// - Parameters:
    ///   - value: the encoded collection.
    ///   - partCount: the elements of one entry: 1 in a list or set, 2 in a map.
    /// - Returns: the elements, or nil if the bytes are no such thing; none is null.
    package static func elements(of value: [UInt8], partCount: Int = 1) -> [[UInt8]]? {
        var position = 0
        func readLength() -> Int? {
            guard value.count - position >= 4 else { return nil }
            defer { position += 4 }
            return Int(
                Int32(
                    bitPattern: value[position..<position + 4].reduce(0) { $0 << 8 | UInt32($1) }
                )
            )
        }
        guard let count = readLength(), count >= 0 else { return nil }
        var elements: [[UInt8]] = []
        while position < value.count {
            guard let length = readLength(), length >= 0, value.count - position >= length else {
                return nil
            }
            elements.append(Array(value[position..<position + length]))
            position += length
        }
        return elements.count == count * partCount ? elements : nil
    }

    /// The encoding of a list's or set's elements.
    package static func encode(_ elements: [[UInt8]]) -> [UInt8] {
        encode(elements, count: elements.count)
    }

    /// The encoding of a map's keys and values.
    package static func encode(_ pairs: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
        encode(pairs.flatMap { [$0.key, $0.value] }, count: pairs.count)
    }

    private static func encode(_ elements: [[UInt8]], count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 + elements.reduce(0) { $0 + 4 + $1.count })
        func append(_ length: Int) {
            withUnsafeBytes(of: Int32(length).bigEndian) { bytes.append(contentsOf: $0) }
        }
        append(count)
        for element in elements {
            append(element.count)
            bytes.append(contentsOf: element)
        }
        return bytes
    }
}
