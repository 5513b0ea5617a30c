import ByteCoding
import Catalog
import ClusterLog
import Testing
import TokenPlacement

/// Log entries as bytes and back, whole, cut and as noise.
@Suite struct LogCodingTests {
    /// A table with a column of every type.
    private static var tableOfAllTypes: TableDefinition {
        let types: [CQLType] = [
            .ascii, .text, .blob, .boolean, .tinyint, .smallint, .int, .bigint, .float, .double,
            .uuid, .timeuuid, .timestamp, .inet, .vector(dimension: 8192), .list(.text),
            .set(.inet), .map(.uuid, .list(.blob)),
        ]
        let kinds: [ColumnKind] = [.partitionKey, .clustering, .static, .regular]
        return TableDefinition(
            id: TableID(0),
            uuid: NodeID(high: 0, low: 0),
            keyspace: "ml",
            name: "all",
            columns: types.enumerated().map { index, type in
                ColumnDefinition(
                    id: ColumnID(UInt32(index) * 1000),
                    name: "c\(index)",
                    type: type,
                    kind: kinds[min(index, 3)],
                    position: index == 1 ? 5 : 0
                )
            },
            options: TableOptions(
                comment: "é",
                defaultTimeToLiveSeconds: .max,
                gcGraceSeconds: .min,
                durability: .periodic
            )
        )
    }

    private static var pushOfAllParts: ModelPush {
        let types: [ModelParameterType] = [
            .float, .double, .int, .bigint, .boolean, .floatVector(width: 3),
        ]
        let parameters = types.enumerated().map { index, type in
            ModelParameter(
                name: "p\(index)",
                type: type,
                defaultValue: index % 2 == 0 ? nil : (0..<type.width).map { Double($0) - 0.5 },
                input: "x",
                range: index == 3 ? nil : index..<index + type.width
            )
        }
        return ModelPush(
            name: ModelName(keyspace: "ml", name: "ranker"),
            signature: ModelSignature(
                parameters: parameters,
                inputs: TensorElementType.allCases.enumerated().map {
                    ModelInput(
                        name: "i\($0)",
                        elementType: $1,
                        width: 1000 * $0,
                        rank: 1 + $0 % 2
                    )
                },
                output: "score"
            ),
            hash: Fixture.hash((0..<32).map { UInt8($0) }),
            byteCount: .max
        )
    }

    static let changes: [ClusterChange] =
        Fixture.history + [
            .createTable(tableOfAllTypes),
            .pushModel(pushOfAllParts),
            .alterTable(
                keyspace: "é",
                name: "",
                TableOptionsChange(
                    comment: "",
                    defaultTimeToLiveSeconds: .max,
                    gcGraceSeconds: 0,
                    durability: .synced
                )
            ),
            .alterTable(keyspace: "k", name: "t", TableOptionsChange()),
            .createKeyspace(
                KeyspaceDefinition(
                    name: "ä",
                    replication: .networkTopology([
                        DatacenterFactor(datacenter: "a", factor: 1),
                        DatacenterFactor(datacenter: "b", factor: 255),
                    ]),
                    durableWrites: false
                )
            ),
            .createKeyspace(KeyspaceDefinition(name: "", replication: .everywhere)),
            .assignOwners(SliceMap(owners: [Fixture.id(1)])),
        ]

    private static func entry(_ change: ClusterChange) -> LogEntry {
        LogEntry(
            epoch: Epoch(.max),
            ballot: Ballot(round: 1 << 40, node: Fixture.id(3)),
            change: change
        )
    }

    @Test(arguments: changes)
    func `an entry of every kind comes back as it was`(change: ClusterChange) throws {
        let entry = Self.entry(change)
        let decoded = try LogEntry(decoding: entry.encoded())
        #expect(decoded == entry)
        #expect(decoded.encoded() == entry.encoded())
    }

