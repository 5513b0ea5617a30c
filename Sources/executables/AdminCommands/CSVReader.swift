internal import Foundation

/// Reads a file's records one by one, a chunk of bytes at a time.
struct CSVReader {
    private let file: FileHandle
    private let chunkBytes: Int
    private var parser = CSVParser()
    private var records: [CSVRecord] = []
    private var position = 0
    private var isAtEnd = false

    init(file: FileHandle, chunkBytes: Int) {
        self.file = file
        self.chunkBytes = chunkBytes
    }

    /// The next record, or nil at the end.
    mutating func next() throws -> CSVRecord? {
        while position == records.count {
            guard !isAtEnd else { return nil }
            records.removeAll(keepingCapacity: true)
            position = 0
            if let chunk = try file.read(upToCount: chunkBytes), !chunk.isEmpty {
                try parser.parse(chunk, into: &records)
            } else {
                isAtEnd = true
                try parser.finish(into: &records)
            }
        }
        defer { position += 1 }
        return records[position]
    }

    /// Goes to the start of a record.
    mutating func seek(offset: Int, line: Int) throws {
        try file.seek(toOffset: UInt64(offset))
        parser = CSVParser(line: line, offset: offset)
        records = []
        position = 0
        isAtEnd = false
    }
}
