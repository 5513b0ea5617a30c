import Catalog
import HistoryChecking
import Testing

struct TimesCheckerTests {
    /// Time-outs of one second for a write and of three for a read.
    private var play: Play {
        var play = Play()
        var times = RequestTimes(
            write: .seconds(1),
            batch: .seconds(2),
            read: .seconds(3),
            score: .seconds(6),
            schema: .seconds(9)
        )
        times.slack = .milliseconds(500)
        times.hintSlack = .seconds(1)
        play.rules.times = times
        return play
    }

    @Test func `an answer that comes later than its time-out and the slack is caught`() {
        for (end, expected) in [(1500, []), (1501, [.everythingAnswers])]
            as [(Int64, [Invariant])]
        {
            for outcome in [OperationOutcome.done, .unknown("time-out"), .refused("overloaded")] {
                var play = play
                play.insert(at: 10, 0...end, outcome: outcome)
                #expect(play.late == expected)
            }
        }
        var without = Play()
        without.insert(at: 10, 0...1_000_000)
        #expect(without.late.isEmpty)
    }

    @Test func `each kind of request has its own time`() {
        var play = play
        let rows = [RowWrite(key: 0, change: .deleteRow), RowWrite(key: 1, change: .deleteRow)]
        play.write(rows, at: 10, 0...2500, isLogged: true)
        play.read([0: [:]], 0...3500)
        play.score([0: nil], 0...6500)
        // Two rows and one look behind them.
        play.scan([:], 0...9500)
        play.insert(at: 20, 0...2500, level: .any)
        #expect(play.late.isEmpty)
        play.write(rows, at: 10, 0...2501, isLogged: true)
        play.read([0: [:]], 0...3501)
        play.score([0: nil], 0...6501)
        play.scan([:], 0...9501)
        play.insert(at: 20, 0...2501, level: .any)
        #expect(play.late.count == 5)
    }

    @Test func `what a coordinator is paused does not count, and counts once`() {
        for (rest, expected) in [(8000, [.everythingAnswers]), (7500, [])]
            as [(Int64, [Invariant])]
        {
            var play = play
            play.read([0: [:]], 1000...8500)
            play.pause(0...3000)
            play.pause(2000...4000)
            play.pause(2500...2600)
            play.pause(rest...60_000)
            #expect(play.late == expected)
        }
        var other = self.play
        other.read([0: [:]], 0...5000)
        other.pause(0...4000, node: 1)
        #expect(other.late == [.everythingAnswers])
    }
}
