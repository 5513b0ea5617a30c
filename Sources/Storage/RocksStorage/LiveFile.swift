internal import CRocksDB
internal import Storage

/// One table file, of the rows where nothing else is said.
struct LiveFile: Equatable {
    /// Its name in the folder of the store, with a slash before it.
    let name: String
    /// Its number, which its name says.
    var number: UInt64 { UInt64(name.filter(\.isNumber)) ?? 0 }
    /// Its level; files of level 0 overlap.
    let level: Int
    /// Its first and its last key.
    let keys: ClosedRange<Key>

    /// A row's key in the order of unsigned bytes.
    struct Key: Comparable {
        let bytes: [UInt8]

        static func < (left: Key, right: Key) -> Bool {
            left.bytes.lexicographicallyPrecedes(right.bytes)
        }
    }

    /// The range of its keys.
    var range: KeyRange {
        KeyRange(lower: keys.lowerBound.bytes, upper: keys.upperBound.bytes + [0])
    }

    /// Whether all its keys lie in a range.
    func isInside(_ other: KeyRange) -> Bool {
        other.contains(keys.lowerBound.bytes) && other.contains(keys.upperBound.bytes)
    }

    /// The files of a column family; those of level 0 newest first, as RocksDB lists them.
    static func all(in database: RocksDatabase, family: String = "rows") -> [LiveFile] {
        guard let list = rocksdb_livefiles(database.handle) else { return [] }
        defer { rocksdb_livefiles_destroy(list) }
        var files: [LiveFile] = []
        for index in 0..<rocksdb_livefiles_count(list) {
            guard String(cString: rocksdb_livefiles_column_family_name(list, index)) == family
            else { continue }
            var count = 0
            let smallest = rocksdb_livefiles_smallestkey(list, index, &count)
            let first = Key(bytes: Array(UnsafeRawBufferPointer(start: smallest, count: count)))
            let largest = rocksdb_livefiles_largestkey(list, index, &count)
            let last = Key(bytes: Array(UnsafeRawBufferPointer(start: largest, count: count)))
            guard first <= last else { continue }
            files.append(
                LiveFile(
                    name: String(cString: rocksdb_livefiles_name(list, index)),
                    level: Int(rocksdb_livefiles_level(list, index)),
                    keys: first...last
                )
            )
        }
        return files
    }
}
