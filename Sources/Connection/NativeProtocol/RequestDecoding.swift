import ByteCoding

extension RequestMessage {
    /// Decodes the body of a request; bytes behind its end are ignored, as Cassandra does.
    ///
    /// - Throws: what is wrong with the body. It concerns this request only: the frame's end is
    ///   known, so that the connection can go on.
    package init(
        decoding frame: Frame,
        limits: NativeProtocolLimits = NativeProtocolLimits()
    ) throws(ProtocolError) {
        guard !frame.flags.contains(.compression) else {
            throw ProtocolError("\(frame.opcode): the body is still compressed")
        }
        var reader = ByteReader(frame.body)
        do {
            let hasPayload = frame.flags.contains(.customPayload)
            let payload = hasPayload ? try reader.readPayload(limits) : []
            self.init(
                try reader.readRequest(frame.opcode, frame.version, limits),
                stream: frame.stream,
                version: frame.version,
                isTraced: frame.flags.contains(.tracing),
                customPayload: payload
            )
        } catch {
            throw ProtocolError("\(frame.opcode): \(error)")
        }
    }
}

extension ByteReader {
    fileprivate mutating func readRequest(
        _ opcode: Opcode,
        _ version: ProtocolVersion,
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> Request {
        switch opcode {
        case .startup: return .startup(options: try readStartupOptions(limits))
        case .options: return .options
        case .query:
            let text = try readLongString("statement")
            return .query(text, try readQueryParameters(version, limits))
        case .prepare: return .prepare(try readLongString("statement"))
        case .execute:
            let id = try readShortBytes("id of a prepared statement")
            return .execute(id: id, try readQueryParameters(version, limits))
        case .batch: return .batch(try readBatch(version, limits))
        case .register: return .register(try readEventTypes(limits))
        case .authResponse: return .authResponse(try readOptionalBytes("token"))
        case .error, .ready, .authenticate, .supported, .result, .event, .authChallenge,
            .authSuccess:
            throw .invalid(what: "request: a client does not send this message")
        }
    }

    private mutating func readStartupOptions(
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> [String: String] {
        let what: StaticStringName = "number of options"
        let count = try readShortCount(what, atMost: limits.startupOptionsMax, elementBytesMin: 4)
        var options: [String: String] = [:]
        for _ in 0..<count {
            let key = try readString("name of an option")
            options[key] = try readString("value of an option")
        }
        return options
    }

    private mutating func readEventTypes(
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> [EventType] {
        var types: [EventType] = []
        for name in try readStringList("list of event types", atMost: limits.eventTypesMax) {
            guard let type = EventType(rawValue: name) else {
                let known = EventType.allCases.map(\.rawValue).joined(separator: ", ")
                throw .invalid(what: "event type '\(name)'; known are \(known)")
            }
            types.append(type)
        }
        return types
    }
}
