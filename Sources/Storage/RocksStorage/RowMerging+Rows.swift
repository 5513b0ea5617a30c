internal import Storage

extension RowMerging {
    /// Merges rows of Martlet's own format, which the pure `Storage` target defines.
    package static var rows: RowMerging { RowMerging { RowMerge.merge($0) } }
}
