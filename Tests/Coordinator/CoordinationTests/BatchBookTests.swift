import Coordination
import Testing
import TokenPlacement

struct BatchBookTests {
    private static let second: Int64 = 1_000_000
    private static let bytes = 100 - BatchBook.cost(0)

    /// Entries of a hundred bytes each, with little room.
    private static var settings: BatchLogSettings {
        var settings = BatchLogSettings()
        settings.bytesMax = 300
        settings.entriesMax = 5
        settings.orphanedAfter = .seconds(4)
        settings.underWayMax = 2
        settings.underWayBytesMax = 1000
        settings.pauseMin = .seconds(2)
        settings.pauseMax = .seconds(5)
        return settings
    }

    private static func id(_ number: Int) -> NodeID { NodeID(high: 0, low: UInt64(number)) }

    private static func book(
        _ numbers: Range<Int>,
        _ settings: BatchLogSettings = settings
    ) -> BatchBook {
        var book = BatchBook(settings: settings)
        for number in numbers {
            #expect(admit(&book, id(number), bytes))
            book.stored(id(number), bytes: bytes, nowMicros: Int64(number))
        }
        return book
    }

    private static func admit(_ book: inout BatchBook, _ id: NodeID, _ bytes: Int) -> Bool {
        book.admit(id, bytes: bytes)
    }

    private static func due(_ book: inout BatchBook, _ nowMicros: Int64) -> [NodeID] {
        book.takeDue(nowMicros: nowMicros)
    }

    @Test func `an entry whose removal overtook it is taken up all the same`() {
        var book = BatchBook(settings: Self.settings)
        #expect(Self.admit(&book, Self.id(1), Self.bytes))
        // The removal of what was not there yet is done first.
        book.removed(Self.id(1))
        book.stored(Self.id(1), bytes: Self.bytes, nowMicros: 0)
        #expect(book.bytes == 100)
        #expect(Self.due(&book, 4 * Self.second) == [Self.id(1)])
    }

    // MARK: Room

    @Test func `bytes and entries are bounded, and what is removed gives its room back`() {
        var book = Self.book(0..<3)
        #expect(book.bytes == 300)
        #expect(!Self.admit(&book, Self.id(3), Self.bytes))
        #expect(!Self.admit(&book, Self.id(3), 0))
        book.removed(Self.id(1))
        book.removed(Self.id(1))
        book.removed(Self.id(9))
        #expect(book.bytes == 200)
        #expect(Self.admit(&book, Self.id(3), Self.bytes))
        #expect(book.count == 3)
        var settings = Self.settings
        settings.bytesMax = .max
        var many = Self.book(0..<5, settings)
        #expect(!Self.admit(&many, Self.id(5), 1))
    }

    @Test func `an entry is kept once`() {
        var book = Self.book(0..<1)
        #expect(!Self.admit(&book, Self.id(0), Self.bytes))
        #expect(book.bytes == 100)
    }

    @Test func `what is found at the start counts, whatever the bounds are now`() {
        var book = BatchBook(settings: Self.settings)
        for number in 0..<9 { book.restore(Self.id(number), bytes: Self.bytes, nowMicros: 7) }
        #expect(book.count == 9)
        #expect(book.bytes == 900)
        #expect(!Self.admit(&book, Self.id(9), 0))
        #expect(Self.due(&book, 7).isEmpty, "its coordinator may still be at work")
        #expect(Self.due(&book, 7 + 4 * Self.second) == [Self.id(0), Self.id(1)])
    }

    // MARK: What is due

    @Test func `an entry is due once its coordinator is held to be dead`() {
        var book = Self.book(0..<3)
        #expect(Self.due(&book, 4 * Self.second - 1).isEmpty)
        #expect(Self.due(&book, 4 * Self.second) == [Self.id(0)])
        #expect(Self.due(&book, 4 * Self.second).isEmpty, "it is under way")
        #expect(Self.due(&book, 9 * Self.second) == [Self.id(1)], "two are the bound")
        book.removed(Self.id(0))
        #expect(Self.due(&book, 9 * Self.second) == [Self.id(2)])
    }

    @Test func `what is still on its way to the disk is not due, however long that takes`() {
        var book = BatchBook(settings: Self.settings)
        #expect(Self.admit(&book, Self.id(1), Self.bytes))
        #expect(Self.due(&book, 60 * Self.second).isEmpty)
        book.stored(Self.id(1), bytes: Self.bytes, nowMicros: 60 * Self.second)
        #expect(Self.due(&book, 64 * Self.second - 1).isEmpty)
        #expect(Self.due(&book, 64 * Self.second) == [Self.id(1)])
    }

    @Test func `the bytes under way are bounded, but one entry always goes`() {
        var settings = Self.settings
        settings.underWayBytesMax = 50
        var book = Self.book(0..<2, settings)
        #expect(Self.due(&book, 9 * Self.second) == [Self.id(0)])
        book.removed(Self.id(0))
        #expect(Self.due(&book, 9 * Self.second) == [Self.id(1)])
    }

    @Test func `who fails waits ever longer, behind those that were not tried`() {
        var book = Self.book(0..<1)
        var now = 4 * Self.second
        for pause in [2, 4, 5, 5] {
            #expect(Self.due(&book, now) == [Self.id(0)])
            book.failed(Self.id(0), nowMicros: now)
            now += Int64(pause) * Self.second
            #expect(Self.due(&book, now - 1).isEmpty)
        }
        var three = Self.book(0..<3)
        let late = 9 * Self.second
        #expect(Self.due(&three, late) == [Self.id(0), Self.id(1)])
        three.failed(Self.id(0), nowMicros: late)
        three.failed(Self.id(1), nowMicros: late)
        #expect(Self.due(&three, late) == [Self.id(2)], "they do not hide what is behind")
    }

    @Test func `a failure of what is not under way changes nothing`() {
        var book = Self.book(0..<1)
        book.failed(Self.id(0), nowMicros: 0)
        book.failed(Self.id(7), nowMicros: 0)
        #expect(Self.due(&book, 4 * Self.second) == [Self.id(0)])
        book.removed(Self.id(0))
        book.failed(Self.id(0), nowMicros: 0)
        #expect(book.count == 0)
        #expect(book.bytes == 0)
    }

    @Test func `a book that has failed very often does not trap`() {
        var book = Self.book(0..<1)
        var now = 4 * Self.second
        for _ in 0..<100 {
            #expect(Self.due(&book, now) == [Self.id(0)])
            book.failed(Self.id(0), nowMicros: now)
            now += 5 * Self.second
        }
    }
}
