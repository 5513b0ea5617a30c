internal import HistoryChecking

/// A heap of what is due when: the least time first, and of one time what was added first.
struct EventHeap {
    struct Entry {
        var time: Nanoseconds
        var sequence: UInt64
        var slot: Int

        @inline(__always)
        static func < (left: Entry, right: Entry) -> Bool {
            left.time != right.time ? left.time < right.time : left.sequence < right.sequence
        }
    }

    private var entries: [Entry] = []

    var count: Int { entries.count }

    var first: Entry? { entries.first }

    mutating func removeAll() {
        entries = []
    }

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        entries.withUnsafeMutableBufferPointer { heap in
            var index = heap.count - 1
            while index > 0 {
                let parent = (index - 1) >> 2
                guard entry < heap[parent] else { break }
                heap[index] = heap[parent]
                index = parent
            }
            heap[index] = entry
        }
    }

    /// Four children per node: half the depth of a binary heap, and siblings share a cache line.
    mutating func popFirst() -> Entry? {
        guard let first = entries.first, let last = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return first }
        entries.withUnsafeMutableBufferPointer { heap in
            let count = heap.count
            var index = 0
            while true {
                let start = index << 2 + 1
                guard start < count else { break }
                var least = start
                for child in start + 1..<max(start + 1, min(start + 4, count))
                where heap[child] < heap[least] {
                    least = child
                }
                guard heap[least] < last else { break }
                heap[index] = heap[least]
                index = least
            }
            heap[index] = last
        }
        return first
    }
}
