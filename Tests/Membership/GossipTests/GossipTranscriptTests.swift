import Gossip
import Testing

/// Golden transcripts, written to be read as the protocol: a is the machine, the test plays the rest.
@Suite struct GossipTranscriptTests {
    @Test func `new members are pinged at once and are alive when their acks come`() throws {
        var play = try GossipPlay(members: "abc")
        play.receive(.ack(ProbeSequence(1)), from: "b", 10, at: 3)
        play.receive(.ack(ProbeSequence(2)), from: "c", 10, at: 4)
        play.wait(until: 499)
        expectTranscript(
            of: play,
            """
            0.000  a@1 -> b  ping 1
            0.000  a@1 -> c  ping 2
            0.003  b@10 -> a  ack 1
            0.003  a holds b alive
            0.004  c@10 -> a  ack 2
            0.004  a holds c alive
            """
        )
    }

    @Test func `a ping is acked`() throws {
        var play = try GossipPlay(met: "abc")
        play.receive(.ack(ProbeSequence(43)), from: "c", 10, at: 510)
        play.receive(.ping(ProbeSequence(8)), from: "b", 10, at: 600)
        play.wait(until: 999)
        expectTranscript(
            of: play,
            """
            0.500  a@1 -> c  ping 43
            0.510  c@10 -> a  ack 43
            0.600  b@10 -> a  ping 8
            0.600  a@1 -> b  ack 8
            """
        )
    }

    @Test func `an ack from a member that was not asked counts for nothing`() throws {
        var play = try GossipPlay(met: "abc")
        play.receive(.ack(ProbeSequence(43)), from: "b", 10, at: 510)
        play.wait(until: 700)
        expectTranscript(
            of: play,
            """
            0.500  a@1 -> c  ping 43
            0.510  b@10 -> a  ack 43
            0.700  a@1 -> b  ping-request 43 for c
            """
        )
    }

    @Test func `a lost ping is made good by an indirect one`() throws {
        var play = try GossipPlay(met: "abcde")
        play.receive(
            .ack(ProbeSequence(45)),
            from: "d",
            10,
            saying: [update("b", .alive, 10)],
            at: 720
        )
        play.wait(until: 999)
        expectTranscript(
            of: play,
            """
            0.500  a@1 -> b  ping 45
            0.700  a@1 -> e  ping-request 45 for b
            0.700  a@1 -> c  ping-request 45 for b
            0.700  a@1 -> d  ping-request 45 for b
            0.720  d@10 -> a  ack 45, b alive@10
            """
        )
    }

    @Test func `a helper pings for another member and passes the ack on`() throws {
        var play = try GossipPlay(met: "abc")
        play.receive(.pingRequest(ProbeSequence(77), target: node("c")), from: "b", 10, at: 100)
        play.receive(.ack(ProbeSequence(43)), from: "c", 12, at: 110)
        play.receive(.ack(ProbeSequence(43)), from: "c", 12, at: 120)
        expectTranscript(
            of: play,
            """
            0.100  b@10 -> a  ping-request 77 for c
            0.100  a@1 -> c  ping 43
            0.110  c@12 -> a  ack 43
            0.110  a@1 -> b  ack 77, c alive@12
            0.120  c@12 -> a  ack 43
            """
        )
    }

    @Test func `a member that nobody reaches is suspect, then dead`() throws {
        var play = try GossipPlay(met: "abc")
        play.wait(until: 4_200)
        expectTranscript(
            of: play,
            """
            0.500  a@1 -> c  ping 43
            0.700  a@1 -> b  ping-request 43 for c
            1.000  a holds c suspect
            1.000  a@1 -> b  ping 44, c suspect@10
            1.000  a@1 -> c  ping 45, c suspect@10
            1.200  a@1 -> b  ping-request 45 for c, c suspect@10
            1.500  a holds b suspect
            1.500  a@1 -> b  ping 46, b suspect@10, c suspect@10
            1.500  a@1 -> c  ping 47, c suspect@10, b suspect@10
            2.000  a@1 -> b  ping 48, b suspect@10, c suspect@10
            2.000  a@1 -> c  ping 49, c suspect@10, b suspect@10
            2.500  a@1 -> b  ping 50, b suspect@10, c suspect@10
            2.500  a@1 -> c  ping 51, c suspect@10, b suspect@10
            3.000  a@1 -> b  ping 52, b suspect@10, c suspect@10
            3.000  a@1 -> c  ping 53, c suspect@10, b suspect@10
            3.500  a@1 -> b  ping 54, b suspect@10
            3.500  a@1 -> c  ping 55, c suspect@10, b suspect@10
            4.000  a holds c dead
            4.000  a@1 -> b  ping 56, b suspect@10, c dead@10
            4.000  a@1 -> c  ping 57, c dead@10, b suspect@10
            """
        )
    }

