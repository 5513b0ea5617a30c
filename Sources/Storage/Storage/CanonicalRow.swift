/// The one form of a row that all replicas with the same writes arrive at, as of a second.
///
/// In it an expired cell has lost its value, and what a sweep may have purged is gone: deletions
/// and expiries that are older than the grace period, by their second and by their timestamp: the
/// second alone is one coordinator's clock. Since the encoding is canonical as well, two rows mean
/// the same as of that second if and only if these bytes are equal.
enum CanonicalRow {
    /// The canonical form, or nil if the row has it already (as nearly all rows do).
    ///
    /// `bytes` must be a valid row; without a grace period nothing is purged.
    static func rewritten(
        _ bytes: UnsafeRawBufferPointer,
        nowSeconds: Int64,
        gcGraceSeconds: Int32?
    ) -> [UInt8]? {
        rewritten(
            bytes,
            nowSeconds: nowSeconds,
            purgeBeforeSeconds: purgeBeforeSeconds(nowSeconds, gcGraceSeconds)
        )
    }

    /// The same for a second before which deletions and expiries are purged.
    static func rewritten(
        _ bytes: UnsafeRawBufferPointer,
        nowSeconds: Int64,
        purgeBeforeSeconds: Int64
    ) -> [UInt8]? {
        let rule = Rule(nowSeconds: nowSeconds, purgeBeforeSeconds: purgeBeforeSeconds)
        guard var scanner = try? RowScanner(bytes) else {
            preconditionFailure("a validated row turned out wrong")
        }
        guard rule.changes(&scanner) else { return nil }
        guard var scanner = try? RowScanner(bytes) else {
            preconditionFailure("a validated row turned out wrong")
        }
        var encoder = RowEncoder(
            deletion: scanner.deletion.flatMap { rule.isPurgeable($0) ? nil : $0 },
            marker: scanner.marker.flatMap(rule.canonical),
            capacity: bytes.count
        )
        while scanner.nextValidated() {
            guard let entry = rule.canonical(scanner.entry) else { continue }
            encoder.append(entry, from: bytes)
        }
        return encoder.bytes
    }

    private static func purgeBeforeSeconds(
        _ nowSeconds: Int64,
        _ gcGraceSeconds: Int32?
    ) -> Int64 {
        guard let gcGraceSeconds else { return .min }
        let (before, isOver) = nowSeconds.subtractingReportingOverflow(Int64(gcGraceSeconds))
        return isOver ? (gcGraceSeconds > 0 ? .min : .max) : before
    }

    /// What holds as of a second.
    private struct Rule {
        let nowSeconds: Int64
        let purgeBeforeSeconds: Int64

        /// Whether a deletion is old enough by both of its times.
        ///
        /// The second is the clock of the one who deleted, which may have been slow, the timestamp
        /// often the client's. Whoever is wrong about one delays only.
        func isPurgeable(_ seconds: Int64, _ timestamp: WriteTimestamp) -> Bool {
            seconds < purgeBeforeSeconds && seconds <= nowSeconds
                && timestamp.microseconds / 1_000_000 < purgeBeforeSeconds
        }

        func isPurgeable(_ deletion: Deletion) -> Bool {
            isPurgeable(deletion.deletionSeconds, deletion.timestamp)
        }

        func changes(_ scanner: inout RowScanner) -> Bool {
            if let deletion = scanner.deletion, isPurgeable(deletion) { return true }
            if let marker = scanner.marker, canonical(marker) != marker { return true }
            while scanner.nextValidated() {
                switch scanner.entry.kind {
                case .live: continue
                case .expiring: if scanner.entry.seconds <= nowSeconds { return true }
                case .expired, .deleted, .collectionDeletion:
                    if isPurgeable(scanner.entry.seconds, scanner.entry.timestamp) { return true }
                }
            }
            return false
        }

        func canonical(_ marker: RowMarker) -> RowMarker? {
            guard let expiry = marker.expiry, expiry.isReached(nowSeconds: nowSeconds) else {
                return marker
            }
            guard !isPurgeable(expiry.atSeconds, marker.timestamp) else { return nil }
            return RowMarker(
                timestamp: marker.timestamp,
                expiry: Expiry(atSeconds: expiry.atSeconds, timeToLiveSeconds: 0)
            )
        }

        func canonical(_ entry: RowEntry) -> RowEntry? {
            switch entry.kind {
            case .live: return entry
            case .expiring:
                guard entry.seconds <= nowSeconds else { return entry }
                guard !isPurgeable(entry.seconds, entry.timestamp) else { return nil }
                var swept = entry
                swept.kind = .expired
                swept.timeToLiveSeconds = 0
                swept.value = entry.value.lowerBound..<entry.value.lowerBound
                return swept
            case .expired, .deleted, .collectionDeletion:
                return isPurgeable(entry.seconds, entry.timestamp) ? nil : entry
            }
        }
    }
}
