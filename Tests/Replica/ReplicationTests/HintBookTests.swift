import PeerMessages
import Replication
import Testing
import TokenPlacement

@Suite struct HintBookTests {
    private static let wall: Int64 = 1_700_000_000_500_000
    private static let wallSeconds: Int64 = 1_700_000_000

    /// Bounds of so many hints of 100 bytes.
    private static func settings(perTarget: Int, all: Int) -> HintSettings {
        var settings = HintSettings()
        settings.bytesPerTargetMax = perTarget * HintBook.cost(100)
        settings.bytesMax = all * HintBook.cost(100)
        return settings
    }

    private static func admit(
        _ book: inout HintBook,
        _ target: Int,
        slice: Int = 1,
        bytes: Int = 100,
        at micros: Int64 = wall,
        markedAt seconds: Int64 = wallSeconds
    ) -> HintBook.Admission {
        book.admit(
            target: node(target),
            table: testTable,
            slice: slice,
            bytes: bytes,
            createdMicros: micros,
            nowSeconds: seconds
        )
    }

    private static func key(_ admission: HintBook.Admission) -> HintKey? {
        if case .store(let key) = admission { key } else { nil }
    }

    private static func mark(_ target: Int, slice: Int = 1, since: Int64) -> DirtyMark {
        DirtyMark(table: testTable, slice: slice, target: node(target), sinceSeconds: since)
    }

    // MARK: Bounds

    @Test func `a node's hints end at its bound, others go on`() throws {
        var book = HintBook(settings: Self.settings(perTarget: 3, all: 10))
        for _ in 0..<3 { #expect(Self.key(Self.admit(&book, 1)) != nil) }
        #expect(
            Self.admit(&book, 1) == .overflow(Self.mark(1, since: Self.wallSeconds))
        )
        #expect(book.account(of: node(1)).count == 3)
        #expect(book.account(of: node(1)).bytes == book.settings.bytesPerTargetMax)
        #expect(Self.key(Self.admit(&book, 2)) != nil)
        #expect(book.targets == [node(1), node(2)])
        #expect(book.count == 4)
    }

    @Test func `all nodes' hints end at the bound of all`() throws {
        var book = HintBook(settings: Self.settings(perTarget: 3, all: 5))
        for number in 0..<5 { #expect(Self.key(Self.admit(&book, number % 3)) != nil) }
        #expect(book.bytes == book.settings.bytesMax)
        // Nobody has its own fill: it is all together.
        #expect(
            Self.admit(&book, 9, slice: 4)
                == .overflow(Self.mark(9, slice: 4, since: Self.wallSeconds))
        )
        #expect(book.account(of: node(9)) == HintBook().account(of: node(9)))
        #expect(book.count == 5)
    }