    @Test func `a suspicion is refuted`() throws {
        var play = try GossipPlay(met: "ab")
        play.wait(until: 1_000)
        play.receive(.ack(ProbeSequence(43)), from: "b", 11, at: 1_020)
        play.wait(until: 1_499)
        expectTranscript(
            of: play,
            """
            0.500  a@1 -> b  ping 42
            1.000  a holds b suspect
            1.000  a@1 -> b  ping 43, b suspect@10
            1.020  b@11 -> a  ack 43
            1.020  a holds b alive
            """
        )
    }

    @Test func `this node refutes what it hears of itself`() throws {
        var play = try GossipPlay(met: "abc")
        play.receive(
            .ping(ProbeSequence(5)),
            from: "b",
            10,
            saying: [update("a", .suspect, 1)],
            at: 100
        )
        play.receive(
            .ping(ProbeSequence(6)),
            from: "c",
            10,
            saying: [update("a", .suspect, 1)],
            at: 120
        )
        play.receive(
            .ping(ProbeSequence(7)),
            from: "c",
            10,
            saying: [update("a", .dead, 2)],
            at: 130
        )
        expectTranscript(
            of: play,
            """
            0.100  b@10 -> a  ping 5, a suspect@1
            0.100  a@2 -> b  ack 5
            0.120  c@10 -> a  ping 6, a suspect@1
            0.120  a@2 -> c  ack 6
            0.130  c@10 -> a  ping 7, a dead@2
            0.130  a@3 -> c  ack 7
            """
        )
    }

    @Test func `an ack that calls this node dead is refuted by a ping at once`() throws {
        var play = try GossipPlay(met: "abc")
        play.receive(
            .ack(ProbeSequence(43)),
            from: "c",
            10,
            saying: [update("a", .dead, 1)],
            at: 510
        )
        expectTranscript(
            of: play,
            """
            0.500  a@1 -> c  ping 43
            0.510  c@10 -> a  ack 43, a dead@1
            0.510  a@2 -> c  ping 44
            """
        )
    }

    @Test func `a member that restarts is alive by its higher incarnation`() throws {
        var play = try GossipPlay(met: "abc")
        play.receive(
            .ping(ProbeSequence(4)),
            from: "b",
            10,
            saying: [update("c", .dead, 10)],
            at: 100
        )
        play.receive(.ping(ProbeSequence(1)), from: "c", 20, at: 300)
        play.receive(.ping(ProbeSequence(5)), from: "b", 10, at: 310)
        expectTranscript(
            of: play,
            """
            0.100  b@10 -> a  ping 4, c dead@10
            0.100  a holds c dead
            0.100  a@1 -> b  ack 4, c dead@10
            0.300  c@20 -> a  ping 1
            0.300  a holds c alive
            0.300  a@1 -> c  ack 1
            0.310  b@10 -> a  ping 5
            0.310  a@1 -> b  ack 5, c alive@20
            """
        )
    }

    @Test func `a dead member that speaks in its old incarnation is told, and refutes`() throws {
        var play = try GossipPlay(met: "abc")
        play.receive(
            .ping(ProbeSequence(4)),
            from: "b",
            10,
            saying: [update("c", .dead, 10)],
            at: 100
        )
        play.receive(.ping(ProbeSequence(8)), from: "c", 10, at: 300)
        play.receive(.ping(ProbeSequence(9)), from: "c", 11, at: 310)
        expectTranscript(
            of: play,
            """
            0.100  b@10 -> a  ping 4, c dead@10
            0.100  a holds c dead
            0.100  a@1 -> b  ack 4, c dead@10
            0.300  c@10 -> a  ping 8
            0.300  a@1 -> c  ack 8, c dead@10
            0.310  c@11 -> a  ping 9
            0.310  a holds c alive
            0.310  a@1 -> c  ack 9
            """
        )
    }

