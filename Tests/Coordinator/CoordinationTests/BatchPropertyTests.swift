import Testing

struct BatchPropertyTests {
    private static let seeds: Range<UInt64> = 0..<40

    /// Plays every seed with a crash at every step there is, and then without one.
    private func play(_ mutant: BatchPlay.Mutant, _ each: (BatchPlay, UInt64) -> Void) throws {
        for seed in Self.seeds {
            var step = 0
            var isFinished = false
            while !isFinished {
                var play = BatchPlay(seed: seed, mutant: mutant)
                try play.run(crashAfter: step)
                each(play, seed)
                isFinished = play.isFinished
                step += 1
            }
        }
    }

    private func violations(_ mutant: BatchPlay.Mutant) throws -> Set<BatchPlay.Violation> {
        var violations: Set<BatchPlay.Violation> = []
        try play(mutant) { play, _ in violations.formUnion(play.violations) }
        return violations
    }

    @Test func `after a crash at any step all of a batch is written, or nothing`() throws {
        var (plays, written, replayed) = (0, 0, 0)
        try play(.none) { play, seed in
            #expect(play.violations == [], "seed \(seed)")
            plays += 1
            if play.isWritten { written += 1 }
            if play.isReplayed { replayed += 1 }
        }
        // The plays are worth something only if much of it happens.
        #expect(plays > 700)
        #expect(written > plays / 2)
        #expect(written < plays)
        #expect(replayed > 200)
    }

    @Test func `a log that is not kept is caught`() throws {
        #expect(try violations(.noLog).isSuperset(of: [.partial, .lostAfterLog]))
    }

    @Test func `a log that is forgotten with the answer is caught`() throws {
        #expect(try violations(.earlyRemoval).contains(.lostAfterSuccess))
    }

    @Test func `a dropped hint is caught`() throws {
        #expect(try violations(.droppedHint).contains(.partial))
    }

    @Test func `writing before the log is kept is caught`() throws {
        #expect(try violations(.earlyWrites).contains(.partial))
    }
}
