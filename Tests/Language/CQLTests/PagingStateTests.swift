import CQL
import Catalog
import PeerMessages
import Testing
import TokenPlacement

struct PagingStateTests {
    private static let partition = PartitionRef(key: int(7))

    @Test func `a state comes back as it was`() throws {
        let states = [
            PagingState(after: Self.partition, remaining: nil),
            PagingState(after: PartitionRef(key: []), remaining: 1),
            PagingState(after: Self.partition, remaining: Int(Int32.max)),
            PagingState(afterAllOf: Token(.min), remaining: 300),
            PagingState(afterAllOf: Token(.max), remaining: nil),
        ]
        for state in states {
            let bytes = state.encoded(for: 42)
            #expect(try PagingState(decoding: bytes, of: 42) == state)
        }
    }

    @Test func `a state has these bytes for ever`() {
        let state = PagingState(
            after: PartitionRef(token: Token(-2), key: [0xAA, 0xBB]),
            remaining: 300
        )
        let bytes = state.encoded(for: 0x0102_0304_0506_0708)
        #expect(
            Array(bytes.dropLast(8)) == [
                1, 1, 2, 3, 4, 5, 6, 7, 8, 3,  // version, statement, flags
                255, 255, 255, 255, 255, 255, 255, 254,  // token
                2, 0xAA, 0xBB, 0xAC, 0x02,  // key, remaining
            ]
        )
        let checksum = bytes.dropLast(8).withUnsafeBytes { Murmur3.hash128($0).0 }
        #expect(bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) } == checksum)
        let short = PagingState(afterAllOf: Token(1), remaining: nil).encoded(for: 0)
        #expect(short.count == 26)
    }

    @Test func `bytes that are no state are refused and never trap`() {
        var generator = SeededGenerator(seed: 0x7061_6765)
        let whole = PagingState(after: Self.partition, remaining: 5).encoded(for: 42)
        func expectRefused(_ bytes: [UInt8]) {
            expectRefusal(
                refusal { try PagingState(decoding: bytes, of: 42) },
                "invalid",
                ["paging state"],
                "\(bytes)"
            )
        }
        for count in 0..<whole.count { expectRefused(Array(whole[..<count])) }
        expectRefused(whole + [0])
        for index in whole.indices {
            for bit in 0..<8 {
                var damaged = whole
                damaged[index] ^= 1 << UInt8(bit)
                expectRefused(damaged)
            }
        }
        for _ in 0..<2000 {
            let noise = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            expectRefused([1] + noise)
        }
    }

    /// A state with a right checksum over any body.
    private func sealed(_ body: [UInt8]) -> [UInt8] {
        let checksum = body.withUnsafeBytes { Murmur3.hash128($0).0 }
        return body + withUnsafeBytes(of: checksum.bigEndian) { Array($0) }
    }

    @Test func `a state that somebody forged is refused for what is wrong with it`() {
        let statement: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 42]
        let token: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 9]
        let cases: [([UInt8], String)] = [
            ([2] + statement + [0] + token, "version 2"),
            ([1] + statement + [4] + token, "flags 4"),
            ([1] + statement + [1] + token + [1, 1], "its token is not 9"),
            ([1] + statement + [2] + token + [0], "remaining rows 0"),
            ([1] + statement + [2] + token + [0x80, 0x80, 0x80, 0x80, 0x08], "2147483648"),
            ([1] + statement + [1] + token + [0xFF, 0xFF, 0x03], "key"),
            ([1] + [0, 0, 0, 0, 0, 0, 0, 43] + [0] + token, "another"),
        ]
        for (body, word) in cases {
            expectRefusal(
                refusal { try PagingState(decoding: sealed(body), of: 42) },
                "invalid",
                ["paging state", word],
                word
            )
        }
        #expect(throws: Never.self) {
            try PagingState(decoding: sealed([1] + statement + [0] + token), of: 42)
        }
    }

    private func scan(
        _ world: World,
        _ cql: String,
        _ values: [MarkerValue] = []
    ) throws -> (SelectPlan, BoundSelect) {
        let select = try world.select(cql)
        return (select, try select.bind(values))
    }

    @Test func `a scan goes on behind the last key`() throws {
        let (select, bound) = try scan(try World.movies(), "SELECT title FROM ml.movies LIMIT 10")
        let first = try select.start(bound, pagingState: nil)
        #expect(first.ranges == bound.ranges)
        #expect(first.after == nil && first.remaining == 10)
        let state = PagingState(after: Self.partition, remaining: 4)
            .encoded(for: select.fingerprint(of: bound))
        let second = try select.start(bound, pagingState: state)
        #expect(second.ranges == [Self.partition.token...Token(.max)])
        #expect(second.after == Self.partition)
        #expect(second.remaining == 4)
    }

    @Test func `a scan goes on behind a whole token`() throws {
        let (select, bound) = try scan(
            try World.movies(),
            "SELECT title FROM ml.movies WHERE token(movie_id) >= 5 AND token(movie_id) <= 9"
        )
        func start(_ token: Int64) throws -> ScanStart {
            let state = PagingState(afterAllOf: Token(token), remaining: nil)
            return try select.start(
                bound,
                pagingState: state.encoded(for: select.fingerprint(of: bound))
            )
        }
        #expect(try start(5).ranges == [Token(6)...Token(9)])
        #expect(try start(5).after == nil)
        #expect(try start(9).ranges.isEmpty)
        for token in [4, 10, Int64.min, .max] {
            expectRefusal(refusal { try start(token) }, "invalid", ["outside"], "\(token)")
        }
    }

    @Test func `a limit can only shrink`() throws {
        let world = try World.movies()
        for (limit, remaining) in [(" LIMIT 10", nil), (" LIMIT 10", 11), ("", 1)]
            as [(String, Int?)]
        {
            let (select, bound) = try scan(world, "SELECT title FROM ml.movies" + limit)
            let state = PagingState(after: Self.partition, remaining: remaining)
                .encoded(for: select.fingerprint(of: bound))
            expectRefusal(
                refusal { try select.start(bound, pagingState: state) },
                "invalid",
                ["outside"],
                limit
            )
        }
    }

    @Test func `another statement's state is refused`() throws {
        var world = try World.movies()
        let statements: [(String, [MarkerValue])] = [
            ("SELECT title FROM ml.movies", []), ("SELECT popularity FROM ml.movies", []),
            ("SELECT title AS t FROM ml.movies", []), ("SELECT title FROM ml.movies LIMIT 5", []),
            ("SELECT title FROM ml.movies WHERE token(movie_id) > ?", [.value(bigint(.min))]),
            ("SELECT title FROM ml.movies WHERE token(movie_id) > ?", [.value(bigint(0))]),
            ("SELECT title FROM ml.movies WHERE popularity > 1 ALLOW FILTERING", []),
            ("SELECT title FROM ml.movies WHERE popularity > 2 ALLOW FILTERING", []),
            ("SELECT title FROM ml.movies WHERE popularity >= 1 ALLOW FILTERING", []),
            ("SELECT title FROM ml.movies WHERE popularity IN (1, 2) ALLOW FILTERING", []),
            ("SELECT title FROM ml.movies WHERE movie_id > 1 ALLOW FILTERING", []),
            ("SELECT user_id FROM ml.users", []),
        ]
        let fingerprints = try statements.map { cql, values in
            let (select, bound) = try scan(world, cql, values)
            return select.fingerprint(of: bound)
        }
        #expect(Set(fingerprints).count == statements.count)
        // The same statement, planned once more, by a marker, or after an unrelated change.
        world.push("other", plain)
        let (select, bound) = try scan(
            world,
            "SELECT title FROM ml.movies LIMIT ? ALLOW FILTERING",
            [.value(int(5))]
        )
        #expect(select.fingerprint(of: bound) == fingerprints[3])
        let state = PagingState(after: Self.partition, remaining: 2)
        expectRefusal(
            refusal {
                try select.start(bound, pagingState: state.encoded(for: fingerprints[0]))
            },
            "invalid",
            ["paging state", "belongs to another"],
            "another"
        )
        // A table that was dropped and made again is another one.
        try world.run("DROP TABLE ml.movies")
        try world.run("CREATE TABLE ml.movies (movie_id int PRIMARY KEY, title text)")
        let (again, anew) = try scan(world, "SELECT title FROM ml.movies")
        #expect(again.fingerprint(of: anew) != fingerprints[0])
    }

    @Test func `a SELECT by keys and a count have no second page`() throws {
        let world = try World.movies()
        for (cql, remaining) in [
            ("SELECT title FROM ml.movies WHERE movie_id IN (1, 2) LIMIT 1", 1),
            ("SELECT count(*) FROM ml.movies", nil),
        ] as [(String, Int?)] {
            let (select, bound) = try scan(world, cql)
            let state = PagingState(after: Self.partition, remaining: remaining)
                .encoded(for: select.fingerprint(of: bound))
            expectRefusal(
                refusal { try select.start(bound, pagingState: state) },
                "invalid",
                ["one page"],
                cql
            )
            #expect(try select.start(bound, pagingState: nil).ranges == bound.ranges)
        }
    }
}
