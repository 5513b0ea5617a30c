internal import ByteCoding
package import Storage

/// What lay in a table file that had to be taken out, since the store does not open with it: its footer
/// or its index cannot be read, its size is wrong, or it is not there.
package enum LostFile: Hashable, Sendable {
    /// Rows of a range.
    case rows(KeyRange)
    /// Hints.
    case hints

    /// Files in the order in which they were lost: for each a 1 and its bounds for rows, or a 2.
    static func encode(_ files: [LostFile]) -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        for file in files {
            switch file {
            case .rows(let range):
                writer.writeUInt8(1)
                for bound in [range.lower, range.upper ?? []] {
                    writer.writeSizedBytes(bound)
                }
            case .hints: writer.writeUInt8(2)
            }
        }
        return writer.bytes
    }

    /// Decodes files; what cannot be read stands for all that there may have been.
    static func decode(_ bytes: [UInt8]) -> [LostFile] {
        var reader = ByteReader(bytes)
        var files: [LostFile] = []
        do throws(ByteDecodingError) {
            while !reader.isAtEnd {
                guard try reader.readUInt8("a file's family") == 1 else {
                    files.append(.hints)
                    continue
                }
                let lower = try reader.readSizedBytes("a file's first key")
                let upper = try reader.readSizedBytes("a file's last key")
                files.append(.rows(KeyRange(lower: lower, upper: upper.isEmpty ? nil : upper)))
            }
        } catch {
            files += [.rows(.all), .hints]
        }
        return files
    }
}
