// What the C interface of RocksDB lacks. The one public way to take a file out of a database offline is
// the command of RocksDB's own tool; its report goes to stderr.

#include "rocks_files.h"

#include <rocksdb/env.h>
#include <rocksdb/ldb_tool.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/utilities/ldb_cmd.h>

#include <cstring>
#include <string>

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

int rocks_files_remove(const char *path, uint64_t number, const void *environment) {
    const std::string database = std::string("--db=") + path;
    const std::string file = std::to_string(number);
    const char *arguments[] = {"ldb", database.c_str(), "unsafe_remove_sst_file", file.c_str()};
    return rocksdb::LDBCommandRunner::RunCommand(
        4, arguments, options_on(environment), rocksdb::LDBOptions(), nullptr);
}

int rocks_files_check(const char *file, const void *environment) {
    rocksdb::SstFileReader reader(options_on(environment));
    const rocksdb::Status status = reader.Open(file);
    if (status.ok()) return 0;
    return status.IsIOError() || status.IsNotFound() ? 2 : 1;
}
