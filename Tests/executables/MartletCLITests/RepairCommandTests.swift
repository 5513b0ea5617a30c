import AdminCommands
import Foundation
import Testing

/// What `martlet repair` sends and shows.
struct RepairCommandTests {
    @Test(
        arguments: [
            (nil, "REPAIR"), ("ml", "REPAIR ml"), ("ml.movies", "REPAIR ml.movies"),
            ("ML.Movies", "REPAIR ml.movies"),
        ] as [(String?, String)]
    )
    func `a scope becomes a statement`(text: String?, statement: String) {
        #expect(RepairScope(text)?.statement == statement)
    }

    @Test(arguments: [
        "", ".", "ml.", ".movies", "a.b.c", "ml movies", "ml;DROP", "1.a", "ml.\"x\"",
    ])
    func `what is no scope is refused before anything is sent`(text: String) {
        #expect(RepairScope(text) == nil)
    }

    @Test func `a table is as badly repaired as its worst replica`() {
        let early = Date(timeIntervalSince1970: 1_000_000)
        let late = Date(timeIntervalSince1970: 2_000_000)
        let report = RepairReport(
            nodes: [
                .init(
                    place: "127.0.0.1:9042",
                    slices: [
                        .init(keyspace: "ml", table: "b", slice: 0, lastRepair: late),
                        .init(keyspace: "ml", table: "b", slice: 1, lastRepair: early),
                        .init(keyspace: "ml", table: "a", slice: 1),
                    ]
                ),
                .init(
                    place: "127.0.0.2:9042",
                    slices: [
                        .init(keyspace: "ml", table: "b", slice: 0, isDirty: true),
                        .init(keyspace: "ml", table: "b", slice: 1, state: "rebuilding"),
                    ]
                ),
            ],
            problems: ["127.0.0.3:9042 could not be asked: refused"]
        )
        #expect(
            report.lines == [
                "Table  Slices  Never repaired  Dirty  Rebuilding  Oldest repair",
                "ml.a        1               1      0           0  never",
                "ml.b        2               2      1           1  1970-01-12T13:46:40Z",
                "",
                "No repair was asked for since the nodes started.",
                "",
                "No hints are waiting.",
                "127.0.0.3:9042 could not be asked: refused",
            ]
        )
        #expect(
            report.json.description == #"""
                {"tables": [{"table": "ml.a", "slices": 1, "never_repaired": 1, "dirty": 0, \#
                "rebuilding": 0, "oldest_repair": null}, {"table": "ml.b", "slices": 2, \#
                "never_repaired": 2, "dirty": 1, "rebuilding": 1, \#
                "oldest_repair": "1970-01-12T13:46:40Z"}], "runs": [], "hints": [], \#
                "problems": ["127.0.0.3:9042 could not be asked: refused"]}
                """#
        )
    }

    @Test func `progress is the sum of what the nodes do`() {
        let runs = [
            RepairRunRow(id: UUID(), state: "running", slicesDone: 100, slicesTotal: 400, rows: 7),
            RepairRunRow(id: UUID(), state: "finished", slicesDone: 600, slicesTotal: 600, rows: 1),
        ]
        #expect(
            progressLine(runs)
                == "repair [#####################.........] 700 of 1,000 slices, 8 rows streamed"
        )
        #expect(
            progressLine([])
                == "repair [##############################] 0 of 0 slices, 0 rows streamed"
        )
    }
}
