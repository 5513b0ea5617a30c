import Catalog
import Foundation
import Martlet
import NativeProtocol
import Testing

/// Values as they are bound and as they are read.
struct ValueTests {
    private let uuid = UUID(uuid: (0, 1, 2, 3, 4, 5, 0x16, 7, 0x88, 9, 10, 11, 12, 13, 14, 15))

    /// Binds a value to a marker of a type, and returns the value as the server gives it back.
    private func echo(_ value: any CQLBindable, as type: CQLType) async throws -> Row {
        let server = try await FakeServer.start { request, _ in
            switch request {
            case .prepare(let text):
                return .response(
                    .prepared(
                        PreparedResult(
                            id: Array(text.utf8),
                            markers: [
                                ColumnSpecification(
                                    keyspace: "ks",
                                    table: "t",
                                    name: "v",
                                    type: type
                                )
                            ],
                            partitionKeyIndexes: [],
                            result: RowsMetadata(columnCount: 0)
                        )
                    )
                )
            case .execute(_, let parameters):
                guard case .positional(let bound) = parameters.values else { return nil }
                let cell: [UInt8]? = if case .bytes(let bytes) = bound[0] { bytes } else { nil }
                if let cell { #expect(throws: Never.self) { try type.validate(cell) } }
                return .rows(FakeServer.Table(columns: [("v", type)], rows: [[cell]]))
            default: return nil
            }
        }
        let client = try await connect(server)
        let result = await Result { try await client.execute("SELECT ?", value) }
        await client.close()
        try await server.stop()
        return try #require(try result.get().first)
    }

    private func expectSame<Value: CQLBindable & Decodable & Equatable>(
        _ value: Value,
        _ type: CQLType,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let row = try await echo(value, as: type)
        #expect(try row.get("v", as: Value.self) == value, sourceLocation: sourceLocation)
        #expect(try row.get("v", as: Value?.self) == value, sourceLocation: sourceLocation)
    }

    @Test func `numbers keep their values`() async throws {
        try await expectSame(Int.min, .bigint)
        try await expectSame(Int32.max, .int)
        try await expectSame(Int16(-3), .smallint)
        try await expectSame(Int8.min, .tinyint)
        try await expectSame(Float(0.1), .float)
        try await expectSame(-0.1, .double)
        try await expectSame(true, .boolean)
        #expect(try await echo(3, as: .double).get("v", as: Double.self) == 3)
        #expect(try await echo(Float(0.5), as: .double).get("v", as: Double.self) == 0.5)
        #expect(try await echo(7, as: .tinyint).get("v", as: UInt64.self) == 7)
    }

    @Test func `texts, bytes, ids and times keep their values`() async throws {
        try await expectSame("Amélie", .text)
        try await expectSame("plain", .ascii)
        try await expectSame("::1", .inet)
        try await expectSame("127.0.0.1", .inet)
        try await expectSame([UInt8]([0, 255, 3]), .blob)
        try await expectSame(uuid, .uuid)
        try await expectSame(uuid, .timeuuid)
        try await expectSame(Date(timeIntervalSince1970: 1_700_000_000.123), .timestamp)
        try await expectSame(Date(timeIntervalSince1970: -1.5), .timestamp)
        let milliseconds = try await echo(-1500, as: .timestamp)
        #expect(try milliseconds.get("v", as: Date.self) == Date(timeIntervalSince1970: -1.5))
    }

    @Test func `collections and vectors keep their values`() async throws {
        try await expectSame([Float]([1, -2.5, 0]), .vector(dimension: 3))
        try await expectSame([Float]([1, 2]), .list(.float))
        try await expectSame(["a", "b", ""], .list(.text))
        try await expectSame(Set([1, 2, 3]), .set(.int))
        try await expectSame(["x": 1, "y": 2], .map(.text, .int))
        try await expectSame([1: "one", -2: "two"], .map(.int, .text))
        try await expectSame([[1, 2], []], .list(.list(.int)))
        try await expectSame([String](), .set(.text))
    }

    @Test func `null is an optional's nil, and an error elsewhere`() async throws {
        let row = try await echo(Int?.none, as: .int)
        #expect(try row.get("v", as: Int?.self) == nil)
        #expect(row.isNull("v"))
        #expect(try row.value("v") == .null)
        let error = try await martletError { _ = try row.get("v", as: Int.self) }
        #expect(error.code == .invalidValue)
        #expect(error.message.contains("'v'"))
        #expect(error.message.contains("null"))
    }

    @Test func `a value of any type can be read without knowing it`() async throws {
        #expect(
            try await echo([1, 2], as: .list(.int)).value("v") == .list([.integer(1), .integer(2)])
        )
        #expect(try await echo([Float(1)], as: .vector(dimension: 1)).value(at: 0) == .vector([1]))
        let map = try await echo(["k": true], as: .map(.text, .boolean)).value("v")
        #expect(map == .map([CQLValue.Entry(key: .text("k"), value: .boolean(true))]))
    }

    @Test func `reading as a wrong type says what the column is`() async throws {
        let row = try await echo("Heat", as: .text)
        let error = try await martletError { _ = try row.get("v", as: Int.self) }
        #expect(error.message.contains("text"))
        let missing = try await martletError { _ = try row.get("w", as: Int.self) }
        #expect(missing.message.contains("'w'"))
        struct Wanted: Decodable { var title: String }
        let property = try await martletError { _ = try row.decode(Wanted.self) }
        #expect(property.message.contains("'title'"))
    }

    @Test func `a vector of the wrong length is told apart`() async throws {
        let error = try await martletError {
            _ = try await echo([Float(1), 2], as: .vector(dimension: 3))
        }
        #expect(error.message.contains("3 floats are needed, 2 are given"))
        #expect(error.outcome == .notDone)
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