    @Test func `a hint that is larger than any bound is refused, not an error`() {
        var book = HintBook(settings: Self.settings(perTarget: 3, all: 5))
        #expect(
            Self.admit(&book, 1, bytes: 1 << 30)
                == .overflow(Self.mark(1, since: Self.wallSeconds))
        )
        #expect(book.bytes == 0)
        #expect(book.targets.isEmpty)
    }

    @Test func `bounds of nothing refuse everything`() {
        var book = HintBook(settings: Self.settings(perTarget: 0, all: 0))
        #expect(
            Self.admit(&book, 1, bytes: 0) == .overflow(Self.mark(1, since: Self.wallSeconds))
        )
    }

    @Test func `what is removed makes room`() throws {
        var book = HintBook(settings: Self.settings(perTarget: 2, all: 2))
        let first = try #require(Self.key(Self.admit(&book, 1)))
        _ = Self.admit(&book, 2)
        #expect(Self.key(Self.admit(&book, 1)) == nil)
        book.removed(key: first.encoded, valueBytes: 100)
        #expect(book.account(of: node(1)).count == 0)
        #expect(book.targets == [node(2)])
        #expect(Self.key(Self.admit(&book, 1)) != nil)
    }

    // MARK: Marks

    @Test func `refused hints of one hole share a mark for as long as it covers them`() {
        var settings = Self.settings(perTarget: 0, all: 0)
        settings.markCoverSeconds = 30
        var book = HintBook(settings: settings)
        func refuse(after seconds: Int64, _ target: Int = 1, slice: Int = 1) -> DirtyMark? {
            let now = Self.wallSeconds + seconds
            guard
                case .overflow(let mark) = Self.admit(&book, target, slice: slice, markedAt: now)
            else {
                Issue.record("a hint was admitted")
                return nil
            }
            return mark
        }
        #expect(refuse(after: 0) == Self.mark(1, since: Self.wallSeconds))
        #expect(refuse(after: 1) == nil)
        #expect(refuse(after: 30) == nil)
        #expect(refuse(after: 31) == Self.mark(1, since: Self.wallSeconds + 31))
        #expect(refuse(after: 40) == nil)
        // Another slice, another node: other holes.
        #expect(refuse(after: 40, slice: 2) == Self.mark(1, slice: 2, since: Self.wallSeconds + 40))
        #expect(refuse(after: 40, 2) == Self.mark(2, since: Self.wallSeconds + 40))
        // Behind a clock that was set back the mark covers nothing.
        #expect(refuse(after: 0) == Self.mark(1, since: Self.wallSeconds))
    }

    @Test func `a mark that could not be written is given out again`() throws {
        var book = HintBook(settings: Self.settings(perTarget: 0, all: 0))
        let slice = SliceID(testTable, 3)
        let given = book.mark(slice, node(1), nowSeconds: 100)
        let mark = try #require(given)
        #expect(book.mark(slice, node(1), nowSeconds: 101) == nil)
        book.markFailed(mark)
        #expect(book.mark(slice, node(1), nowSeconds: 102)?.sinceSeconds == 102)
    }

    @Test func `more marks than are remembered are given out all the same`() {
        var book = HintBook(settings: HintSettings())
        let remembered = 1 << 16
        var missing = 0
        for slice in 0..<remembered + 2 {
            if book.mark(SliceID(testTable, slice), node(1), nowSeconds: 100) == nil {
                missing += 1
            }
        }
        #expect(missing == 0)
        // The last ones were not remembered, the first ones were.
        #expect(book.mark(SliceID(testTable, remembered + 1), node(1), nowSeconds: 101) != nil)
        #expect(book.mark(SliceID(testTable, 0), node(1), nowSeconds: 101) == nil)
        // Once those cover nothing any more there is room.
        #expect(book.mark(SliceID(testTable, remembered + 1), node(1), nowSeconds: 131) != nil)
        #expect(book.mark(SliceID(testTable, remembered + 1), node(1), nowSeconds: 132) == nil)
    }

    @Test func `marks that cover nothing are looked for once in their time, not for every hint`() {
        var book = HintBook(settings: HintSettings())
        let remembered = 1 << 16
        for slice in 0..<remembered {
            _ = book.mark(SliceID(testTable, slice), node(1), nowSeconds: 100)
        }
        // Too many: all are looked through, and all still cover.
        _ = book.mark(SliceID(testTable, remembered), node(1), nowSeconds: 125)
        let other = SliceID(testTable, remembered + 1)
        #expect(book.mark(other, node(1), nowSeconds: 131) != nil)
        #expect(book.mark(other, node(1), nowSeconds: 132) != nil, "nobody looked for room")
        #expect(book.mark(other, node(1), nowSeconds: 156) != nil)
        #expect(book.mark(other, node(1), nowSeconds: 157) == nil)
        // A clock that was set back does not put it off.
        for slice in 0..<remembered {
            _ = book.mark(SliceID(testTable, slice), node(2), nowSeconds: 157)
        }
        #expect(book.mark(other, node(3), nowSeconds: 100) != nil)
        #expect(book.mark(other, node(3), nowSeconds: 101) == nil)
    }

    @Test func `a hint is as old as its write, a mark as its refusal`() throws {
        var book = HintBook(settings: Self.settings(perTarget: 1, all: 1))
        let key = try #require(Self.key(Self.admit(&book, 1, at: 7, markedAt: 90)))
        #expect(key.createdMicros == 7)
        #expect(Self.admit(&book, 1, at: 8, markedAt: 91) == .overflow(Self.mark(1, since: 91)))
    }

    // MARK: Keys and accounts

    @Test func `hints of one microsecond have different keys that sort as they were made`() throws {
        var book = HintBook(settings: HintSettings())
        let keys = try (0..<50).map { _ in try #require(Self.key(Self.admit(&book, 1))) }
        #expect(Set(keys).count == 50)
        #expect(keys == keys.sorted())
        #expect(keys.allSatisfy { $0.target == node(1) && $0.slice == 1 })
        #expect(keys.allSatisfy { $0.createdMicros == Self.wall })
    }

    @Test func `a new book gives no key of the old one`() throws {
        var old = HintBook(settings: HintSettings())
        var keys: [HintKey] = []
        for _ in 0..<20 { keys.append(try #require(Self.key(Self.admit(&old, 1)))) }
        var book = HintBook(settings: HintSettings())
        for key in keys.reversed() { book.restore(key: key.encoded, valueBytes: 100) }
        #expect(book.count == 20)
        #expect(book.bytes == old.bytes)
        #expect(book.account(of: node(1)) == old.account(of: node(1)))
        for _ in 0..<20 {
            #expect(!keys.contains(try #require(Self.key(Self.admit(&book, 1)))))
        }
    }

    @Test func `what was found on disk counts against the bounds, even over them`() throws {
        var book = HintBook(settings: Self.settings(perTarget: 2, all: 9))
        for sequence in 0..<4 as Range<UInt32> {
            let key = HintKey(target: node(1), slice: 1, createdMicros: 5, sequence: sequence)
            book.restore(key: key.encoded, valueBytes: 100)
        }
        book.restore(key: [1, 2, 3], valueBytes: 100)
        #expect(book.count == 4)
        #expect(Self.key(Self.admit(&book, 1)) == nil)
        #expect(Self.key(Self.admit(&book, 2)) != nil)
    }

    @Test func `the oldest hint is known by its minute`() throws {
        var book = HintBook(settings: HintSettings())
        let minute: Int64 = 60_000_000
        let old = try #require(Self.key(Self.admit(&book, 1, at: 5 * minute + 7)))
        let older = try #require(Self.key(Self.admit(&book, 1, at: 3 * minute + 9)))
        _ = Self.admit(&book, 1, at: 8 * minute)
        #expect(book.account(of: node(1)).oldestMicros == 3 * minute)
        book.removed(key: older.encoded, valueBytes: 100)
        #expect(book.account(of: node(1)).oldestMicros == 5 * minute)
        book.removed(key: old.encoded, valueBytes: 100)
        #expect(book.account(of: node(1)).oldestMicros == 8 * minute)
        #expect(book.account(of: node(2)).oldestMicros == nil)
    }

    @Test func `removing what is not counted changes nothing`() throws {
        var book = HintBook(settings: HintSettings())
        _ = Self.admit(&book, 1)
        let other = HintKey(target: node(2), slice: 1, createdMicros: 1, sequence: 1)
        book.removed(key: other.encoded, valueBytes: 100)
        book.removed(key: [0], valueBytes: 100)
        #expect(book.count == 1)
        #expect(book.bytes == HintBook.cost(100))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `the accounts follow whatever happens`(seed: UInt64) {
        var random = CacheRandom(seed: seed)
        var book = HintBook(settings: Self.settings(perTarget: 6, all: 14))
        var kept: [HintKey: Int] = [:]
        var refused = 0
        func bytes(_ target: NodeID?) -> Int {
            kept.reduce(0) {
                target == nil || $1.key.target == target ? $0 + HintBook.cost($1.value) : $0
            }
        }
        for step in 0..<300 {
            let target = random.below(4)
            if random.below(5) < 3 {
                let size = random.below(250)
                let fits =
                    bytes(nil) + HintBook.cost(size) <= book.settings.bytesMax
                    && bytes(node(target)) + HintBook.cost(size) <= book.settings.bytesPerTargetMax
                let micros = Self.wall + Int64(step / 3)
                let key = Self.key(Self.admit(&book, target, bytes: size, at: micros))
                #expect((key != nil) == fits)
                if !fits { refused += 1 }
                guard let key else { continue }
                #expect(kept.updateValue(size, forKey: key) == nil)
            } else if let key = kept.keys.sorted().randomElement(using: &random) {
                book.removed(key: key.encoded, valueBytes: kept.removeValue(forKey: key) ?? 0)
            }
            #expect(book.count == kept.count)
            #expect(book.bytes == bytes(nil))
            #expect(book.targets == Set(kept.keys.map(\.target)).sorted())
            #expect(book.account(of: node(target)).bytes == bytes(node(target)))
        }
        #expect(refused > 10)
    }
}

extension HintBook {
    fileprivate init() { self.init(settings: HintSettings()) }
}
