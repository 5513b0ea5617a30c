/* What RocksDB does to a table file only through its C++ interface. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Takes a table file out of a database that nobody has open, whatever lies above or below it, and
 * whether or not it can be read; what it held, and what it hid in older files, is the caller's
 * concern. `environment` is a rocksdb_env_t, or NULL for the real disk. Returns NULL if it is gone, else
 * why not, to be freed. */
char *_Nullable rocks_files_remove(
    const char *_Nonnull path, uint64_t number, const void *_Nullable environment);

/* Opens a table file: reads its footer, its index and what else a database needs of it before any row.
 * Returns NULL if it can be opened, else why not, to be freed. */
char *_Nullable rocks_files_check(
    const char *_Nonnull file, const void *_Nullable environment);

#ifdef __cplusplus
}
#endif
