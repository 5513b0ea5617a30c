import Catalog
import HistoryChecking
import Testing

struct ReplicaCountsTests {
    private func overlap(
        _ counts: [String: Int],
        _ left: (ConsistencyLevel, String),
        _ right: (ConsistencyLevel, String)
    ) -> Bool {
        ReplicaCounts(counts).overlap(left.0, in: left.1, right.0, in: right.1)
    }

    @Test func `levels of one datacenter overlap if their sums exceed the replicas`() {
        let three = ["dc1": 3]
        for (left, right, expected) in [
            (.quorum, .quorum, true), (.one, .all, true), (.all, .one, true),
            (.one, .quorum, false),
            (.two, .two, true), (.one, .one, false), (.any, .all, false),
            (.localQuorum, .quorum, true),
            (.eachQuorum, .localQuorum, true), (.two, .one, false), (.three, .one, true),
        ] as [(ConsistencyLevel, ConsistencyLevel, Bool)] {
            #expect(overlap(three, (left, "dc1"), (right, "dc1")) == expected, "\(left) \(right)")
        }
    }

    @Test func `across datacenters local quorums meet only at home`() {
        let six = ["dc1": 3, "dc2": 3]
        #expect(overlap(six, (.localQuorum, "dc1"), (.localQuorum, "dc1")))
        #expect(!overlap(six, (.localQuorum, "dc1"), (.localQuorum, "dc2")))
        #expect(overlap(six, (.eachQuorum, "dc1"), (.localQuorum, "dc2")))
        #expect(overlap(six, (.quorum, "dc1"), (.quorum, "dc2")))
        #expect(!overlap(six, (.quorum, "dc1"), (.localQuorum, "dc2")))
        #expect(overlap(six, (.eachQuorum, "dc1"), (.quorum, "dc2")))
        #expect(overlap(six, (.all, "dc1"), (.localOne, "dc2")))
        #expect(!overlap(six, (.localOne, "dc1"), (.localQuorum, "dc1")))
    }

    @Test func `replicas that lost what they had count no more`() {
        func overlap(_ left: ConsistencyLevel, _ right: ConsistencyLevel, _ lost: Int) -> Bool {
            ReplicaCounts(["dc1": 3]).overlap(left, in: "dc1", right, in: "dc1", without: lost)
        }
        #expect(overlap(.quorum, .quorum, 0))
        #expect(!overlap(.quorum, .quorum, 1))
        #expect(overlap(.quorum, .all, 1))
        #expect(!overlap(.quorum, .all, 2))
        #expect(overlap(.all, .quorum, 1))
        #expect(!overlap(.all, .one, 1))
        let six = ReplicaCounts(["dc1": 3, "dc2": 3])
        #expect(!six.overlap(.all, in: "dc1", .all, in: "dc1", without: 1))
    }

    @Test func `an acknowledged write has at least the copies of its level`() {
        let six = ReplicaCounts(["dc1": 3, "dc2": 3])
        #expect(six.copies(.any, in: "dc1") == 0)
        #expect(six.copies(.one, in: "dc1") == 1)
        #expect(six.copies(.quorum, in: "dc1") == 4)
        #expect(six.copies(.localQuorum, in: "dc1") == 2)
        #expect(six.copies(.eachQuorum, in: "dc1") == 4)
        #expect(six.copies(.all, in: "dc1") == 6)
    }
}
