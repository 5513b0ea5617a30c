/// Why a text is no CSV.
package struct CSVError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line on which it is wrong, from 1.
    package let line: Int
    /// What is wrong.
    package let problem: String

    package var description: String { "line \(line): \(problem)" }
}

/// A record with the place where it stands.
package struct CSVRecord: Hashable, Sendable {
    /// A field without its quotes.
    package struct Field: Hashable, Sendable {
        /// The text, doubled quotes made one.
        package var text: String
        /// Whether it stood in quotes: a quoted empty field is a text, not null.
        package var isQuoted: Bool

        /// A field.
        package init(_ text: String, isQuoted: Bool = false) {
            self.text = text
            self.isQuoted = isQuoted
        }
    }

    /// The fields, in order.
    package var fields: [Field]
    /// The line on which it starts, from 1.
    package var line: Int
    /// The line on which the next record starts.
    package var nextLine: Int
    /// The byte behind its end, where the next record starts.
    package var endOffset: Int

    /// A record that stands at a place.
    package init(fields: [Field], line: Int, nextLine: Int, endOffset: Int) {
        self.fields = fields
        self.line = line
        self.nextLine = nextLine
        self.endOffset = endOffset
    }
}

/// Reads CSV (RFC 4180) as it comes, piece by piece.
///
/// Fields are separated by commas, records by LF or CRLF. A field in quotes may hold commas, line
/// ends and doubled quotes. A byte order mark at the start and empty lines are passed over. No more
/// is kept than one record, which is bounded.
package struct CSVParser {
    private enum State {
        /// At the start of a field.
        case fieldStart
        /// In a field without quotes.
        case plain
        /// Between the quotes.
        case quoted
        /// Behind a quote inside quotes: the field's end, or the first of two.
        case quoteInQuoted
        /// Behind a CR that must be followed by LF.
        case carriageReturn
    }

    /// The most bytes of a record.
    package static let recordBytesMax = 16 << 20

    private var state = State.fieldStart
    private var fields: [CSVRecord.Field] = []
    private var field: [UInt8] = []
    private var isQuoted = false
    private var line: Int
    private var recordLine: Int
    private var offset: Int
    private var recordOffset: Int
    private var markBytesSeen = 0

    /// A parser at a place of a text: its start, or where a record starts.
    package init(line: Int = 1, offset: Int = 0) {
        self.line = line
        recordLine = line
        self.offset = offset
        recordOffset = offset
    }

    /// Takes the next bytes, and appends the records that they complete.
    ///
    /// - Throws: ``CSVError`` if the text is no CSV; nothing can be read behind that.
    package mutating func parse(
        _ bytes: some Sequence<UInt8>,
        into records: inout [CSVRecord]
    ) throws(CSVError) {
        for byte in bytes {
            offset += 1
            if isByteOrderMark(byte) { continue }
            try parse(byte, into: &records)
            guard offset - recordOffset <= Self.recordBytesMax else {
                throw CSVError(
                    line: recordLine,
                    problem: """
                        the record has more than \(Self.recordBytesMax) bytes, the limit; is a \
                        closing quote missing?
                        """
                )
            }
        }
    }

    /// Ends the text, and appends its last record if no line end followed it.
    ///
    /// - Throws: ``CSVError`` if the text ends inside quotes.
    package mutating func finish(into records: inout [CSVRecord]) throws(CSVError) {
        switch state {
        case .quoted:
            throw CSVError(line: recordLine, problem: "the text ends inside a quoted field")
        case .carriageReturn: try endRecord(into: &records)
        case .fieldStart where fields.isEmpty: break
        case .fieldStart, .plain, .quoteInQuoted:
            try endRecord(into: &records)
        }
    }

    private mutating func isByteOrderMark(_ byte: UInt8) -> Bool {
        guard offset == markBytesSeen + 1, offset <= 3 else { return false }
        guard byte == [0xEF, 0xBB, 0xBF][offset - 1] else { return false }
        markBytesSeen += 1
        return true
    }

    private mutating func parse(
        _ byte: UInt8,
        into records: inout [CSVRecord]
    ) throws(CSVError) {
        switch (state, byte) {
        case (.quoted, UInt8(ascii: "\"")): state = .quoteInQuoted
        case (.quoted, _):
            if byte == UInt8(ascii: "\n") { line += 1 }
            field.append(byte)
        case (.quoteInQuoted, UInt8(ascii: "\"")):
            field.append(byte)
            state = .quoted
        case (.carriageReturn, UInt8(ascii: "\n")):
            line += 1
            try endRecord(into: &records)
        case (.carriageReturn, _):
            throw CSVError(line: line, problem: "a CR is not followed by LF")
        case (_, UInt8(ascii: ",")): try endField()
        case (_, UInt8(ascii: "\r")): state = .carriageReturn
        case (_, UInt8(ascii: "\n")):
            line += 1
            try endRecord(into: &records)
        case (.fieldStart, UInt8(ascii: "\"")):
            isQuoted = true
            state = .quoted
        case (.plain, UInt8(ascii: "\"")):
            throw CSVError(
                line: line,
                problem: "a quote stands inside a field without quotes; quote the field and "
                    + "double the quote"
            )
        case (.quoteInQuoted, _):
            throw CSVError(line: line, problem: "there is text behind a closing quote")
        case (.fieldStart, _), (.plain, _):
            field.append(byte)
            state = .plain
        }
    }

    private mutating func endField() throws(CSVError) {
        guard let text = String(validating: field, as: UTF8.self) else {
            throw CSVError(
                line: recordLine,
                problem: "field \(fields.count + 1) is not UTF-8"
            )
        }
        fields.append(CSVRecord.Field(text, isQuoted: isQuoted))
        field.removeAll(keepingCapacity: true)
        isQuoted = false
        state = .fieldStart
    }

    private mutating func endRecord(into records: inout [CSVRecord]) throws(CSVError) {
        try endField()
        if fields.count > 1 || fields[0].isQuoted || !fields[0].text.isEmpty {
            records.append(
                CSVRecord(fields: fields, line: recordLine, nextLine: line, endOffset: offset)
            )
        }
        fields.removeAll(keepingCapacity: true)
        recordLine = line
        recordOffset = offset
    }
}
