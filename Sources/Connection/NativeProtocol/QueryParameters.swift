import ByteCoding
package import Catalog

/// What a QUERY or EXECUTE says besides its statement (section 4.1.4).
package struct QueryParameters: Hashable, Sendable {
    /// The level at which the statement is executed.
    package var consistency: ConsistencyLevel
    /// The values of the markers.
    package var values = BoundValues.positional([])
    /// Whether the client knows the result's columns already.
    package var skipsMetadata = false
    /// The most rows of a page; nil if the client wants all rows at once.
    ///
    /// Always positive: a size of 0 or less means "no paging" and is read as nil.
    package var pageSize: Int32?
    /// Where the page starts, as an earlier result said.
    package var pagingState: [UInt8]?
    /// The level of the Paxos phase of a conditional write: SERIAL or LOCAL_SERIAL.
    package var serialConsistency: ConsistencyLevel?
    /// The write timestamp in microseconds where the statement itself has none.
    ///
    /// The specification forbids negative ones, Cassandra accepts all but the least number; so do
    /// we, since the time of an event may lie before 1970.
    package var defaultTimestamp: Int64?

    /// Parameters with a level and nothing else.
    package init(consistency: ConsistencyLevel) { self.consistency = consistency }
}

/// The bits that say which parameters follow.
struct QueryFlags: OptionSet {
    let rawValue: UInt32

    static let values = QueryFlags(rawValue: 0x01)
    static let skipMetadata = QueryFlags(rawValue: 0x02)
    static let pageSize = QueryFlags(rawValue: 0x04)
    static let pagingState = QueryFlags(rawValue: 0x08)
    static let serialConsistency = QueryFlags(rawValue: 0x10)
    static let defaultTimestamp = QueryFlags(rawValue: 0x20)
    static let names = QueryFlags(rawValue: 0x40)

    static let ofQuery: QueryFlags = [
        .values, .skipMetadata, .pageSize, .pagingState, .serialConsistency, .defaultTimestamp,
        .names,
    ]
    static let ofBatch: QueryFlags = [.serialConsistency, .defaultTimestamp]

    /// Reads the flags in the width of the version, and refuses those that it does not have: a flag
    /// announces bytes, so that an unknown one cannot be ignored.
    static func read(
        _ reader: inout ByteReader,
        _ version: ProtocolVersion,
        allowed: QueryFlags
    ) throws(ByteDecodingError) -> QueryFlags {
        let flags: QueryFlags =
            switch version {
            case .v4: QueryFlags(rawValue: UInt32(try reader.readUInt8("query flags")))
            }
        let unknown = flags.subtracting(allowed)
        guard unknown.isEmpty else {
            throw .invalid(
                what: """
                    query flags \(hexText(UInt8(truncatingIfNeeded: unknown.rawValue))): \
                    protocol v\(version.rawValue) does not have them here
                    """
            )
        }
        return flags
    }

    func write(to writer: inout ByteWriter, _ version: ProtocolVersion) {
        switch version {
        case .v4: writer.writeUInt8(UInt8(rawValue))
        }
    }
}

extension ByteReader {
    mutating func readSerialConsistency() throws(ByteDecodingError) -> ConsistencyLevel {
        let level = try readConsistency("serial consistency level")
        guard level == .serial || level == .localSerial else {
            throw .invalid(
                what: "serial consistency level \(level): it must be SERIAL or LOCAL_SERIAL"
            )
        }
        return level
    }

    mutating func readDefaultTimestamp() throws(ByteDecodingError) -> Int64 {
        let timestamp = try readInt64("default timestamp")
        guard timestamp != .min else {
            throw .invalid(what: "default timestamp \(timestamp): the least is \(Int64.min + 1)")
        }
        return timestamp
    }

    mutating func readPositionalValues(
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> [BoundValue] {
        let what: StaticStringName = "number of values"
        let count = try readShortCount(what, atMost: limits.valuesMax, elementBytesMin: 4)
        var values: [BoundValue] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try readBoundValue()) }
        return values
    }

    private mutating func readNamedValues(
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> [NamedValue] {
        let what: StaticStringName = "number of named values"
        let count = try readShortCount(what, atMost: limits.valuesMax, elementBytesMin: 6)
        var values: [NamedValue] = []
        values.reserveCapacity(count)
        for _ in 0..<count {
            let name = try readString("name of a value")
            values.append(NamedValue(name: name, value: try readBoundValue()))
        }
        return values
    }

    mutating func readQueryParameters(
        _ version: ProtocolVersion,
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> QueryParameters {
        var parameters = QueryParameters(consistency: try readConsistency())
        let flags = try QueryFlags.read(&self, version, allowed: .ofQuery)
        if flags.contains(.values) {
            parameters.values =
                flags.contains(.names)
                ? .named(try readNamedValues(limits))
                : .positional(try readPositionalValues(limits))
        }
        parameters.skipsMetadata = flags.contains(.skipMetadata)
        if flags.contains(.pageSize) {
            let size = try readInt32("page size")
            parameters.pageSize = size > 0 ? size : nil
        }
        if flags.contains(.pagingState) {
            let limit = limits.pagingStateBytesMax
            parameters.pagingState = try readOptionalBytes("paging state", atMost: limit)
        }
        if flags.contains(.serialConsistency) {
            parameters.serialConsistency = try readSerialConsistency()
        }
        if flags.contains(.defaultTimestamp) {
            parameters.defaultTimestamp = try readDefaultTimestamp()
        }
        return parameters
    }
}

extension ByteWriter {
    /// Writes parameters whose number of values fits 16 bits.
    mutating func writeQueryParameters(_ parameters: QueryParameters, _ version: ProtocolVersion) {
        writeConsistency(parameters.consistency)
        var flags: QueryFlags = []
        if parameters.values.count > 0 { flags.insert(.values) }
        if case .named(let values) = parameters.values, !values.isEmpty { flags.insert(.names) }
        if parameters.skipsMetadata { flags.insert(.skipMetadata) }
        if parameters.pageSize != nil { flags.insert(.pageSize) }
        if parameters.pagingState != nil { flags.insert(.pagingState) }
        if parameters.serialConsistency != nil { flags.insert(.serialConsistency) }
        if parameters.defaultTimestamp != nil { flags.insert(.defaultTimestamp) }
        flags.write(to: &self, version)

        if flags.contains(.values) {
            writeUInt16(UInt16(parameters.values.count))
            switch parameters.values {
            case .positional(let values):
                for value in values { writeBoundValue(value) }
            case .named(let values):
                for value in values {
                    writeString(value.name)
                    writeBoundValue(value.value)
                }
            }
        }
        if let pageSize = parameters.pageSize { writeInt32(pageSize) }
        if let pagingState = parameters.pagingState { writeOptionalBytes(pagingState) }
        if let serial = parameters.serialConsistency { writeConsistency(serial) }
        if let timestamp = parameters.defaultTimestamp { writeInt64(timestamp) }
    }
}
