internal import Catalog
internal import HistoryChecking
internal import Storage

extension Run {
    /// What a node still has of a table that is gone, in words; nil if nothing.
    func findRemains() -> String? {
        for node in nodes {
            guard let store = node.life?.store, let subject = node.subject else { continue }
            for table in subject.formerTables {
                do throws(StorageError) {
                    let range = RowKey.tableRange(table)
                    guard try store.scan(range, rowsMax: 1, bytesMax: 1).entries.isEmpty else {
                        return "node \(node.index) has rows of table \(table), which is gone"
                    }
                } catch {
                    return "what node \(node.index) has of table \(table) cannot be read: \(error)"
                }
            }
        }
        return nil
    }
}
