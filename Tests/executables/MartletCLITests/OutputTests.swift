import AdminCommands
import ArgumentParser
import Martlet
import Testing

/// What the commands print, and what they send.
struct OutputTests {
    @Test func `JSON is escaped and keeps its order`() {
        let value = JSONValue.object([
            .init("b", .string("a\"\\\n\u{1}é")), .init("a", .array([.integer(-1), .null])),
            .init("c", .number(0.1)), .init("d", .float(0.1)), .init("e", .number(.nan)),
        ])
        #expect(
            value.description
                == #"{"b": "a\"\\\n\u0001é", "a": [-1, null], "c": 0.1, "d": 0.1, "e": null}"#
        )
    }

    @Test func `values of CQL become values of JSON`() {
        #expect(JSONValue(CQLValue.blob([1, 255])) == .string("0x01ff"))
        #expect(JSONValue(CQLValue.vector([0.5])) == .array([.float(0.5)]))
        let map = CQLValue.map([.init(key: .integer(1), value: .boolean(true))])
        #expect(JSONValue(map) == .object([.init("1", .boolean(true))]))
    }

    @Test func `a table's columns are as wide as their cells`() {
        var table = TextTable(["Name", ">Count"])
        table.append(["a", "10"])
        table.append(["longer\nname", "7"])
        #expect(
            table.lines == [
                "Name         Count", "a               10", "longer name      7",
            ]
        )
    }

    @Test func `numbers are grouped`() {
        #expect([0, 999, 1000, -1_234_567].map(grouped) == ["0", "999", "1,000", "-1,234,567"])
        #expect([0, 1023, 1536, 5 << 20].map(byteText) == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB"])
        #expect(percentText(0.2051) == "20.5 %")
    }

    @Test func `a cluster is healthy when all expected nodes are up and own`() {
        let up = NodeRow(node: "1", address: "127.0.0.1", status: "UN")
        let down = NodeRow(node: "2", address: "127.0.0.2", status: "DN")
        let joining = NodeRow(node: "3", address: "127.0.0.3", status: "UJ")
        let two = ClusterRow(name: "c", expected_nodes: 2, has_owners: true)
        #expect(ClusterHealth(cluster: two, nodes: [up, up]).problems == [])
        #expect(ClusterHealth(cluster: two, nodes: [up, down]).problems == ["127.0.0.2 is down"])
        #expect(
            ClusterHealth(cluster: two, nodes: [up, joining]).problems
                == ["127.0.0.3 has the status UJ"]
        )
        #expect(
            ClusterHealth(cluster: two, nodes: [up]).problems
                == ["1 of 2 expected nodes have joined"]
        )
        let young = ClusterRow(name: "c", expected_nodes: 1, has_owners: false)
        #expect(ClusterHealth(cluster: young, nodes: [up]).problems.count == 1)
        #expect(ClusterHealth(cluster: nil, nodes: []).problems.count == 1)
        #expect(ClusterHealth.unhealthyExitCode == 10)
    }

    @Test func `a model's statement quotes what it is given`() throws {
        let name = try #require(ModelName("ml.ranker"))
        #expect(
            createModelStatement(name, signature: nil, sha256: nil)
                == "CREATE OR REPLACE MODEL ml.ranker FROM ?"
        )
        #expect(
            createModelStatement(name, signature: "f('x')", sha256: "ab")
                == "CREATE OR REPLACE MODEL ml.ranker FROM ? "
                + "WITH signature = 'f(''x'')' AND sha256 = 'ab'"
        )
        for text in ["ranker", "a.b.c", "ml.", "ml.x y", "ml.x;DROP", "1.a", ""] {
            #expect(ModelName(text) == nil, "\(text)")
        }
    }

    @Test(arguments: [
        ["status", "--contact-points", "127.0.0.1:9042", "--format", "json"],
        ["ring", "show", "--tokens"],
        [
            "import", "f.csv", "--table", "ml.t", "--timestamp-column", "at", "--timestamp-unit",
            "s",
        ],
        [
            "import", "f.csv", "--table", "ml.t", "--no-resume", "--consistency", "one", "--null",
            "",
        ],
        ["model", "push", "m.onnx", "--name", "ml.ranker", "--contact-points", "a,b:9043"],
        ["model", "list"],
        ["model", "remove", "ml.ranker", "--yes"],
        ["cql", "SELECT 1", "--consistency", "LOCAL_ONE"],
    ])
    func `the commands are understood`(_ arguments: [String]) throws {
        _ = try MartletCommand.parseAsRoot(arguments)
    }

    @Test(arguments: [
        ["import", "f.csv", "--table", "t"],
        ["import", "f.csv", "--table", "ml.t", "--concurrency", "0"],
        ["import", "f.csv", "--table", "ml.t", "--timestamp-unit", "h"],
        ["cql", "SELECT 1", "--consistency", "MOST"],
        ["status", "--format", "xml"],
        ["model", "push", "m.onnx"],
    ])
    func `a wrong option is refused`(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try MartletCommand.parseAsRoot(arguments) }
    }
}
