import Testing

struct ScanPropertyTests {
    private static let seeds: Range<UInt64> = 0..<200

    private func violations(_ mutant: ScanPlay.Mutant) throws -> Set<ScanPlay.Violation> {
        var violations: Set<ScanPlay.Violation> = []
        for seed in Self.seeds {
            var play = ScanPlay(seed: seed, mutant: mutant)
            try play.run()
            violations.formUnion(play.violations)
        }
        return violations
    }

    @Test func `every acknowledged row appears once, in order, in its newest version`() throws {
        var pages = 0
        var repairs = 0
        var failures = 0
        for seed in Self.seeds {
            var play = ScanPlay(seed: seed)
            try play.run()
            #expect(play.violations == [], "seed \(seed)")
            pages += play.pages
            repairs += play.repairs
            failures += play.failures
        }
        // The play is worth something only if much of it happens.
        #expect(pages > 400)
        #expect(repairs > 300)
        #expect(failures < Self.seeds.count / 4)
    }

    @Test func `a cut page that is taken for a whole one is caught`() throws {
        #expect(try violations(.cutPage).contains(.lost))
    }

    @Test func `a page that claims to cover more than it does is caught`() throws {
        #expect(try violations(.overstatedCover).contains(.lost))
    }

    @Test func `a page of too few replicas is caught`() throws {
        #expect(try violations(.oneReplica).isSuperset(of: [.lost, .stale, .notOnQuorum]))
    }

    @Test func `a page that skips a key is caught`() throws {
        #expect(try violations(.skippedKey).contains(.lost))
    }

    @Test func `a skipped read repair is caught`() throws {
        #expect(try violations(.skippedRepair).contains(.notOnQuorum))
    }
}
