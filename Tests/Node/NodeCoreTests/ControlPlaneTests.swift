import Catalog
import ClusterLog
import NodeCore
import Testing

/// What a node that decides answers to who asks for a change.
struct ControlPlaneTests {
    private func propose(runsPools: Bool) throws -> [Result<Epoch, ClusterChangeError>] {
        let loop = FakeLoop()
        let logic = try FakeNode.logic(
            loop,
            entries: FakeNode.entries(factor: 2),
            records: UpkeepRecords()
        )
        logic.start()
        loop.runPools()
        var answers: [Result<Epoch, ClusterChangeError>] = []
        logic.control.value.propose(.dropTable(keyspace: "ks", name: "t")) { answers.append($0) }
        if runsPools { loop.runPools() }
        loop.advance(.seconds(29))
        #expect(answers.count == (runsPools ? 1 : 0))
        loop.advance(.seconds(2))
        loop.runPools()
        logic.stop()
        return answers
    }

    @Test func `a change that is written is answered once`() throws {
        let answers = try propose(runsPools: true)
        #expect(answers.count == 1)
        #expect(throws: Never.self) { try answers[0].get() }
    }

    @Test func `one that its disk does not take in time is answered as unknown, and once`() throws {
        let answers = try propose(runsPools: false)
        #expect(answers.count == 1)
        guard case .failure(.undecided(let text)) = answers.first else {
            Issue.record("\(answers)")
            return
        }
        #expect(text.contains("look before you repeat"))
    }
}
