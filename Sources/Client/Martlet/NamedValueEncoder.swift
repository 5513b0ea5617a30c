internal import Foundation

/// Turns an `Encodable` value into values for markers: its keys are their names.
enum NamedValueEncoder {
    /// The values by name.
    ///
    /// - Throws: ``MartletError`` if the value has no keys, or a property cannot be bound.
    static func values(of value: some Encodable) throws -> [String: CQLValue] {
        let box = ValueBox()
        do {
            try value.encode(to: ValueEncoder(box: box, codingPath: []))
        } catch let error as EncodingError {
            throw MartletError.unbindable("\(error)")
        }
        guard case .keyed(let names) = box.content else {
            throw MartletError.unbindable(
                "\(type(of: value)) has no named properties that markers could take"
            )
        }
        return try names.mapValues { try $0.value() }
    }
}

/// What an encoder was given so far.
private final class ValueBox {
    enum Content {
        case empty
        case single(CQLValue)
        case list([ValueBox])
        case keyed([String: ValueBox])
    }

    var content = Content.empty

    func value() throws -> CQLValue {
        switch content {
        case .empty: .null
        case .single(let value): value
        case .list(let boxes): .list(try boxes.map { try $0.value() })
        case .keyed(let boxes):
            .map(
                try boxes.sorted { $0.key < $1.key }
                    .map { CQLValue.Entry(key: .text($0.key), value: try $0.value.value()) }
            )
        }
    }

    func child(_ key: String) -> ValueBox {
        let box = ValueBox()
        var boxes: [String: ValueBox] = [:]
        if case .keyed(let known) = content { boxes = known }
        boxes[key] = box
        content = .keyed(boxes)
        return box
    }

    func child() -> ValueBox {
        let box = ValueBox()
        var boxes: [ValueBox] = []
        if case .list(let known) = content { boxes = known }
        boxes.append(box)
        content = .list(boxes)
        return box
    }
}

private struct ValueEncoder: Encoder, SingleValueEncodingContainer {
    let box: ValueBox
    let codingPath: [any CodingKey]

    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if case .empty = box.content { box.content = .keyed([:]) }
        return KeyedEncodingContainer(KeyedValues<Key>(box: box, codingPath: codingPath))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if case .empty = box.content { box.content = .list([]) }
        return ListedValues(box: box, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }

    func encodeNil() { box.content = .single(.null) }

    func encode<Value: Encodable>(_ value: Value) throws {
        if let bindable = value as? any CQLBindable {
            box.content = .single(bindable.cqlValue)
        } else if let number = value as? any FixedWidthInteger & Encodable {
            guard let number = Int64(exactly: number) else {
                throw EncodingError.invalidValue(
                    value,
                    .init(codingPath: codingPath, debugDescription: "it is over Int64.max")
                )
            }
            box.content = .single(.integer(number))
        } else {
            try value.encode(to: self)
        }
    }
}

private struct KeyedValues<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let box: ValueBox
    let codingPath: [any CodingKey]

    private func encoder(_ key: Key) -> ValueEncoder {
        ValueEncoder(box: box.child(key.stringValue), codingPath: codingPath + [key])
    }

    func encodeNil(forKey key: Key) { encoder(key).encodeNil() }

    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
        try encoder(key).encode(value)
    }

    func encodeOrNil<Value: Encodable>(_ value: Value?, forKey key: Key) throws {
        guard let value else {
            encoder(key).encodeNil()
            return
        }
        try encoder(key).encode(value)
    }

    // The compiler's `encode(to:)` calls these for optional properties; the default ones leave the
    // key out when the value is nil, so that its marker would have no value.
    func encodeIfPresent(_ value: Bool?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }
    func encodeIfPresent(_ value: String?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }
    func encodeIfPresent(_ value: Double?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }
    func encodeIfPresent(_ value: Float?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }
    func encodeIfPresent(_ value: Int?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }
    func encodeIfPresent(_ value: Int8?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }
    func encodeIfPresent(_ value: Int16?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }
    func encodeIfPresent(_ value: Int32?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }
    func encodeIfPresent(_ value: Int64?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }
    func encodeIfPresent<Value: Encodable>(_ value: Value?, forKey key: Key) throws {
        try encodeOrNil(value, forKey: key)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        encoder(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        encoder(key).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { ValueEncoder(box: box, codingPath: codingPath) }

    func superEncoder(forKey key: Key) -> any Encoder { encoder(key) }
}

private struct ListedValues: UnkeyedEncodingContainer {
    let box: ValueBox
    let codingPath: [any CodingKey]

    var count: Int { if case .list(let boxes) = box.content { boxes.count } else { 0 } }

    private func encoder() -> ValueEncoder {
        ValueEncoder(box: box.child(), codingPath: codingPath)
    }

    func encodeNil() { encoder().encodeNil() }

    func encode<Value: Encodable>(_ value: Value) throws { try encoder().encode(value) }

    func nestedContainer<Key: CodingKey>(
        keyedBy type: Key.Type
    ) -> KeyedEncodingContainer<Key> {
        encoder().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        encoder().unkeyedContainer()
    }

    func superEncoder() -> any Encoder { encoder() }
}
