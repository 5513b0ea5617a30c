import Testing

struct QuorumPropertyTests {
    private static let seeds: Range<UInt64> = 0..<120

    private func violations(
        _ mutant: QuorumPlay.Mutant,
        _ ending: QuorumPlay.Ending = .readAtAll
    ) throws -> Set<QuorumPlay.Violation> {
        var violations: Set<QuorumPlay.Violation> = []
        for seed in Self.seeds {
            var play = QuorumPlay(seed: seed, mutant: mutant)
            try play.run(operationCount: 40, ending: ending)
            violations.formUnion(play.violations)
        }
        return violations
    }

    @Test func `what QUORUM acknowledged or answered is never taken back`() throws {
        var answers = 0
        var repairs = 0
        var acknowledged = 0
        var speculations = 0
        for seed in Self.seeds {
            var play = QuorumPlay(seed: seed)
            try play.run(operationCount: 40)
            #expect(play.violations == [], "seed \(seed)")
            answers += play.answers
            repairs += play.repairs
            acknowledged += play.acknowledgedWrites
            speculations += play.speculations
        }
        // The play is worth something only if much of it happens.
        #expect(answers > 500)
        #expect(repairs > 100)
        #expect(acknowledged > 500)
        #expect(speculations > 100)
    }

    @Test func `delivered hints make all replicas equal, without a single repair`() throws {
        var delivered = 0
        for seed in Self.seeds {
            var play = QuorumPlay(seed: seed)
            try play.run(operationCount: 40, ending: .hints)
            #expect(play.violations == [], "seed \(seed)")
            delivered += play.deliveredHints
        }
        #expect(delivered > 500)
    }

    @Test func `a dropped hint is caught`() throws {
        #expect(try violations(.droppedHint, .hints) == [.diverged])
    }

    @Test func `a skipped read repair is caught`() throws {
        let violations = try violations(.skippedRepair)
        #expect(violations.isSuperset(of: [.wentBack, .notOnQuorum, .diverged]))
    }

    @Test func `a write acknowledged by too few replicas is caught`() throws {
        #expect(try violations(.earlyAcknowledgement).contains(.lostWrite))
    }

    @Test func `a read answered by too few replicas is caught`() throws {
        #expect(try violations(.oneReplicaRead).isSuperset(of: [.lostWrite, .wentBack]))
    }
}
