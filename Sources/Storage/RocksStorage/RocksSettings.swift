internal import CRocksDB

/// What a database is opened for, and how much of it there must be.
enum RocksOpening {
    /// For use, with all table files and all of the log: RocksDB passes over what a loss of power leaves
    /// (a record that is said to go on behind the end of its file, a block that ends in zeros) and
    /// nothing else.
    case whole
    /// For use, with what can be read of the log.
    case withoutLogDamage
    /// To see which files there are, whether or not they can be opened; nothing is written.
    case listing
}

/// RocksDB's own option objects, made from ours.
struct RocksSettings {
    let database: OpaquePointer
    let rows: OpaquePointer
    let local: OpaquePointer
    let hints: OpaquePointer
    let blockCache: OpaquePointer
    let rowCache: OpaquePointer?

    init(
        options: RocksOptions,
        merging: RowMerging,
        environment: OpaquePointer?,
        opening: RocksOpening
    ) {
        database = rocksdb_options_create()
        rows = rocksdb_options_create()
        local = rocksdb_options_create()
        hints = rocksdb_options_create()
        blockCache = rocksdb_cache_create_lru(options.blockCacheBytes)
        rowCache = options.rowCacheBytes > 0 ? rocksdb_cache_create_lru(options.rowCacheBytes) : nil
        setDatabase(options, environment)
        setOpening(opening)
        setRows(options, merging)
        setFamily(local, options, bloomBits: 0)
        rocksdb_options_set_compression(local, Int32(rocksdb_no_compression))
        setFamily(hints, options, bloomBits: 0)
        rocksdb_options_set_compression(hints, Int32(rocksdb_no_compression))
        // Hints come while a node is down and go soon after: they get little of the memory.
        rocksdb_options_set_write_buffer_size(hints, max(options.memtableBytes / 8, 64 << 10))
    }

    /// Frees everything, where the database did not open.
    func destroy() {
        rocksdb_options_destroy(rows)
        rocksdb_options_destroy(local)
        rocksdb_options_destroy(hints)
        rocksdb_options_destroy(database)
        rocksdb_cache_destroy(blockCache)
        if let rowCache { rocksdb_cache_destroy(rowCache) }
    }

    private func setDatabase(_ options: RocksOptions, _ environment: OpaquePointer?) {
        rocksdb_options_set_create_if_missing(database, 1)
        rocksdb_options_set_create_missing_column_families(database, 1)
        rocksdb_options_set_max_open_files(database, Int32(options.maxOpenFiles))
        rocksdb_options_set_max_total_wal_size(database, UInt64(options.totalWALBytesMax))
        rocksdb_options_set_db_write_buffer_size(database, options.memtableBytes)
        rocksdb_options_set_max_background_jobs(database, Int32(options.backgroundJobs))
        if let rowCache { rocksdb_options_set_row_cache(database, rowCache) }
        rocksdb_options_set_stats_dump_period_sec(database, 0)
        rocksdb_options_set_stats_persist_period_sec(database, 0)
        rocksdb_options_set_keep_log_file_num(database, 4)
        rocksdb_options_set_max_log_file_size(database, 4 << 20)
        if let environment {
            rocksdb_options_set_env(database, environment)
        } else if let environment = rocksdb_create_default_env() {
            // Compactions yield to requests; flushes keep their priority, as writes wait for them.
            rocksdb_env_lower_thread_pool_cpu_priority(environment)
            rocksdb_env_destroy(environment)
        }
    }

    private func setOpening(_ opening: RocksOpening) {
        let (isStrict, recovery) =
            switch opening {
            case .whole: (true, rocksdb_tolerate_corrupted_tail_records_recovery)
            case .withoutLogDamage: (true, rocksdb_skip_any_corrupted_records_recovery)
            case .listing: (false, rocksdb_skip_any_corrupted_records_recovery)
            }
        rocksdb_options_set_paranoid_checks(database, isStrict ? 1 : 0)
        rocksdb_options_set_wal_recovery_mode(database, Int32(recovery))
    }

    private func setRows(_ options: RocksOptions, _ merging: RowMerging) {
        setFamily(rows, options, bloomBits: options.bloomBitsPerKey)
        rocksdb_options_set_merge_operator(rows, MergeOperator.create(merging))
        let compression =
            switch options.compression {
            case .none: rocksdb_no_compression
            case .snappy: rocksdb_snappy_compression
            }
        rocksdb_options_set_compression(rows, Int32(compression))
    }

    private func setFamily(_ family: OpaquePointer, _ options: RocksOptions, bloomBits: Int) {
        rocksdb_options_set_write_buffer_size(family, max(options.memtableBytes / 2, 64 << 10))
        rocksdb_options_set_level_compaction_dynamic_level_bytes(family, 1)
        // Files pile up while compactions wait for damage; then writes are slowed, never stopped.
        rocksdb_options_set_level0_stop_writes_trigger(family, 10_000)
        rocksdb_options_set_disable_auto_compactions(family, options.compactsByItself ? 0 : 1)
        let table = rocksdb_block_based_options_create()
        rocksdb_block_based_options_set_block_cache(table, blockCache)
        // Else every open file would hold its index and its filter beside the cache, unbounded. They are
        // cut into blocks, since a whole one may be a megabyte to read where the cache is small.
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
        rocksdb_block_based_options_set_index_type(
            table,
            Int32(rocksdb_block_based_table_index_type_two_level_index_search)
        )
        rocksdb_block_based_options_set_partition_filters(table, 1)
        rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1)
        rocksdb_block_based_options_set_format_version(table, 5)
        if bloomBits > 0 {
            rocksdb_block_based_options_set_filter_policy(
                table,
                rocksdb_filterpolicy_create_bloom_full(Double(bloomBits))
            )
        }
        rocksdb_options_set_block_based_table_factory(family, table)
        rocksdb_block_based_options_destroy(table)
    }
}
