/// Reads the texts that CQL takes for a timestamp: ISO 8601 in Cassandra's forms, or milliseconds.
///
/// A text without a zone is UTC; Cassandra takes the coordinator's zone, which differs per node.
enum TimestampText {
    /// Milliseconds since 1970, or nil if the text is no timestamp.
    static func milliseconds(of text: String) -> Int64? {
        if let number = Int64(text) { return number }
        var scanner = Scanner(text)
        guard let year = scanner.digits(4), scanner.accept("-"), let month = scanner.digits(2),
            scanner.accept("-"), let day = scanner.digits(2),
            (1...12).contains(month), (1...days(in: month, year: year)).contains(day)
        else { return nil }
        var milliseconds = Int64(daysSince1970(year, month, day)) * 86_400_000
        if scanner.accept("T") || scanner.accept("t") || scanner.acceptSpaceBeforeDigit() {
            guard let time = timeOfDay(&scanner) else { return nil }
            milliseconds += time
        }
        guard let offset = zoneOffset(&scanner), scanner.isAtEnd else { return nil }
        return milliseconds - offset
    }

    private static func timeOfDay(_ scanner: inout Scanner) -> Int64? {
        guard let hour = scanner.digits(2), scanner.accept(":"), let minute = scanner.digits(2),
            hour < 24, minute < 60
        else { return nil }
        var milliseconds = Int64(hour * 3_600_000 + minute * 60_000)
        if scanner.accept(":") {
            guard let second = scanner.digits(2), second < 60 else { return nil }
            milliseconds += Int64(second * 1000)
            if scanner.accept(".") {
                guard let fraction = scanner.fraction() else { return nil }
                milliseconds += fraction
            }
        }
        return milliseconds
    }

    /// The milliseconds by which local time is ahead of UTC.
    private static func zoneOffset(_ scanner: inout Scanner) -> Int64? {
        if scanner.isAtEnd { return 0 }
        _ = scanner.accept(" ")
        if scanner.accept("Z") || scanner.accept("z") { return 0 }
        let sign: Int64
        if scanner.accept("+") {
            sign = 1
        } else if scanner.accept("-") {
            sign = -1
        } else {
            return nil
        }
        guard let hours = scanner.digits(2), hours <= 18 else { return nil }
        var minutes = 0
        if !scanner.isAtEnd {
            _ = scanner.accept(":")
            guard let given = scanner.digits(2), given < 60 else { return nil }
            minutes = given
        }
        return sign * Int64(hours * 3_600_000 + minutes * 60_000)
    }

    private static func days(in month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// The days from 1970-01-01 in the proleptic Gregorian calendar.
    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        // Years begin in March, so that the leap day is the last; 400 years have 146,097 days.
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private struct Scanner {
        private let bytes: [UInt8]
        private var index = 0

        init(_ text: String) { bytes = Array(text.utf8) }

        var isAtEnd: Bool { index == bytes.count }

        mutating func accept(_ character: Unicode.Scalar) -> Bool {
            guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
            index += 1
            return true
        }

        mutating func acceptSpaceBeforeDigit() -> Bool {
            guard index + 1 < bytes.count, bytes[index] == UInt8(ascii: " "),
                digit(at: index + 1) != nil
            else { return false }
            index += 1
            return true
        }

        mutating func digits(_ count: Int) -> Int? {
            guard bytes.count - index >= count else { return nil }
            var number = 0
            for _ in 0..<count {
                guard let digit = digit(at: index) else { return nil }
                number = number * 10 + digit
                index += 1
            }
            return number
        }

        /// Reads 1 to 9 digits of a fraction of a second, as milliseconds.
        mutating func fraction() -> Int64? {
            var milliseconds = 0
            var count = 0
            while index < bytes.count, let digit = digit(at: index) {
                if count < 3 { milliseconds = milliseconds * 10 + digit }
                count += 1
                index += 1
            }
            guard (1...9).contains(count) else { return nil }
            while count < 3 {
                milliseconds *= 10
                count += 1
            }
            return Int64(milliseconds)
        }

        private func digit(at index: Int) -> Int? {
            let byte = bytes[index]
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            return Int(byte - UInt8(ascii: "0"))
        }
    }
}
