package import Martlet

/// Why a row of a file cannot be imported.
package struct RowRejection: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line on which the row starts.
    package let line: Int
    /// What is wrong with it.
    package let problem: String

    package var description: String { "line \(line): \(problem)" }
}

/// The unit of a column of times.
package enum TimestampUnit: String, CaseIterable, Sendable {
    case seconds = "s"
    case milliseconds = "ms"
    case microseconds = "us"

    fileprivate var microseconds: Int64 {
        switch self {
        case .seconds: 1_000_000
        case .milliseconds: 1000
        case .microseconds: 1
        }
    }
}

/// How the rows of a file become rows of a table.
package struct ImportPlan: Sendable {
    /// A column of the table.
    package struct TableColumn: Hashable, Sendable {
        var name: String
        var type: String
        /// Whether it is of the primary key.
        var isKey: Bool

        /// A column of the table.
        package init(_ name: String, _ type: String, isKey: Bool = false) {
            self.name = name
            self.type = type
            self.isKey = isKey
        }
    }

    /// A row ready to be written.
    package struct WritableRow: Sendable {
        /// A value for each marker.
        package var values: [CQLValue]
        /// The write timestamp in microseconds, if a column gives it.
        package var timestamp: Int64?
    }

    private struct Source: Sendable {
        var index: Int
        var name: String
        var parser: TextValueParser
        var isKey: Bool
    }

    /// The statement that writes a row.
    package let insert: String

    private let sources: [Source]
    private let fieldCount: Int
    private let timestampIndex: Int?
    private let timestampUnit: TimestampUnit
    private let null: String

    /// The plan for a file with a header and a table with columns.
    ///
    /// - Parameters:
    ///   - table: the table with its keyspace.
    ///   - header: the names in the file's first record.
    ///   - columns: the table's.
    ///   - timestampColumn: the column of the file that holds the write timestamps, or nil.
    ///   - timestampUnit: its unit.
    ///   - null: the text that stands for null unless it is quoted.
    /// - Throws: ``RowRejection`` of line 1 if they do not go together.
    package init(
        table: String,
        header: [String],
        columns: [TableColumn],
        timestampColumn: String? = nil,
        timestampUnit: TimestampUnit = .milliseconds,
        null: String = ""
    ) throws(RowRejection) {
        func reject(_ problem: String) -> RowRejection { RowRejection(line: 1, problem: problem) }
        var sources: [Source] = []
        var timestampIndex: Int?
        for (index, name) in header.enumerated() {
            guard !header[..<index].contains(name) else {
                throw reject("the column '\(name)' is named twice")
            }
            if name == timestampColumn { timestampIndex = index }
            guard let column = columns.first(where: { $0.name == name }) else {
                if name == timestampColumn { continue }
                throw reject(
                    "\(table) has no column '\(name)'; it has "
                        + columns.map(\.name).joined(separator: ", ")
                )
            }
            guard let parser = TextValueParser(type: column.type) else {
                throw reject("'\(name)' has the type \(column.type), which cannot be imported")
            }
            sources.append(Source(index: index, name: name, parser: parser, isKey: column.isKey))
        }
        if let timestampColumn, timestampIndex == nil {
            throw reject("the file has no column '\(timestampColumn)' for the timestamps")
        }
        for key in columns where key.isKey && !sources.contains(where: { $0.name == key.name }) {
            throw reject("the file has no column '\(key.name)', which is in the table's key")
        }
        let names = sources.map { isPlainLowercase($0.name) ? $0.name : "\"\($0.name)\"" }
        let markers = sources.map { _ in "?" }.joined(separator: ", ")
        insert =
            "INSERT INTO \(table) (\(names.joined(separator: ", "))) VALUES (\(markers))"
        self.sources = sources
        fieldCount = header.count
        self.timestampIndex = timestampIndex
        self.timestampUnit = timestampUnit
        self.null = null
    }

    /// The row of a record.
    ///
    /// - Throws: ``RowRejection`` with its line.
    package func row(_ record: CSVRecord) throws(RowRejection) -> WritableRow {
        func reject(_ problem: String) -> RowRejection {
            RowRejection(line: record.line, problem: problem)
        }
        guard record.fields.count == fieldCount else {
            throw reject(
                "\(record.fields.count) fields, the header has \(fieldCount)"
            )
        }
        var values: [CQLValue] = []
        values.reserveCapacity(sources.count)
        for source in sources {
            let field = record.fields[source.index]
            if !field.isQuoted, field.text == null {
                guard !source.isKey else { throw reject("the key column '\(source.name)' is null") }
                values.append(.null)
                continue
            }
            do {
                values.append(try source.parser.value(field.text))
            } catch {
                throw reject("column '\(source.name)': \(error)")
            }
        }
        guard let timestampIndex else { return WritableRow(values: values) }
        let text = record.fields[timestampIndex].text
        guard let number = Int64(text) else {
            throw reject("the timestamp '\(text)' is no whole number")
        }
        let (microseconds, overflows) = number.multipliedReportingOverflow(
            by: timestampUnit.microseconds
        )
        guard !overflows, microseconds != .min else {
            throw reject(
                "the timestamp \(text) is over the range of microseconds; is the unit right?"
            )
        }
        return WritableRow(values: values, timestamp: microseconds)
    }
}

/// Whether a name needs no quotes to keep its case.
private func isPlainLowercase(_ name: String) -> Bool {
    isPlainIdentifier(name) && name == name.lowercased()
}
