import RocksStorage
import Storage
import Testing

@Suite struct OptionsTests {
    @Test func `the defaults are within their bounds`() throws {
        try RocksOptions(path: "/data").validate()
    }

    @Test func `every problem is reported in one error`() throws {
        var options = RocksOptions(path: "")
        options.blockCacheBytes = 1
        options.bloomBitsPerKey = 31
        options.syncMode = .periodic(.zero)
        let error = #expect(throws: StorageError.self) { try options.validate() }
        let text = try #require(error).description
        #expect(text.contains("path is empty"))
        #expect(text.contains("blockCacheBytes is 1; it must be 1048576 to"))
        #expect(text.contains("bloomBitsPerKey is 31; it must be 0 to 30"))
        #expect(text.contains("syncMode is periodic with 0"))
    }

    @Test func `a store does not open with options out of bounds`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.writerQueueBatchesMax = 0
        let error = #expect(throws: StorageError.self) {
            try RocksStore(on: disk, options: options)
        }
        guard case .invalid = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }
}
