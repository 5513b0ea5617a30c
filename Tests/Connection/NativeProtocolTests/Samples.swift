import Catalog
import NativeProtocol

/// Messages of every kind, with every optional part.
enum Samples {
    static let parameters: QueryParameters = {
        var parameters = QueryParameters(consistency: .quorum)
        parameters.values = .positional([.bytes([1, 2]), .null, .unset, .bytes([])])
        parameters.skipsMetadata = true
        parameters.pageSize = 7
        parameters.pagingState = [0x50, 0x53]
        parameters.serialConsistency = .localSerial
        parameters.defaultTimestamp = -1
        return parameters
    }()

    static let named: QueryParameters = {
        var parameters = QueryParameters(consistency: .localOne)
        parameters.values = .named([
            NamedValue(name: "a", value: .bytes([1])), NamedValue(name: "Bé", value: .unset),
        ])
        return parameters
    }()

    static let payload = [
        PayloadEntry(key: "k", value: [0x76]), PayloadEntry(key: "n", value: nil),
    ]

    static let requests: [RequestMessage] = [
        RequestMessage(.startup(options: ["CQL_VERSION": "3.0.0", "A": ""]), stream: 1),
        RequestMessage(.startup(options: [:]), stream: 1),
        RequestMessage(.options, stream: 0),
        RequestMessage(.query("SELECT é", QueryParameters(consistency: .one)), stream: 2),
        RequestMessage(
            .query("Q", parameters),
            stream: 3,
            isTraced: true,
            customPayload: payload
        ),
        RequestMessage(.query("", named), stream: .max),
        RequestMessage(.prepare("SELECT ?"), stream: 4),
        RequestMessage(.execute(id: [0xAA, 0xBB], parameters), stream: 5),
        RequestMessage(
            .batch(
                BatchRequest(
                    .logged,
                    [
                        .init(.query("I"), values: [.bytes([9]), .null]),
                        .init(.prepared([1, 2, 3]), values: [.unset]),
                    ],
                    consistency: .localQuorum,
                    serialConsistency: .serial,
                    defaultTimestamp: 9
                )
            ),
            stream: 6
        ),
        RequestMessage(.batch(BatchRequest(.counter, [], consistency: .all)), stream: 7),
        RequestMessage(.register(EventType.allCases), stream: 8),
        RequestMessage(.authResponse(nil), stream: 9),
        RequestMessage(.authResponse([0, 1]), stream: 9),
    ]

    static let types: [CQLType] = [
        .ascii, .text, .blob, .boolean, .tinyint, .smallint, .int, .bigint, .float, .double, .uuid,
        .timeuuid, .timestamp, .inet, .vector(dimension: 3), .list(.vector(dimension: 2)),
        .set(.text), .map(.text, .list(.int)),
    ]

    static let columns = types.enumerated().map {
        ColumnSpecification(keyspace: "ks", table: "t", name: "c\($0.offset)", type: $0.element)
    }

    static let mixedColumns = [
        ColumnSpecification(keyspace: "ks", table: "t", name: "a", type: .int),
        ColumnSpecification(keyspace: "ks", table: "u", name: "b", type: .text),
    ]

    static let endpoints = ["127.0.0.1", "2001:db8::1"].compactMap { InetAddress($0) }
        .map { InetEndpoint(address: $0, port: 9042) }

    static let errors: [ErrorResponse.Detail] = [
        .serverError, .protocolError, .badCredentials,
        .unavailable(.quorum, required: 2, alive: 1), .overloaded, .bootstrapping, .truncateError,
        .writeTimeout(.one, received: 0, blockFor: 1, .simple),
        .readTimeout(.two, received: 1, blockFor: 2, dataPresent: true),
        .readFailure(.all, received: 1, blockFor: 3, failures: 2, dataPresent: false),
        .functionFailure(keyspace: "ml", function: "ranker", argumentTypes: ["int", "text"]),
        .writeFailure(.three, received: 1, blockFor: 3, failures: 1, .unloggedBatch),
        .writeTimeout(.localQuorum, received: 1, blockFor: 2, .batchLog),
        .writeTimeout(.serial, received: 1, blockFor: 2, .cas),
        .writeFailure(.any, received: 0, blockFor: 1, failures: 1, .batch),
        .syntaxError, .unauthorized, .invalid, .configurationError,
        .alreadyExists(keyspace: "ks", table: ""), .unprepared(id: [0xDE, 0xAD]),
    ]

    static let changes: [SchemaChange] = [
        SchemaChange(.created, .keyspace("ks")),
        SchemaChange(.updated, .table(keyspace: "ks", name: "t")),
        SchemaChange(.dropped, .type(keyspace: "ks", name: "u")),
        SchemaChange(
            .created,
            .function(keyspace: "ml", name: "ranker", argumentTypes: ["vector<float, 3>"])
        ),
        SchemaChange(.created, .aggregate(keyspace: "ml", name: "sum", argumentTypes: [])),
    ]

    static let responses: [Response] =
        errors.map { .error(ErrorResponse($0, "text é")) }
        + changes.map { .schemaChange($0) } + changes.map { .event(.schemaChange($0)) }
        + Event.TopologyChange.allCases.map { .event(.topologyChange($0, endpoints[0])) }
        + Event.StatusChange.allCases.map { .event(.statusChange($0, endpoints[1])) }
        + [
            .ready, .authenticate("org.example.Authenticator"),
            .supported(["COMPRESSION": [], "CQL_VERSION": ["3.4.7"]]), .void, .setKeyspace("ks"),
            .prepared(
                PreparedResult(
                    id: [1, 2, 3],
                    markers: mixedColumns,
                    partitionKeyIndexes: [1, 0],
                    result: RowsMetadata(columns: columns)
                )
            ),
            .prepared(
                PreparedResult(
                    id: [4],
                    markers: [],
                    partitionKeyIndexes: [],
                    result: RowsMetadata(columnCount: 0)
                )
            ),
            .authChallenge([1]), .authSuccess(nil),
        ]

    static let extras = ResponseExtras(
        tracingID: TracingID(high: 0x0102_0304_0506_0708, low: 9),
        warnings: ["w1", "é"],
        customPayload: payload
    )

    /// The frame of two rows: a value and a null, then an empty value and a longer one.
    static func rows(_ metadata: RowsMetadata, extras: ResponseExtras = .init()) -> [UInt8] {
        var writer = RowsWriter(stream: 12, metadata: metadata, extras: extras)
        writer.appendCell([0, 0, 0, 42])
        writer.appendNull()
        writer.appendCell([9, 9, 9][3...])
        [UInt8]("text".utf8).withUnsafeBytes { writer.appendCell($0) }
        return writer.finish()
    }
}
