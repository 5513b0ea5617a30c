import Catalog
import NativeProtocol
import Testing

/// The vectors were written by hand from the specification; the Python driver reads the frames of
/// all samples with the same content.
struct ResponseTests {
    private func expect(_ response: Response, is text: String) throws {
        let bytes = hex(text)
        #expect(response.encode(stream: 1) == bytes)
        let decoded = try NativeProtocolTests.response(bytes)
        #expect(decoded == ResponseMessage(response, stream: 1))
    }

    @Test func `errors have the payloads of the specification`() throws {
        let vectors: [(ErrorResponse.Detail, code: String, payload: String)] = [
            (.serverError, "00000000", ""), (.protocolError, "0000000A", ""),
            (.badCredentials, "00000100", ""),
            (.unavailable(.quorum, required: 2, alive: 1), "00001000", "0004 00000002 00000001"),
            (.overloaded, "00001001", ""), (.bootstrapping, "00001002", ""),
            (.truncateError, "00001003", ""),
            (
                .writeTimeout(.one, received: 0, blockFor: 1, .simple), "00001100",
                "0001 00000000 00000001 0006 53494D504C45"
            ),
            (
                .readTimeout(.two, received: 1, blockFor: 2, dataPresent: true), "00001200",
                "0002 00000001 00000002 01"
            ),
            (
                .readFailure(.all, received: 1, blockFor: 3, failures: 2, dataPresent: false),
                "00001300", "0005 00000001 00000003 00000002 00"
            ),
            (
                .functionFailure(keyspace: "ml", function: "f", argumentTypes: ["int"]),
                "00001400", "0002 6D6C 0001 66 0001 0003 696E74"
            ),
            (
                .writeFailure(.three, received: 1, blockFor: 3, failures: 1, .batchLog),
                "00001500", "0003 00000001 00000003 00000001 0009 42415443485F4C4F47"
            ),
            (.syntaxError, "00002000", ""), (.unauthorized, "00002100", ""),
            (.invalid, "00002200", ""), (.configurationError, "00002300", ""),
            (.alreadyExists(keyspace: "ks", table: ""), "00002400", "0002 6B73 0000"),
            (.unprepared(id: [0xDE, 0xAD]), "00002500", "0002 DEAD"),
        ]
        for (detail, code, payload) in vectors {
            let body = code + "0001 21" + payload
            let size = hex(body).count
            let length =
                size < 16 ? "0000000\(String(size, radix: 16))" : "000000\(String(size, radix: 16))"
            try expect(
                .error(ErrorResponse(detail, "!")),
                is: "84 00 0001 00 \(length) \(body)"
            )
        }
    }

    @Test func `an unknown error code reaches the client`() throws {
        let decoded = try response(hex("84 00 0001 00 00000009 00001700 0001 21 FFFF"))
        #expect(decoded.response == .error(ErrorResponse(.unknown(code: 0x1700), "!")))
    }

    @Test func `a long error text is cut behind a whole character`() throws {
        let text = "x" + String(repeating: "é", count: 40_000)
        let bytes = Response.error(ErrorResponse(.invalid, text)).encode(stream: 1)
        guard case .error(let error) = try response(bytes).response else {
            Issue.record("no error")
            return
        }
        #expect(error.message == "x" + String(repeating: "é", count: 32_767))
        let even = String(repeating: "é", count: 40_000)
        let other = try response(Response.error(ErrorResponse(.invalid, even)).encode(stream: 1))
        let cut = ErrorResponse(.invalid, String(repeating: "é", count: 32_767))
        #expect(other.response == .error(cut))
    }

    @Test func `small responses have the bytes of the specification`() throws {
        try expect(.ready, is: "84 00 0001 02 00000000")
        try expect(.authenticate("A"), is: "84 00 0001 03 00000003 0001 41")
        try expect(
            .supported(["COMPRESSION": [], "CQL_VERSION": ["3.4.7"]]),
            is: """
                84 00 0001 06 00000027 0002 000B 434F4D5052455353494F4E 0000
                000B 43514C5F56455253494F4E 0001 0005 332E342E37
                """
        )
        try expect(.void, is: "84 00 0001 08 00000004 00000001")
        try expect(.setKeyspace("ks"), is: "84 00 0001 08 00000008 00000003 0002 6B73")
        try expect(.authChallenge([7]), is: "84 00 0001 0E 00000005 00000001 07")
        try expect(.authSuccess(nil), is: "84 00 0001 10 00000004 FFFFFFFF")
    }

