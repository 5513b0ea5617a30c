import ByteCoding

extension RequestMessage {
    /// The whole frame of the request, in one array.
    ///
    /// - Throws: an Invalid error if a count or a length does not fit the protocol or the limit of
    ///   a frame; nothing was sent then.
    package func encode(
        limits: NativeProtocolLimits = NativeProtocolLimits()
    ) throws(ProtocolError) -> [UInt8] {
        try check(limits)
        var flags: FrameFlags = []
        if isTraced { flags.insert(.tracing) }
        if !customPayload.isEmpty { flags.insert(.customPayload) }
        var builder = FrameBuilder(
            version: version,
            flags: flags,
            stream: stream,
            opcode: request.opcode
        )
        if !customPayload.isEmpty { builder.writer.writePayload(customPayload) }
        builder.writer.writeRequest(request, version)
        try require(
            builder.bodyByteCount,
            atMost: limits.frameBodyBytesMax,
            "bytes of the frame's body"
        )
        return builder.finish()
    }

    private func require(_ count: Int, atMost limit: Int, _ what: String) throws(ProtocolError) {
        guard count <= limit else {
            throw ProtocolError(
                "\(request.opcode): \(what): \(count), the limit is \(limit)",
                code: .invalid
            )
        }
    }

    private func requireShort(_ count: Int, _ what: String) throws(ProtocolError) {
        try require(count, atMost: Int(UInt16.max), what)
    }

    private func check(_ limits: NativeProtocolLimits) throws(ProtocolError) {
        try requireShort(customPayload.count, "entries of the custom payload")
        for entry in customPayload {
            try requireShort(entry.key.utf8.count, "bytes of a key of the custom payload")
            try requireSize(entry.value?.count ?? 0, limits)
        }
        switch request {
        case .startup(let options):
            try requireShort(options.count, "options")
            for (key, value) in options {
                try requireShort(max(key.utf8.count, value.utf8.count), "bytes of an option")
            }
        case .options: break
        case .query(let text, let parameters):
            try requireSize(text.utf8.count, limits)
            try check(parameters, limits)
        case .prepare(let text): try requireSize(text.utf8.count, limits)
        case .execute(let id, let parameters):
            try requireShort(id.count, "bytes of the prepared statement's id")
            try check(parameters, limits)
        case .batch(let batch): try check(batch, limits)
        case .register(let types): try requireShort(types.count, "event types")
        case .authResponse(let token): try requireSize(token?.count ?? 0, limits)
        }
    }

    private func requireSize(_ count: Int, _ limits: NativeProtocolLimits) throws(ProtocolError) {
        try require(count, atMost: limits.frameBodyBytesMax, "bytes of a part of the frame's body")
    }

    private func check(
        _ values: [BoundValue],
        _ limits: NativeProtocolLimits
    ) throws(ProtocolError) {
        try requireShort(values.count, "values")
        for case .bytes(let bytes) in values { try requireSize(bytes.count, limits) }
    }

    private func check(
        _ parameters: QueryParameters,
        _ limits: NativeProtocolLimits
    ) throws(ProtocolError) {
        switch parameters.values {
        case .positional(let values): try check(values, limits)
        case .named(let values):
            try check(values.map(\.value), limits)
            for value in values {
                try requireShort(value.name.utf8.count, "bytes of a value's name")
            }
        }
        try requireSize(parameters.pagingState?.count ?? 0, limits)
    }

    private func check(
        _ batch: BatchRequest,
        _ limits: NativeProtocolLimits
    ) throws(ProtocolError) {
        try requireShort(batch.statements.count, "statements")
        for statement in batch.statements {
            switch statement.source {
            case .query(let text): try requireSize(text.utf8.count, limits)
            case .prepared(let id):
                try requireShort(id.count, "bytes of a prepared statement's id")
            }
            try check(statement.values, limits)
        }
    }
}

extension ByteWriter {
    fileprivate mutating func writeRequest(_ request: Request, _ version: ProtocolVersion) {
        switch request {
        case .startup(let options):
            writeUInt16(UInt16(options.count))
            for (key, value) in options.sorted(by: { $0.key < $1.key }) {
                writeString(key)
                writeString(value)
            }
        case .options: break
        case .query(let text, let parameters):
            writeLongString(text)
            writeQueryParameters(parameters, version)
        case .prepare(let text): writeLongString(text)
        case .execute(let id, let parameters):
            writeShortBytes(id)
            writeQueryParameters(parameters, version)
        case .batch(let batch): writeBatch(batch, version)
        case .register(let types): writeStringList(types.map(\.rawValue))
        case .authResponse(let token): writeOptionalBytes(token)
        }
    }
}