    @Test(arguments: changes)
    func `an entry that is cut anywhere, or has bytes behind it, is refused`(
        change: ClusterChange
    ) {
        let bytes = Self.entry(change).encoded()
        for length in 0..<bytes.count {
            #expect(throws: ByteDecodingError.self) {
                try LogEntry(decoding: Array(bytes[..<length]))
            }
        }
        #expect(throws: ByteDecodingError.self) { try LogEntry(decoding: bytes + [0]) }
    }

    @Test(arguments: changes)
    func `a damaged entry is refused or is another one`(change: ClusterChange) {
        let bytes = Self.entry(change).encoded()
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << UInt8(bit)
                if let decoded = try? LogEntry(decoding: damaged) {
                    #expect(decoded.encoded() == damaged || decoded.change != change)
                }
            }
        }
    }

    @Test func `noise never ends the program`() {
        var generator: UInt64 = 1
        func next() -> UInt8 {
            generator = generator &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: generator >> 56)
        }
        let head = Array(Self.entry(.dropKeyspace("x")).encoded().prefix(33))
        for round in 0..<20_000 {
            let tail = (0..<Int(next()) % 64).map { _ in next() }
            let bytes = round % 2 == 0 ? tail : head + [UInt8(1 + round / 2 % 11)] + tail
            if let entry = try? LogEntry(decoding: bytes) {
                #expect((try? LogEntry(decoding: entry.encoded())) == entry)
            }
        }
    }

    @Test func `another format is named`() throws {
        var bytes = Self.entry(.dropKeyspace("x")).encoded()
        bytes[0] = 2
        let error = try #require(throws: ByteDecodingError.self) { try LogEntry(decoding: bytes) }
        #expect(error.description.contains("format 2"))
    }

    @Test func `the first bytes are version, epoch, ballot and kind`() {
        let entry = LogEntry(
            epoch: Epoch(5),
            ballot: Ballot(round: 1, node: NodeID(high: 2, low: 3)),
            change: .dropKeyspace("ml")
        )
        #expect(
            entry.encoded() == [
                1,  // version
                0, 0, 0, 0, 0, 0, 0, 5,  // epoch
                0, 0, 0, 0, 0, 0, 0, 1,  // round
                0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3,  // node
                5, 2, 0x6D, 0x6C,  // kind, keyspace
            ]
        )
    }

    @Test func `tables and their options have these bytes for ever`() throws {
        var table = Fixture.table("ml", "t")
        table.options = TableOptions(comment: "c", defaultTimeToLiveSeconds: 1, gcGraceSeconds: 2)
        let body: [UInt8] = [
            2, 0x6D, 0x6C, 1, 0x74, 2,  // keyspace, table, two columns
            0, 0, 0, 1, 2, 0x69, 0x64, 0, 0, 7,  // id, name, kind, position, type
            0, 0, 0, 2, 5, 0x76, 0x61, 0x6C, 0x75, 0x65, 3, 0, 2,
            1, 0x63, 0, 0, 0, 1, 0, 0, 0, 2,  // comment, time to live, gc grace
        ]
        let synced = Self.entry(.createTable(table)).encoded()
        #expect(Array(synced[33...]) == [6] + body)
        table.options.durability = .periodic
        let periodic = Self.entry(.createTable(table)).encoded()
        #expect(Array(periodic[33...]) == [10] + body + [0])
        // Kind 10 with a durability that kind 6 means, and one that is none.
        for byte: UInt8 in [1, 2] {
            #expect(throws: ByteDecodingError.self) {
                try LogEntry(decoding: Array(periodic.dropLast()) + [byte])
            }
        }
        let options = TableOptionsChange(
            comment: "c",
            defaultTimeToLiveSeconds: 1,
            gcGraceSeconds: 2,
            durability: .periodic
        )
        let altered = Self.entry(.alterTable(keyspace: "ml", name: "t", options)).encoded()
        #expect(
            Array(altered[33...]) == [
                11, 2, 0x6D, 0x6C, 1, 0x74, 0x0F,  // kind, keyspace, table, which options
                1, 0x63, 0, 0, 0, 1, 0, 0, 0, 2, 0,
            ]
        )
        let one = TableOptionsChange(gcGraceSeconds: 2)
        let less = Self.entry(.alterTable(keyspace: "ml", name: "t", one)).encoded()
        #expect(Array(less[39...]) == [4, 0, 0, 0, 2])
        #expect(throws: ByteDecodingError.self) {
            try LogEntry(decoding: Array(less[..<39]) + [16])
        }
    }

    /// An entry whose change is written by hand.
    private func decode(_ write: (inout ByteWriter) -> Void) throws -> LogEntry {
        var writer = ByteWriter()
        writer.writeBytes(Self.entry(.dropKeyspace("")).encoded().prefix(33))
        write(&writer)
        return try LogEntry(decoding: writer.bytes)
    }

    private func decodeOwners(_ nodes: [UInt64], _ indices: [UInt16]) throws -> LogEntry {
        try decode { writer in
            writer.writeUInt8(3)
            writer.writeCount(nodes.count)
            for node in nodes { writer.write(Fixture.id(node)) }
            writer.writeCount(indices.count)
            for index in indices { writer.writeUInt16(index) }
        }
    }

    @Test func `owners must be a ring`() throws {
        _ = try decodeOwners([1, 2], [0, 1])
        #expect(throws: ByteDecodingError.self) { try decodeOwners([1, 2], [0, 1, 1]) }
        #expect(throws: ByteDecodingError.self) { try decodeOwners([1, 2], [0, 2]) }
        #expect(throws: ByteDecodingError.self) { try decodeOwners([2, 1], [0, 1]) }
        #expect(throws: ByteDecodingError.self) { try decodeOwners([1, 2], [0, 0]) }
        #expect(throws: ByteDecodingError.self) { try decodeOwners([1], []) }
        #expect(throws: ByteDecodingError.self) { try decodeOwners([], [0]) }
        let tooMany = [UInt16](repeating: 0, count: 2 * SliceMap.sliceCountMax)
        #expect(throws: ByteDecodingError.self) { try decodeOwners([1], tooMany) }
    }

    @Test func `replication factors are bounded and datacenters sorted`() throws {
        func decodeReplication(_ write: (inout ByteWriter) -> Void) throws -> LogEntry {
            try decode { writer in
                writer.writeUInt8(4)
                writer.writeSizedString("ml")
                writer.writeBool(true)
                write(&writer)
            }
        }
        for factor in [0, 256, 1 << 23] {
            #expect(throws: ByteDecodingError.self) {
                try decodeReplication {
                    $0.writeUInt8(1)
                    $0.writeCount(factor)
                }
            }
        }
        for names in [["b", "a"], ["a", "a"]] {
            #expect(throws: ByteDecodingError.self) {
                try decodeReplication {
                    $0.writeUInt8(2)
                    $0.writeCount(2)
                    for name in names {
                        $0.writeSizedString(name)
                        $0.writeCount(1)
                    }
                }
            }
        }
    }

    @Test func `types are nested eight deep at the most`() throws {
        func nested(_ depth: Int) -> CQLType { depth == 0 ? .int : .list(nested(depth - 1)) }
        let deepest = Self.entry(.createTable(Fixture.table("k", "t", type: nested(7))))
        #expect(try LogEntry(decoding: deepest.encoded()) == deepest)
        let deeper = Self.entry(.createTable(Fixture.table("k", "t", type: nested(8))))
        #expect(throws: ByteDecodingError.self) { try LogEntry(decoding: deeper.encoded()) }
    }
}