    @Test func `schema changes and events have the bytes of the specification`() throws {
        try expect(
            .schemaChange(SchemaChange(.created, .table(keyspace: "ks", name: "t"))),
            is: """
                84 00 0001 08 0000001B 00000005 0007 43524541544544 0005 5441424C45
                0002 6B73 0001 74
                """
        )
        let function = SchemaChange.Target.function(
            keyspace: "ml",
            name: "f",
            argumentTypes: ["int"]
        )
        try expect(
            .event(.schemaChange(SchemaChange(.dropped, function))),
            is: """
                84 00 0001 0C 00000030 000D 534348454D415F4348414E4745 0007 44524F50504544
                0008 46554E4354494F4E 0002 6D6C 0001 66 0001 0003 696E74
                """
        )
        try expect(
            .event(.statusChange(.up, Samples.endpoints[0])),
            is: """
                84 00 0001 0C 0000001C 000D 5354415455535F4348414E4745 0002 5550
                04 7F000001 00002352
                """
        )
        try expect(
            .event(.topologyChange(.newNode, Samples.endpoints[1])),
            is: """
                84 00 0001 0C 00000030 000F 544F504F4C4F47595F4348414E4745
                0008 4E45575F4E4F4445 10 20010DB8000000000000000000000001 00002352
                """
        )
        #expect(
            Response.event(.statusChange(.up, Samples.endpoints[0])).encode(
                stream: Response.eventStream
            )[2...3] == [0xFF, 0xFF]
        )
    }

    @Test func `a prepared statement has the bytes of the specification`() throws {
        let marker = ColumnSpecification(keyspace: "k", table: "t", name: "i", type: .int)
        let vector = ColumnSpecification(
            keyspace: "k",
            table: "t",
            name: "v",
            type: .vector(dimension: 3)
        )
        let name =
            "org.apache.cassandra.db.marshal.VectorType"
            + "(org.apache.cassandra.db.marshal.FloatType, 3)"
        let nameHex = name.utf8.map { String($0, radix: 16) }.joined()
        try expect(
            .prepared(
                PreparedResult(
                    id: [0xAB],
                    markers: [marker],
                    partitionKeyIndexes: [0],
                    result: RowsMetadata(columns: [vector])
                )
            ),
            is: """
                84 00 0001 08 0000008D 00000004 0001 AB
                00000001 00000001 00000001 0000 0001 6B 0001 74 0001 69 0009
                00000001 00000001 0001 6B 0001 74 0001 76 0000 0058
                """ + nameHex
        )
        try expect(
            .prepared(
                PreparedResult(
                    id: [0xAB],
                    markers: [],
                    partitionKeyIndexes: [],
                    result: RowsMetadata(columnCount: 0)
                )
            ),
            is: """
                84 00 0001 08 0000001B 00000004 0001 AB 00000000 00000000 00000000
                00000004 00000000
                """
        )
    }

    @Test func `type ids are those of the specification`() throws {
        let expected = """
            0001 000D 0003 0004 0014 0013 0009 0002 0008 0007 000C 000F 000B 0010
            """
        let scalars = Samples.columns.prefix(14).map {
            ColumnSpecification(keyspace: "", table: "", name: "", columnType: $0.type)
        }
        let frame = RowsWriter(stream: 1, metadata: RowsMetadata(columns: scalars)).finish()
        let ids = stride(from: 0, to: 28, by: 2).flatMap { [0, 0] + hex(expected)[$0...$0 + 1] }
        #expect(Array(frame.dropFirst(9 + 12 + 4).dropLast(4)) == ids)
        let nested = ColumnSpecification(
            keyspace: "",
            table: "",
            name: "",
            type: .map(.text, .list(.set(.int)))
        )
        let other = RowsWriter(stream: 1, metadata: RowsMetadata(columns: [nested])).finish()
        #expect(
            Array(other.dropFirst(9 + 12 + 4).dropLast(4)) == hex("0000 0021 000D 0020 0022 0009")
        )
    }

    @Test(arguments: Samples.responses) func `every response survives both ways`(
        sample: Response
    ) throws {
        let plain = try response(sample.encode(stream: 5))
        #expect(plain == ResponseMessage(sample, stream: 5))
        let full = try response(sample.encode(stream: -1, extras: Samples.extras))
        #expect(full == ResponseMessage(sample, stream: -1, extras: Samples.extras))
    }

    @Test func `extras stand before the body in the specified order`() {
        let bytes = Response.void.encode(stream: 1, extras: Samples.extras)
        #expect(
            bytes
                == hex(
                    """
                    84 0E 0001 08 0000002F 0102030405060708 0000000000000009
                    0002 0002 7731 0002 C3A9
                    0002 0001 6B 00000001 76 0001 6E FFFFFFFF 00000001
                    """
                )
        )
    }

    @Test(arguments: Samples.responses) func `a response cut at any byte is an error`(
        sample: Response
    ) throws {
        let bytes = sample.encode(stream: 5, extras: Samples.extras)
        var whole = try #require(frame(bytes, role: .client))
        let body = whole.body
        for end in body.indices {
            whole.body = Array(body[..<end])
            #expect(throws: ProtocolError.self) { try ResponseMessage(decoding: whole) }
        }
        whole.body = body + [1, 2, 3]
        #expect(try ResponseMessage(decoding: whole).response == sample)
    }

    @Test(arguments: Samples.responses) func `a response with damaged bytes never traps`(
        sample: Response
    ) throws {
        var damaged = try #require(frame(sample.encode(stream: 5), role: .client))
        let body = damaged.body
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<300 where !body.isEmpty {
            damaged.body = body
            let index = Int.random(in: body.indices, using: &generator)
            damaged.body[index] = UInt8.random(in: 0...255, using: &generator)
            if let decoded = try? ResponseMessage(decoding: damaged) {
                _ = decoded.response.encode(stream: 1, extras: decoded.extras)
            }
        }
    }
}
