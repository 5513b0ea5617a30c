import NodeRuntime
import Testing

struct MemoryPlanTests {
    private func sum(_ plan: MemoryPlan) -> Int {
        MemoryPlan.Consumer.allCases.reduce(0) { $0 + plan.mebibytes($1) }
    }

    @Test func `a limit is split in proportion`() throws {
        let plan = try #require(MemoryPlan(limitMiB: 1000, given: [:]))
        #expect(plan.mebibytes(.rowCache) == 250)
        #expect(plan.mebibytes(.blockCache) == 150)
        #expect(plan.mebibytes(.inference) == 400)
        #expect(plan.bytes(.memtables) == 100 << 20)
        #expect(sum(plan) == 1000)
    }

    @Test func `whatever is given, the parts fit into the limit and none is below its least`() {
        var checked = 0
        for limit in stride(from: 0, through: 700, by: 7) {
            for rowCache in [nil, 0, 1, 40, 300] as [Int?] {
                for inference in [nil, 16, 200] as [Int?] {
                    var given: [MemoryPlan.Consumer: Int] = [:]
                    given[.rowCache] = rowCache
                    given[.inference] = inference
                    let least = MemoryPlan.leastMiB(given: given)
                    guard let plan = MemoryPlan(limitMiB: limit, given: given) else {
                        #expect(limit < least)
                        continue
                    }
                    #expect(limit >= least && sum(plan) <= limit)
                    for (consumer, part) in given { #expect(plan.mebibytes(consumer) == part) }
                    #expect(plan.mebibytes(.blockCache) >= 4)
                    #expect(plan.mebibytes(.inference) >= 16)
                    checked += 1
                }
            }
        }
        #expect(checked > 500)
    }

    @Test func `what one part cannot use goes to the others`() throws {
        let plan = try #require(MemoryPlan(limitMiB: 400 << 10, given: [:]))
        #expect(plan.mebibytes(.writerQueue) == 4 << 10)
        // A tenth and a twentieth, and their shares of what the queue leaves.
        #expect(plan.mebibytes(.memtables) > 40 << 10)
        #expect(plan.mebibytes(.requests) > 20 << 10)
        #expect(((400 << 10) - 6...400 << 10).contains(sum(plan)))
        let large = try #require(MemoryPlan(limitMiB: 2 << 20, given: [:]))
        #expect(large.mebibytes(.memtables) == 64 << 10)
        #expect(((2 << 20) - 6...2 << 20).contains(sum(large)))
        let largest = try #require(MemoryPlan(limitMiB: 1 << 24, given: [:]))
        #expect(sum(largest) < 1 << 24)
        for consumer in MemoryPlan.Consumer.allCases {
            #expect(largest.mebibytes(consumer) <= 1 << 20)
        }
    }

    @Test func `parts over the limit are told of with the least that they need`() {
        let yaml = """
            memory: {limit_mib: 100, parts_mib: {row_cache: 90, disk: 3, memtables: 2, writer_queue: 4097}}
            """
        #expect {
            try NodeConfiguration(yaml: yaml)
        } throws: { error in
            let text = "\(error)"
            return text.contains("at least 122") && text.contains("parts_mib.disk is not a field")
                && text.contains("memtables is 2; it must be 4 to 65536")
                && text.contains("writer_queue is 4097; it must be 4 to 4096")
        }
    }
}
