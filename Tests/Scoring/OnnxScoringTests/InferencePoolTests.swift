import Foundation
import OnnxScoring
import Synchronization
import Testing

@Suite struct InferencePoolTests {
    @Test func `a full queue refuses and a free place takes again`() {
        let pool = InferencePool(threadCount: 1, queueMax: 2)
        let started = DispatchSemaphore(value: 0)
        let gate = DispatchSemaphore(value: 0)
        let done = Mutex<[Int]>([])
        #expect(
            pool.submit {
                started.signal()
                gate.wait()
            }
        )
        started.wait()
        #expect(pool.submit { done.withLock { $0.append(1) } })
        #expect(pool.submit { done.withLock { $0.append(2) } })
        #expect(pool.waitingCount == 2)
        #expect(!pool.submit { done.withLock { $0.append(3) } })
        gate.signal()
        pool.shutDown()
        #expect(done.withLock { $0 } == [1, 2])
        #expect(!pool.submit {})
    }

    @Test func `jobs run on as many threads as there are`() {
        let pool = InferencePool(threadCount: 3, queueMax: 3)
        let met = DispatchSemaphore(value: 0)
        let gate = DispatchSemaphore(value: 0)
        for _ in 0..<3 {
            #expect(
                pool.submit {
                    met.signal()
                    gate.wait()
                }
            )
        }
        for _ in 0..<3 { #expect(met.wait(timeout: .now() + 60) == .success) }
        for _ in 0..<3 { gate.signal() }
        pool.shutDown()
    }
}
