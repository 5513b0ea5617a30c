import ByteCoding

extension ResponseMessage {
    /// Decodes the body of a response; bytes behind its end are ignored, as the specification asks.
    ///
    /// - Throws: what is wrong with the body. It concerns this response only.
    package init(
        decoding frame: Frame,
        limits: NativeProtocolLimits = NativeProtocolLimits()
    ) throws(ProtocolError) {
        guard !frame.flags.contains(.compression) else {
            throw ProtocolError("\(frame.opcode): the body is still compressed")
        }
        var reader = ByteReader(frame.body)
        do {
            let extras = try reader.readExtras(frame.flags, limits)
            let response = try reader.readResponse(frame, limits)
            self.init(response, stream: frame.stream, extras: extras)
        } catch {
            throw ProtocolError("\(frame.opcode): \(error)")
        }
    }
}

extension ByteReader {
    fileprivate mutating func readExtras(
        _ flags: FrameFlags,
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> ResponseExtras {
        var extras = ResponseExtras()
        if flags.contains(.tracing) {
            let high = try readUInt64("tracing id")
            extras.tracingID = TracingID(high: high, low: try readUInt64("tracing id"))
        }
        if flags.contains(.warning) { extras.warnings = try readStringList("warnings") }
        if flags.contains(.customPayload) { extras.customPayload = try readPayload(limits) }
        return extras
    }

    fileprivate mutating func readResponse(
        _ frame: Frame,
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> Response {
        switch frame.opcode {
        case .error: return .error(try readErrorResponse())
        case .ready: return .ready
        case .authenticate: return .authenticate(try readString("authenticator"))
        case .supported: return .supported(try readSupported())
        case .result: return try readResult(frame.body, limits)
        case .event: return .event(try readEvent())
        case .authChallenge: return .authChallenge(try readOptionalBytes("token"))
        case .authSuccess: return .authSuccess(try readOptionalBytes("token"))
        case .startup, .options, .query, .prepare, .execute, .batch, .register, .authResponse:
            throw .invalid(what: "response: a server does not send this message")
        }
    }

    private mutating func readSupported() throws(ByteDecodingError) -> [String: [String]] {
        let count = try readShortCount("number of options", elementBytesMin: 4)
        var options: [String: [String]] = [:]
        for _ in 0..<count {
            let key = try readString("name of an option")
            options[key] = try readStringList("values of an option")
        }
        return options
    }

    private mutating func readResult(
        _ body: [UInt8],
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> Response {
        let number = try readInt32("kind of a result")
        guard let kind = ResultKind(rawValue: number) else {
            throw .invalid(what: "kind of a result: \(number)")
        }
        switch kind {
        case .void: return .void
        case .rows: return .rows(try RowsResult(reading: &self, of: body, limits))
        case .setKeyspace: return .setKeyspace(try readString("keyspace"))
        case .prepared: return .prepared(try readPrepared(limits))
        case .schemaChange: return .schemaChange(try readSchemaChange())
        }
    }
}
