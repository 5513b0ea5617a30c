import AdminCommands
import Foundation
import Testing

/// What an import that was interrupted remembers.
struct ImportProgressTests {
    private let identity = ImportProgress.Identity(
        bytes: 1000,
        modified: 5,
        head: "abc",
        table: "ml.t",
        tableID: "x"
    )

    @Test func `only rows without a gap before them count`() {
        var tracker = PrefixTracker(offset: 10, line: 2)
        tracker.complete(1, .init(offset: 30, line: 4))
        tracker.complete(2, .init(offset: 40, line: 5, isRejected: true))
        #expect(tracker.rows == 0)
        #expect(tracker.offset == 10)
        tracker.complete(0, .init(offset: 20, line: 3))
        #expect(tracker.rows == 3)
        #expect(tracker.rejected == 1)
        #expect(tracker.offset == 40)
        #expect(tracker.line == 5)
    }

    @Test func `a tracker goes on behind rows that are done`() {
        var tracker = PrefixTracker(rows: 5, rejected: 2, offset: 50, line: 7)
        tracker.complete(5, .init(offset: 60, line: 8))
        #expect(tracker.rows == 6)
        #expect(tracker.rejected == 2)
    }

    @Test func `progress is found again for the same import only`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("f.csv.martlet-progress").path
        #expect(ImportProgress.load(path, identity: identity) == nil)
        let progress = ImportProgress(
            identity: identity,
            rows: 7,
            rejected: 1,
            offset: 700,
            line: 9
        )
        try progress.save(path)
        try progress.save(path)
        #expect(ImportProgress.load(path, identity: identity) == progress)
        for change: (inout ImportProgress.Identity) -> Void in [
            { $0.bytes = 2000 }, { $0.modified = 6 }, { $0.head = "abd" }, { $0.table = "ml.u" },
            { $0.tableID = "y" },
        ] {
            var other = identity
            change(&other)
            #expect(ImportProgress.load(path, identity: other) == nil)
        }
        try Data("noise".utf8).write(to: URL(fileURLWithPath: path))
        #expect(ImportProgress.load(path, identity: identity) == nil)
    }
}
