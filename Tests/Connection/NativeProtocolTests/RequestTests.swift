import Catalog
import NativeProtocol
import Testing

/// The byte vectors were made with the Python driver, cassandra-driver 3.30.1:
/// `ProtocolHandler.encode_message(message, stream, 4, None, False).hex()`, where `message` stands
/// in the comment beside each.
struct RequestTests {
    private func expect(_ message: RequestMessage, is bytes: [UInt8]) throws {
        #expect(try request(bytes) == message)
        #expect(try message.encode() == bytes)
    }

    @Test func `STARTUP is read as the Python driver writes it`() throws {
        // StartupMessage('3.0.0', {'DRIVER_NAME': 'x', 'CQL_VERSION': '3.0.0'}), stream 1
        let bytes = hex(
            """
            0400000101000000260002000b4452495645525f4e414d45000178000b43514c5f56455253494f4e
            0005332e302e30
            """
        )
        let options = ["DRIVER_NAME": "x", "CQL_VERSION": "3.0.0"]
        #expect(try request(bytes) == RequestMessage(.startup(options: options), stream: 1))
        // Our own order is that of the names.
        let sorted = hex(
            """
            0400000101000000260002 000b43514c5f56455253494f4e0005332e302e30
            000b4452495645525f4e414d45000178
            """
        )
        #expect(try RequestMessage(.startup(options: options), stream: 1).encode() == sorted)
    }

    @Test func `OPTIONS, PREPARE, REGISTER and AUTH_RESPONSE are the Python driver's`() throws {
        // OptionsMessage()
        try expect(RequestMessage(.options, stream: 0), is: hex("040000000500000000"))
        // PrepareMessage('SELECT ?')
        try expect(
            RequestMessage(.prepare("SELECT ?"), stream: 4),
            is: hex("04000004090000000c0000000853454c454354203f")
        )
        // RegisterMessage(['TOPOLOGY_CHANGE', 'STATUS_CHANGE', 'SCHEMA_CHANGE'])
        try expect(
            RequestMessage(.register(EventType.allCases), stream: 6),
            is: hex(
                """
                040000060b000000310003000f544f504f4c4f47595f4348414e4745000d5354415455535f434841
                4e4745000d534348454d415f4348414e4745
                """
            )
        )
        // AuthResponseMessage(b'\0u\0p')
        try expect(
            RequestMessage(.authResponse([0, 0x75, 0, 0x70]), stream: 7),
            is: hex("040000070f000000080000000400750070")
        )
    }

    @Test func `QUERY is the Python driver's`() throws {
        // QueryMessage('SELECT 1', LOCAL_ONE, fetch_size=5000, timestamp=1700000000000000)
        var plain = QueryParameters(consistency: .localOne)
        plain.pageSize = 5000
        plain.defaultTimestamp = 1_700_000_000_000_000
        try expect(
            RequestMessage(.query("SELECT 1", plain), stream: 2),
            is: hex("04000002070000001b0000000853454c4543542031000a240000138800060a24181e4000")
        )
        // QueryMessage('Q', QUORUM, LOCAL_SERIAL, fetch_size=7, paging_state=b'PS', timestamp=1),
        // query_params = [b'\x01\x02', None, UNSET, b''], tracing, custom payload {'k': b'v'}
        var full = Samples.parameters
        full.skipsMetadata = false
        full.defaultTimestamp = 1
        try expect(
            RequestMessage(
                .query("Q", full),
                stream: 3,
                isTraced: true,
                customPayload: [PayloadEntry(key: "k", value: [0x76])]
            ),
            is: hex(
                """
                04060003070000003a000100016b0000000176000000015100043d0004000000020102ffffffff
                fffffffe000000000000000700000002505300090000000000000001
                """
            )
        )
    }

    @Test func `EXECUTE and BATCH are the Python driver's`() throws {
        // ExecuteMessage(b'\xaa\xbb', [b'\0\0\0\x2a'], ONE, fetch_size=100, timestamp=5,
        // skip_meta=True), stream 32767
        var parameters = QueryParameters(consistency: .one)
        parameters.values = .positional([.bytes([0, 0, 0, 42])])
        parameters.pageSize = 100
        parameters.defaultTimestamp = 5
        var skipping = parameters
        skipping.skipsMetadata = true
        // The driver writes flags 0x25 whatever skip_meta says; with 0x27 it is what we write.
        let start = "04007fff0a0000001d0002aabb0001"
        let end = "0001000000040000002a000000640000000000000005"
        try expect(
            RequestMessage(.execute(id: [0xAA, 0xBB], parameters), stream: .max),
            is: hex(start + "25" + end)
        )
        try expect(
            RequestMessage(.execute(id: [0xAA, 0xBB], skipping), stream: .max),
            is: hex(start + "27" + end)
        )
        // BatchMessage(UNLOGGED, [(False, 'INSERT', [b'a', None]), (True, b'\x01\x02', [UNSET])],
        // LOCAL_QUORUM, SERIAL, timestamp=9)
        try expect(
            RequestMessage(
                .batch(
                    BatchRequest(
                        .unlogged,
                        [
                            .init(.query("INSERT"), values: [.bytes([0x61]), .null]),
                            .init(.prepared([1, 2]), values: [.unset]),
                        ],
                        consistency: .localQuorum,
                        serialConsistency: .serial,
                        defaultTimestamp: 9
                    )
                ),
                stream: 5
            ),
            is: hex(
                """
                040000050d000000310100020000000006494e5345525400020000000161ffffffff010002010200
                01fffffffe00063000080000000000000009
                """
            )
        )
    }

    @Test(arguments: Samples.requests) func `every request survives both ways`(
        message: RequestMessage
    ) throws {
        #expect(try request(try message.encode()) == message)
    }

