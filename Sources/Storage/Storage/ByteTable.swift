/// An ordered map of byte strings in memory.
///
/// Chunks of a bounded number of entries, so that an insertion moves little and a scan needs no
/// sorting: the simulator does some hundred thousand operations a second on it.
struct ByteTable: Sendable {
    /// One key and its value.
    struct Entry: Sendable {
        let key: [UInt8]
        var value: [UInt8]
    }

    /// Where an entry stands, or would be inserted.
    struct Position: Hashable {
        var chunk: Int
        var index: Int
    }

    private static let chunkCountMax = 128

    // Sorted; none is empty.
    private var chunks: [[Entry]] = []
    private(set) var count = 0

    /// The value of a key.
    subscript(key: [UInt8]) -> [UInt8]? {
        guard let position = find(key) else { return nil }
        return chunks[position.chunk][position.index].value
    }

    /// Sets or (nil) removes a key's value and returns the one before.
    @discardableResult
    mutating func set(_ key: [UInt8], to value: [UInt8]?) -> [UInt8]? {
        update(key) { _ in value }
    }

    /// Replaces a key's value by what `body` makes of it, and returns the one before.
    mutating func update(_ key: [UInt8], _ body: ([UInt8]?) -> [UInt8]?) -> [UInt8]? {
        let place = position(notBefore: key)
        let (chunk, index) = (place.chunk, place.index)
        if chunk < chunks.count, index < chunks[chunk].count, chunks[chunk][index].key == key {
            let old = chunks[chunk][index].value
            if let value = body(old) {
                chunks[chunk][index].value = value
            } else {
                chunks[chunk].remove(at: index)
                if chunks[chunk].isEmpty { chunks.remove(at: chunk) }
                count -= 1
            }
            return old
        }
        guard let value = body(nil) else { return nil }
        count += 1
        insert(Entry(key: key, value: value), at: place)
        return nil
    }

    /// The place of the first key that is not before another.
    func position(notBefore key: [UInt8]) -> Position {
        // The last chunk that begins at or before the key holds it, if any does.
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = low + (high - low) / 2
            if ByteOrder.precedes(key, chunks[middle][0].key) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        guard low > 0 else { return Position(chunk: 0, index: 0) }
        let chunk = low - 1
        var first = 0
        var last = chunks[chunk].count
        while first < last {
            let middle = first + (last - first) / 2
            if ByteOrder.precedes(chunks[chunk][middle].key, key) {
                first = middle + 1
            } else {
                last = middle
            }
        }
        return Position(chunk: chunk, index: first)
    }

    /// The entry at a place or, behind the end of its chunk, at the next one; nil at the end.
    ///
    /// `position` is moved there.
    func entry(at position: inout Position) -> Entry? {
        if position.chunk < chunks.count, position.index >= chunks[position.chunk].count {
            position = Position(chunk: position.chunk + 1, index: 0)
        }
        guard position.chunk < chunks.count else { return nil }
        return chunks[position.chunk][position.index]
    }

    /// Gives the entries of a range to `body`, in order, until it returns false.
    func forEach(in range: KeyRange, _ body: (Entry) -> Bool) {
        var position = position(notBefore: range.lower)
        while let entry = entry(at: &position) {
            if let upper = range.upper, !ByteOrder.precedes(entry.key, upper) { return }
            guard body(entry) else { return }
            position.index += 1
        }
    }

    private func find(_ key: [UInt8]) -> Position? {
        let place = position(notBefore: key)
        guard place.chunk < chunks.count, place.index < chunks[place.chunk].count,
            chunks[place.chunk][place.index].key == key
        else { return nil }
        return place
    }

    private mutating func insert(_ entry: Entry, at place: Position) {
        guard !chunks.isEmpty else {
            chunks.append([entry])
            return
        }
        chunks[place.chunk].insert(entry, at: place.index)
        guard chunks[place.chunk].count > Self.chunkCountMax else { return }
        let half = chunks[place.chunk].count / 2
        let upper = Array(chunks[place.chunk][half...])
        chunks[place.chunk].removeSubrange(half...)
        chunks.insert(upper, at: place.chunk + 1)
    }
}