    @Test func `a healed partition is found by a slow probe and the rest of its side at once`()
        throws
    {
        var play = try GossipPlay(met: "abcd")
        let side = [update("c", .dead, 10), update("d", .dead, 10)]
        play.receive(.ping(ProbeSequence(4)), from: "b", 10, saying: side, at: 100)
        play.receive(.ack(ProbeSequence(44)), from: "b", 10, at: 510)
        play.receive(.ack(ProbeSequence(45)), from: "b", 10, at: 1_010)
        play.receive(.ack(ProbeSequence(46)), from: "b", 10, at: 1_510)
        play.receive(.ack(ProbeSequence(47)), from: "b", 10, at: 2_010)
        play.receive(
            .ack(ProbeSequence(48)),
            from: "c",
            11,
            saying: [update("a", .dead, 1)],
            at: 2_020
        )
        play.receive(.ack(ProbeSequence(49)), from: "d", 11, at: 2_030)
        expectTranscript(
            of: play,
            """
            0.100  b@10 -> a  ping 4, c dead@10, d dead@10
            0.100  a holds c dead
            0.100  a holds d dead
            0.100  a@1 -> b  ack 4, d dead@10, c dead@10
            0.500  a@1 -> b  ping 44, d dead@10, c dead@10
            0.510  b@10 -> a  ack 44
            1.000  a@1 -> b  ping 45, d dead@10, c dead@10
            1.010  b@10 -> a  ack 45
            1.500  a@1 -> b  ping 46, d dead@10, c dead@10
            1.510  b@10 -> a  ack 46
            2.000  a@1 -> b  ping 47, d dead@10, c dead@10
            2.000  a@1 -> c  ping 48, c dead@10, d dead@10
            2.010  b@10 -> a  ack 47
            2.020  c@11 -> a  ack 48, a dead@1
            2.020  a holds c alive
            2.020  a@2 -> d  ping 49, d dead@10, c alive@11
            2.020  a@2 -> c  ping 50, d dead@10
            2.030  d@11 -> a  ack 49
            2.030  a holds d alive
            """
        )
    }

    @Test func `a broken connection makes for a probe at once, and never for more`() throws {
        var play = try GossipPlay(met: "abc")
        play.loseConnection(to: "b", at: 100)
        play.loseConnection(to: "b", at: 101)
        play.loseConnection(to: "b", at: 102)
        play.wait(until: 450)
        play.loseConnection(to: "b", at: 450)
        expectTranscript(
            of: play,
            """
            0.100  connection to b lost
            0.100  a@1 -> b  ping 43
            0.101  connection to b lost
            0.101  a@1 -> c  ping-request 43 for b
            0.102  connection to b lost
            0.401  a holds b suspect
            0.401  a@1 -> b  ping 44, b suspect@10
            0.450  connection to b lost
            """
        )
    }

    @Test func `an ack corrects what the ping had outdated`() throws {
        var play = try GossipPlay(met: "abc")
        play.receive(
            .ping(ProbeSequence(4)),
            from: "b",
            10,
            saying: [update("c", .dead, 9)],
            at: 100
        )
        play.receive(.ping(ProbeSequence(5)), from: "c", 3, at: 110)
        expectTranscript(
            of: play,
            """
            0.100  b@10 -> a  ping 4, c dead@9
            0.100  a@1 -> b  ack 4, c alive@10
            0.110  c@3 -> a  ping 5
            0.110  a@1 -> c  ack 5, c alive@10
            """
        )
    }

    @Test func `after this node slept nobody is judged by what it missed`() throws {
        var play = try GossipPlay(met: "abc")
        play.receive(
            .ping(ProbeSequence(4)),
            from: "b",
            10,
            saying: [update("c", .suspect, 10)],
            at: 100
        )
        play.wait(until: 650)
        play.sleep(until: 60_700)
        play.wait(until: 63_200)
        expectTranscript(
            of: play,
            """
            0.100  b@10 -> a  ping 4, c suspect@10
            0.100  a holds c suspect
            0.100  a@1 -> b  ack 4, c suspect@10
            0.100  a@1 -> c  ping 43, c suspect@10
            0.300  a@1 -> b  ping-request 43 for c, c suspect@10
            0.500  a@1 -> b  ping 44, c suspect@10
            60.700  awake again
            60.700  a@1 -> b  ping 45, c suspect@10
            60.700  a@1 -> c  ping 46, c suspect@10
            60.900  a@1 -> b  ping-request 46 for c, c suspect@10
            61.200  a holds b suspect
            61.200  a@1 -> b  ping 47, b suspect@10, c suspect@10
            61.200  a@1 -> c  ping 48, c suspect@10, b suspect@10
            61.700  a@1 -> b  ping 49, b suspect@10
            61.700  a@1 -> c  ping 50, c suspect@10, b suspect@10
            62.200  a@1 -> b  ping 51, b suspect@10
            62.200  a@1 -> c  ping 52, c suspect@10, b suspect@10
            62.700  a@1 -> b  ping 53, b suspect@10
            62.700  a@1 -> c  ping 54, c suspect@10, b suspect@10
            63.100  a holds c dead
            63.200  a@1 -> b  ping 55, b suspect@10, c dead@10
            """
        )
    }
}

private func expectTranscript(
    of play: GossipPlay,
    _ expected: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let actual = play.transcript.joined(separator: "\n")
    #expect(actual == expected, sourceLocation: sourceLocation)
}
