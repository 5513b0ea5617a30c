import CQL
import CQLSyntax
import Catalog
import PeerMessages
import Storage
import Testing

struct BatchTests {
    private func bind(
        _ world: World,
        _ cql: String,
        _ values: [MarkerValue] = []
    ) throws -> [Mutation] {
        try world.batch(cql).bind(values, defaultTimestampMicros: 1000, nowSeconds: 50)
    }

    @Test func `an unlogged batch writes to several partitions`() throws {
        let world = try World.movies()
        let cql = """
            BEGIN UNLOGGED BATCH USING TIMESTAMP ?
              INSERT INTO ml.movies (movie_id, title) VALUES (?, ?);
              UPDATE ml.movies SET popularity = ? WHERE movie_id = ?;
              DELETE FROM ml.users WHERE user_id = ?
            APPLY BATCH
            """
        let plan = try world.plan(cql)
        #expect(
            plan.markers.map(\.name)
                == ["[timestamp]", "movie_id", "title", "popularity", "movie_id", "user_id"]
        )
        #expect(plan.partitionKeyMarkers == nil)
        let mutations = try bind(
            world,
            cql,
            [
                .value(bigint(7)), .value(int(1)), .value(utf8("x")), .value(float(2)),
                .value(int(2)), .value(int(1)),
            ]
        )
        #expect(mutations.map(\.partition.key) == [int(1), int(2), int(1)])
        #expect(mutations[0].table != mutations[2].table)
        for mutation in mutations {
            let row = try Row(decoding: mutation.operand)
            let time =
                row.marker?.timestamp ?? row.deletion?.timestamp ?? row.cells.first?.timestamp
            #expect(time?.microseconds == 7)
        }
    }

    @Test func `writes to one partition become one mutation`() throws {
        let world = try World.movies()
        let cql = """
            BEGIN BATCH
              UPDATE ml.movies USING TIMESTAMP 5 SET title = 'old', popularity = 3 WHERE movie_id = ?
              UPDATE ml.movies USING TIMESTAMP 6 SET title = 'new' WHERE movie_id = 1
            APPLY BATCH
            """
        #expect(try world.plan(cql).partitionKeyMarkers == [0])
        let mutations = try bind(world, cql, [.value(int(1))])
        #expect(mutations.count == 1)
        let row = try Row(decoding: try #require(mutations.first).operand)
        #expect(Set(row.cells.map(\.content)) == [.live(utf8("new")), .live(float(3))])
        #expect(!BatchPlan.needsLog(.logged, mutations))
    }

    @Test func `a logged batch over several partitions needs the batch log`() throws {
        let world = try World.movies()
        let cql = """
            BEGIN BATCH
              UPDATE ml.movies SET title = 'a' WHERE movie_id = ?
              UPDATE ml.users SET mean_rating = 1 WHERE user_id = 1
              UPDATE ml.movies SET popularity = 2 WHERE movie_id = 1
            APPLY BATCH
            """
        let two = try bind(world, cql, [.value(int(1))])
        #expect(two.map(\.partition.key) == [int(1), int(1)])
        #expect(two[0].table != two[1].table)
        #expect(try Row(decoding: two[0].operand).cells.count == 2)
        #expect(BatchPlan.needsLog(.logged, two))
        #expect(!BatchPlan.needsLog(.unlogged, two))
        #expect(try bind(world, cql, [.value(int(2))]).count == 3)
    }

    @Test func `the protocol's batches obey the same rules`() throws {
        let world = try World.movies()
        let write = try world.write("INSERT INTO ml.movies (movie_id, title) VALUES (?, 'x')")
        func bound(_ id: Int32) throws -> Mutation {
            try write.bind([.value(int(id))], defaultTimestampMicros: 1, nowSeconds: 1)
        }
        let same = [try bound(1), try bound(1)]
        #expect(try BatchPlan.combine(.logged, same).count == 1)
        #expect(try BatchPlan.combine(.logged, []).isEmpty)
        let two = [try bound(1), try bound(2)]
        #expect(try BatchPlan.combine(.unlogged, two) == two)
        #expect(try BatchPlan.combine(.logged, two) == two)
        expectRefusal(
            refusal { try BatchPlan.combine(.counter, []) },
            "invalid",
            ["COUNTER"],
            "counter"
        )
    }

    @Test func `an empty batch does nothing`() throws {
        let world = try World.movies()
        #expect(try bind(world, "BEGIN BATCH APPLY BATCH").isEmpty)
    }

    @Test func `what a batch cannot have is refused`() throws {
        let world = try World.movies()
        let cases: [(String, [String])] = [
            (
                "BEGIN COUNTER BATCH UPDATE ml.movies SET title = 'x' WHERE movie_id = 1 APPLY BATCH",
                ["COUNTER BATCH"]
            ),
            (
                "BEGIN BATCH USING TIMESTAMP 1 INSERT INTO ml.movies (movie_id) VALUES (1) USING "
                    + "TIMESTAMP 2 APPLY BATCH", ["Timestamp must be set either"]
            ),
            (
                "BEGIN BATCH INSERT INTO ml.movies (movie_id) VALUES (1) IF NOT EXISTS APPLY BATCH",
                ["IF NOT EXISTS"]
            ),
        ]
        for (cql, words) in cases {
            expectRefusal(refusal { try world.plan(cql) }, "invalid", words, cql)
        }
    }
}
