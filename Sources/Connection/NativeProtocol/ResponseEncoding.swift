import ByteCoding

extension Response {
    /// The whole frame of the response, in one array.
    package func encode(
        stream: Int16,
        version: ProtocolVersion = .v4,
        extras: ResponseExtras = ResponseExtras()
    ) -> [UInt8] {
        if case .rows(let rows) = self { return rows.encode(stream, version, extras) }
        var builder = FrameBuilder(
            version: version,
            flags: extras.flags,
            stream: stream,
            opcode: opcode
        )
        builder.writer.writeExtras(extras)
        builder.writer.writeResponse(self)
        return builder.finish()
    }
}

extension RowsResult {
    fileprivate func encode(
        _ stream: Int16,
        _ version: ProtocolVersion,
        _ extras: ResponseExtras
    ) -> [UInt8] {
        var writer = RowsWriter(
            stream: stream,
            version: version,
            metadata: metadata,
            extras: extras
        )
        for row in 0..<rowCount {
            for column in 0..<metadata.columnCount {
                withCell(row: row, column: column) { writer.appendCell($0) }
            }
        }
        return writer.finish()
    }
}

extension ByteWriter {
    mutating func writeExtras(_ extras: ResponseExtras) {
        if let id = extras.tracingID {
            writeUInt64(id.high)
            writeUInt64(id.low)
        }
        if !extras.warnings.isEmpty { writeStringList(extras.warnings) }
        if !extras.customPayload.isEmpty { writePayload(extras.customPayload) }
    }

    fileprivate mutating func writeResponse(_ response: Response) {
        switch response {
        case .error(let error): writeErrorResponse(error)
        case .ready: break
        case .authenticate(let name): writeString(name)
        case .supported(let options):
            writeUInt16(UInt16(options.count))
            for (key, values) in options.sorted(by: { $0.key < $1.key }) {
                writeString(key)
                writeStringList(values)
            }
        case .void: writeInt32(ResultKind.void.rawValue)
        case .rows: preconditionFailure("rows are written by RowsWriter")
        case .setKeyspace(let keyspace):
            writeInt32(ResultKind.setKeyspace.rawValue)
            writeString(keyspace)
        case .prepared(let prepared):
            writeInt32(ResultKind.prepared.rawValue)
            writePrepared(prepared)
        case .schemaChange(let change):
            writeInt32(ResultKind.schemaChange.rawValue)
            writeSchemaChange(change)
        case .event(let event): writeEvent(event)
        case .authChallenge(let token), .authSuccess(let token): writeOptionalBytes(token)
        }
    }
}
