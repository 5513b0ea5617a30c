import ByteCoding
package import Catalog

/// Statements that are executed together (section 4.1.7).
package struct BatchRequest: Hashable, Sendable {
    /// What a batch promises.
    package enum Kind: UInt8, Hashable, Sendable {
        /// All statements are executed, or none.
        case logged = 0
        /// The statements only travel together.
        case unlogged = 1
        /// All statements are counter updates.
        case counter = 2
    }

    /// One statement, as text or by the id of its preparation.
    package enum Source: Hashable, Sendable {
        /// A statement's text.
        case query(String)
        /// A prepared statement's id.
        case prepared([UInt8])
    }

    /// One statement with its values.
    package struct Statement: Hashable, Sendable {
        /// The statement.
        package var source: Source
        /// The values of its markers; a batch has no named ones.
        package var values: [BoundValue]

        /// A statement with its values.
        package init(_ source: Source, values: [BoundValue] = []) {
            self.source = source
            self.values = values
        }
    }

    /// What the batch promises.
    package var kind: Kind
    /// The statements.
    package var statements: [Statement]
    /// The level at which all of them are executed.
    package var consistency: ConsistencyLevel
    /// The level of the Paxos phase: SERIAL or LOCAL_SERIAL.
    package var serialConsistency: ConsistencyLevel?
    /// The write timestamp in microseconds where a statement itself has none.
    package var defaultTimestamp: Int64?

    /// A batch of statements.
    package init(
        _ kind: Kind,
        _ statements: [Statement],
        consistency: ConsistencyLevel,
        serialConsistency: ConsistencyLevel? = nil,
        defaultTimestamp: Int64? = nil
    ) {
        self.kind = kind
        self.statements = statements
        self.consistency = consistency
        self.serialConsistency = serialConsistency
        self.defaultTimestamp = defaultTimestamp
    }
}

extension ByteReader {
    mutating func readBatch(
        _ version: ProtocolVersion,
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> BatchRequest {
        let type = try readUInt8("type of the batch")
        guard let kind = BatchRequest.Kind(rawValue: type) else {
            throw .invalid(what: "type of the batch: \(type); the greatest is 2 (counter)")
        }
        let what: StaticStringName = "number of statements"
        let count = try readShortCount(what, atMost: limits.batchStatementsMax, elementBytesMin: 5)
        var statements: [BatchRequest.Statement] = []
        statements.reserveCapacity(count)
        for _ in 0..<count {
            let source: BatchRequest.Source
            switch try readUInt8("kind of a statement") {
            case 0: source = .query(try readLongString("statement"))
            case 1: source = .prepared(try readShortBytes("id of a prepared statement"))
            case let other:
                throw .invalid(what: "kind of a statement: \(other) is neither 0 nor 1")
            }
            statements.append(.init(source, values: try readPositionalValues(limits)))
        }
        var batch = BatchRequest(kind, statements, consistency: try readConsistency())
        let flags = try QueryFlags.read(&self, version, allowed: .ofBatch)
        if flags.contains(.serialConsistency) {
            batch.serialConsistency = try readSerialConsistency()
        }
        if flags.contains(.defaultTimestamp) {
            batch.defaultTimestamp = try readDefaultTimestamp()
        }
        return batch
    }
}

extension ByteWriter {
    /// Writes a batch whose counts fit 16 bits.
    mutating func writeBatch(_ batch: BatchRequest, _ version: ProtocolVersion) {
        writeUInt8(batch.kind.rawValue)
        writeUInt16(UInt16(batch.statements.count))
        for statement in batch.statements {
            switch statement.source {
            case .query(let text):
                writeUInt8(0)
                writeLongString(text)
            case .prepared(let id):
                writeUInt8(1)
                writeShortBytes(id)
            }
            writeUInt16(UInt16(statement.values.count))
            for value in statement.values { writeBoundValue(value) }
        }
        writeConsistency(batch.consistency)
        var flags: QueryFlags = []
        if batch.serialConsistency != nil { flags.insert(.serialConsistency) }
        if batch.defaultTimestamp != nil { flags.insert(.defaultTimestamp) }
        flags.write(to: &self, version)
        if let serial = batch.serialConsistency { writeConsistency(serial) }
        if let timestamp = batch.defaultTimestamp { writeInt64(timestamp) }
    }
}
