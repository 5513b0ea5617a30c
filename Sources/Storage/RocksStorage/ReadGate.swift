internal import Glibc
internal import Synchronization

/// Counts the readers inside the database, so that closing it waits for them.
final class ReadGate: Sendable {
    /// Far below any count of readers: a negative sum means closed.
    private static let closedBias = Int.min / 2

    private let readers = Atomic<Int>(0)

    /// Lets one reader in, or says that the gate is closed; who was let in must leave.
    @inline(__always)
    func enter() -> Bool {
        if readers.add(1, ordering: .acquiring).newValue > 0 { return true }
        leave()
        return false
    }

    /// Counts one reader out.
    @inline(__always)
    func leave() {
        readers.subtract(1, ordering: .releasing)
    }

    /// Refuses new readers and returns once the last one left; to be called once.
    func close() {
        readers.add(Self.closedBias, ordering: .acquiringAndReleasing)
        // Reads are short and closing is rare: polling is simpler than a condition per read.
        while readers.load(ordering: .acquiring) != Self.closedBias { usleep(200) }
    }
}
