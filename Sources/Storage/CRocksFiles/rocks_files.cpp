// What the C interface of RocksDB lacks. The one public way to take a file out of a database offline is
// the command of RocksDB's own tool.

#include "rocks_files.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/ldb_tool.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/ldb_cmd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

rocksdb::Options options_on(const void *environment) {
    rocksdb::Options options;
    if (environment != nullptr) {
        // The handle of the C API keeps its Env in the first word.
        std::memcpy(&options.env, environment, sizeof options.env);
    }
    return options;
}

}  // namespace

char *rocks_files_remove(const char *path, uint64_t number, const void *environment) {
    rocksdb::Options options = options_on(environment);
    // Else all files are opened, to see that they are whole. The command would take the options that the
    // database was opened with, which ask for that.
    options.paranoid_checks = false;
    std::vector<std::string> names;
    const rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options, path, &names);
    if (!status.ok()) return strdup(status.ToString().c_str());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string &name : names) families.emplace_back(name, options);
    const std::string database = std::string("--db=") + path;
    const std::string file = std::to_string(number);
    const char *arguments[] = {
        "ldb", database.c_str(), "--try_load_options=false", "unsafe_remove_sst_file", file.c_str()};
    std::unique_ptr<rocksdb::LDBCommand> command(rocksdb::LDBCommand::InitFromCmdLineArgs(
        5, arguments, options, rocksdb::LDBOptions(), &families));
    if (command == nullptr || !command->ValidateCmdLineOptions()) {
        return strdup("RocksDB does not know the command");
    }
    command->Run();
    rocksdb::LDBCommandExecuteResult result = command->GetExecuteState();
    return result.IsFailed() ? strdup(result.ToString().c_str()) : nullptr;
}

char *rocks_files_check(const char *file, const void *environment) {
    // As the store has them, so that the same parts are read: else what it meets would be missed here.
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.cache_index_and_filter_blocks = true;
    table.pin_top_level_index_and_filter = true;
    rocksdb::Options options = options_on(environment);
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::SstFileReader reader(options);
    const rocksdb::Status status = reader.Open(file);
    return status.ok() ? nullptr : strdup(status.ToString().c_str());
}
