import CQL
import Catalog
import Storage
import Testing

struct LiteralTests {
    static let accepted: [(String, String, [UInt8])] = [
        ("a", "'abc'", utf8("abc")), ("t", "'ä'", utf8("ä")), ("t", "$$it's$$", utf8("it's")),
        ("t", "''", []), ("bl", "0xCAFE", [0xCA, 0xFE]), ("bl", "0x", []), ("bo", "TRUE", [1]),
        ("bo", "false", [0]), ("ti", "-128", [0x80]), ("ti", "127", [0x7F]),
        ("si", "-2", [0xFF, 0xFE]), ("i", "-2147483648", [0x80, 0, 0, 0]),
        ("bi", "9223372036854775807", [0x7F, 255, 255, 255, 255, 255, 255, 255]),
        ("bi", "5", bigint(5)), ("f", "1", float(1)), ("f", "-1.5e0", float(-1.5)),
        ("f", "NaN", [0x7F, 0xC0, 0, 0]), ("f", "-Infinity", [0xFF, 0x80, 0, 0]),
        ("f", "Infinity", [0x7F, 0x80, 0, 0]), ("d", "2", [0x40, 0, 0, 0, 0, 0, 0, 0]),
        ("d", "0.5", [0x3F, 0xE0, 0, 0, 0, 0, 0, 0]),
        (
            "u", "123e4567-e89b-42d3-a456-426614174000",
            [
                0x12, 0x3E, 0x45, 0x67, 0xE8, 0x9B, 0x42, 0xD3, 0xA4, 0x56, 0x42, 0x66, 0x14, 0x17,
                0x40, 0,
            ]
        ),
        (
            "tu", "123e4567-e89b-12d3-a456-426614174000",
            [
                0x12, 0x3E, 0x45, 0x67, 0xE8, 0x9B, 0x12, 0xD3, 0xA4, 0x56, 0x42, 0x66, 0x14, 0x17,
                0x40, 0,
            ]
        ),
        ("v", "[1, -2.5, 0]", float(1) + float(-2.5) + float(0)),
        ("ts", "1234", bigint(1234)), ("ts", "'1234'", bigint(1234)),
        ("ts", "'-5'", bigint(-5)), ("ts", "'1970-01-01'", bigint(0)),
        ("ts", "'1970-01-02T00:00Z'", bigint(86_400_000)),
        ("ts", "'2011-02-03 04:05:06.789+0000'", bigint(1_296_705_906_789)),
        ("ts", "'2011-02-03 04:05:06.7'", bigint(1_296_705_906_700)),
        ("ts", "'2011-02-03T05:05:06+01:00'", bigint(1_296_705_906_000)),
        ("ts", "'2011-02-03 03:35:06 -0030'", bigint(1_296_705_906_000)),
        ("ts", "'2011-02-03+01'", bigint(1_296_687_600_000)),
        ("ts", "'2000-02-29'", bigint(951_782_400_000)),
        ("ts", "'1969-12-31 23:59:59.999'", bigint(-1)),
        ("ts", "'0001-01-01'", bigint(-62_135_596_800_000)),
        ("ip", "'127.0.0.1'", [127, 0, 0, 1]),
        ("ip", "'::1'", Array(repeating: 0, count: 15) + [1]),
        ("ip", "'::'", Array(repeating: 0, count: 16)),
        (
            "ip", "'2001:db8::ff00:42:8329'",
            [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0xFF, 0, 0, 0x42, 0x83, 0x29]
        ),
        ("ip", "'1:2:3:4:5:6:7:8'", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]),
        ("ip", "'::ffff:10.0.0.1'", Array(repeating: 0, count: 10) + [255, 255, 10, 0, 0, 1]),
        ("ip", "'1::'", [0, 1] + Array(repeating: 0, count: 14)),
    ]

    @Test(arguments: accepted)
    func `a literal becomes its column's bytes`(
        _ column: String,
        _ literal: String,
        _ bytes: [UInt8]
    ) throws {
        let world = try World.movies()
        let row = try world.row("INSERT INTO ml.types (k, \(column)) VALUES ('x', \(literal))")
        #expect(row.cells.map(\.content) == [.live(bytes)])
        #expect(throws: Never.self) {
            try world.state.table("ml", "types")?.column(column)?.type.validate(bytes)
        }
    }

    static let refused: [(String, String)] = [
        ("a", "'ä'"), ("a", "1"), ("t", "1"), ("t", "true"), ("t", "0xFF"), ("bl", "'x'"),
        ("bl", "1"), ("bo", "1"), ("bo", "'true'"), ("ti", "128"), ("ti", "-129"),
        ("si", "32768"), ("i", "2147483648"), ("i", "1.0"), ("i", "'1'"), ("i", "NaN"),
        ("bi", "9223372036854775808"), ("bi", "99999999999999999999999999"), ("bi", "1e3"),
        ("f", "'1'"), ("f", "1e39"), ("f", "true"), ("d", "1e400"), ("d", "0x01"),
        ("u", "'123e4567-e89b-42d3-a456-426614174000'"), ("u", "1"),
        ("tu", "123e4567-e89b-42d3-a456-426614174000"),
        ("v", "[1, 2]"), ("v", "[1, 2, 'x']"), ("v", "[1, 2, null]"), ("v", "[]"), ("v", "1"),
        ("v", "{1, 2, 3}"), ("v", "{'a': 1}"), ("v", "(1, 2, 3)"), ("v", "[1, 2, ?]"),
        ("i", "[1]"), ("i", "{}"), ("i", "-(-5)"),
        ("ts", "'x'"), ("ts", "''"), ("ts", "'2011-13-01'"), ("ts", "'2011-02-29'"),
        ("ts", "'1900-02-29'"), ("ts", "'2011-04-31'"), ("ts", "'2011-2-3'"),
        ("ts", "'2011-02-03 24:00'"), ("ts", "'2011-02-03 00:60'"), ("ts", "'2011-02-03 00:00:60'"),
        ("ts", "'2011-02-03 00:00:00.'"), ("ts", "'2011-02-03 00'"), ("ts", "'2011-02-03 '"),
        ("ts", "'2011-02-03T00:00X'"), ("ts", "'2011-02-03+1'"), ("ts", "1.5"),
        ("ts", "'99999999999999999999'"),
        ("ip", "'localhost'"), ("ip", "'1.2.3'"), ("ip", "'1.2.3.256'"), ("ip", "'01.2.3.4'"),
        ("ip", "'1.2.3.4.5'"), ("ip", "':'"), ("ip", "':::'"), ("ip", "'1::2::3'"),
        ("ip", "'1:2:3:4:5:6:7'"), ("ip", "'1:2:3:4:5:6:7:8:9'"), ("ip", "'::12345'"),
        ("ip", "'1:2:3:4:5:6:7::8'"), ("ip", "'fe80::1%eth0'"), ("ip", "'::1.2.3'"),
        ("ip", "'+1::'"),
        ("ip", "1"),
    ]

    @Test(arguments: refused)
    func `a literal of another type is refused by its column's name`(
        _ column: String,
        _ literal: String
    ) throws {
        let world = try World.movies()
        let cql = "INSERT INTO ml.types (k, \(column)) VALUES ('x', \(literal))"
        expectRefusal(refusal { try world.plan(cql) }, "invalid", ["\(column) of ml.types"], cql)
    }

    @Test func `null deletes whatever the type`() throws {
        let world = try World.movies()
        for column in ["a", "bl", "i", "v", "ip"] {
            let row = try world.row("INSERT INTO ml.types (k, \(column)) VALUES ('x', null)")
            #expect(row.cells.map(\.content) == [.deleted(deletionSeconds: 50)])
        }
    }
}
