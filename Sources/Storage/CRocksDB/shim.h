/* RocksDB's C API as a Swift module. */
#pragma once
#include <rocksdb/c.h>