    @Test(arguments: Samples.requests) func `a request cut at any byte is an error`(
        message: RequestMessage
    ) throws {
        var whole = try #require(frame(try message.encode()))
        let body = whole.body
        for end in body.indices {
            whole.body = Array(body[..<end])
            let error = #expect(throws: ProtocolError.self) { try RequestMessage(decoding: whole) }
            #expect(error?.code == .protocolViolation)
            #expect(error?.message.hasPrefix("\(message.request.opcode): ") == true)
        }
        whole.body = body + [0xFF]
        #expect(try RequestMessage(decoding: whole) == message)
    }

    @Test(arguments: Samples.requests) func `a request with damaged bytes never traps`(
        message: RequestMessage
    ) throws {
        var damaged = try #require(frame(try message.encode()))
        let body = damaged.body
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<500 where !body.isEmpty {
            damaged.body = body
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let index = Int.random(in: body.indices, using: &generator)
                damaged.body[index] = UInt8.random(in: 0...255, using: &generator)
            }
            if let decoded = try? RequestMessage(decoding: damaged) {
                #expect(try request(try decoded.encode()).request.opcode == damaged.opcode)
            }
        }
    }

    private func failure(_ opcode: Opcode, _ body: String) -> String {
        let frame = Frame(stream: 1, opcode: opcode, body: hex(body))
        do {
            return "decoded \(try RequestMessage(decoding: frame))"
        } catch {
            return error.message
        }
    }

    @Test(arguments: [
        (Opcode.query, "00000001 51 000B 00", "consistency level 0x000B"),
        (.query, "00000001 51 0001 80", "query flags 0x80"),
        (.query, "00000001 FF 0001 00", "not UTF-8"),
        (.query, "FFFFFFFF 0001 00", "length is -1"),
        (.query, "7FFFFFFF 0001 00", "truncated statement"),
        (.query, "00000001 51 0001 01 FFFF 00000000", "truncated number of values"),
        (.query, "00000001 51 0001 01 0001 FFFFFFFD", "-3"),
        (.query, "00000001 51 0001 01 0001 7FFFFFFF", "truncated value"),
        (.query, "00000001 51 0001 08 00100001", "limit is 1048576"),
        (.query, "00000001 51 0001 10 0001", "must be SERIAL or LOCAL_SERIAL"),
        (.query, "00000001 51 0001 20 8000000000000000", "default timestamp"),
        (.batch, "03 0000 0001 00", "type of the batch: 3"),
        (.batch, "00 FFFF 0001 00", "truncated number of statements"),
        (.batch, "00 0001 02 00000001 51 0000 0001 00", "kind of a statement: 2"),
        (.batch, "00 0000 0001 40", "query flags 0x40"),
        (.batch, "00 0000 0001 01", "query flags 0x01"),
        (.register, "0001 0001 58", "event type 'X'"),
        (.register, "FFFF 0000", "is 65535, the limit is 64"),
        (.startup, "0100 0000", "is 256, the limit is 64"),
        (.ready, "", "a client does not send"),
    ]) func `what is wrong is named`(opcode: Opcode, body: String, expected: String) {
        let message = failure(opcode, body)
        #expect(message.hasPrefix("\(opcode): ") && message.contains(expected), "\(message)")
    }

    @Test func `a page size that is not positive means no paging`() throws {
        for size in ["00000000", "FFFFFFFF"] {
            let frame = Frame(stream: 1, opcode: .query, body: hex("00000001 51 0001 04 \(size)"))
            let message = try RequestMessage(decoding: frame)
            #expect(message.request == .query("Q", QueryParameters(consistency: .one)))
        }
    }

    @Test func `counts are bounded by the limits`() {
        var limits = NativeProtocolLimits()
        limits.valuesMax = 1
        limits.batchStatementsMax = 1
        limits.customPayloadEntriesMax = 1
        for message in [Samples.requests[4], Samples.requests[5], Samples.requests[8]] {
            #expect(throws: ProtocolError.self) {
                guard let frame = frame(try message.encode()) else { return }
                _ = try RequestMessage(decoding: frame, limits: limits)
            }
        }
    }

    @Test func `a request that the protocol cannot express is refused before it is sent`() {
        let many = Array(repeating: BoundValue.null, count: 65_536)
        var parameters = QueryParameters(consistency: .one)
        parameters.values = .positional(many)
        let name = String(repeating: "n", count: 65_536)
        var named = QueryParameters(consistency: .one)
        named.values = .named([NamedValue(name: name, value: .null)])
        let statements = Array(repeating: BatchRequest.Statement(.query("")), count: 65_536)
        var limits = NativeProtocolLimits()
        limits.frameBodyBytesMax = 1000
        let tooLong: [Request] = [
            .query("Q", parameters), .query("Q", named), .startup(options: [name: ""]),
            .execute(id: Array(repeating: 0, count: 65_536), named),
            .batch(BatchRequest(.logged, statements, consistency: .one)),
            .batch(BatchRequest(.logged, [.init(.query(""), values: many)], consistency: .one)),
            .prepare(String(repeating: "x", count: 1001)),
            .prepare(String(repeating: "x", count: 997)),
            .authResponse(Array(repeating: 0, count: 1001)),
        ]
        for request in tooLong {
            let error = #expect(throws: ProtocolError.self) {
                _ = try RequestMessage(request, stream: 1).encode(limits: limits)
            }
            #expect(error?.code == .invalid)
        }
        #expect(throws: Never.self) {
            _ = try RequestMessage(.prepare(String(repeating: "x", count: 996)), stream: 1)
                .encode(limits: limits)
        }
    }
}
