/* A disk in memory that forgets what was not synced when its power is cut.
 *
 * Test support: RocksDB runs on it through rocksdb::FileSystem. A file keeps the bytes of its last
 * sync; a name keeps what the last sync of its folder saw. Every function may be called from any
 * thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct simulated_disk simulated_disk;

/* A new, empty disk with power; `seed` decides how much of an unsynced tail survives and which bit
 * flips. NULL if this RocksDB does not keep its environments as the shim expects. */
simulated_disk *_Nullable simulated_disk_create(uint64_t seed);

/* Frees the disk; every store on it must be closed. */
void simulated_disk_destroy(simulated_disk *_Nonnull disk);

/* A rocksdb_env_t for rocksdb_options_set_env; the disk owns it. */
void *_Nonnull simulated_disk_environment(simulated_disk *_Nonnull disk);

/* Cuts the power now: every later change fails, reads of open files still work. */
void simulated_disk_cut_power(simulated_disk *_Nonnull disk);

/* Cuts the power at the `changes`-th change from now, which does not happen any more.
 * Appends, syncs, creations, renames and deletions are changes. */
void simulated_disk_cut_power_after(simulated_disk *_Nonnull disk, uint64_t changes);

/* Whether there is power. */
bool simulated_disk_has_power(simulated_disk *_Nonnull disk);

/* Forgets what was not synced and gives power again; stores must have been closed. With `torn`
 * a random part of each unsynced tail survives. */
void simulated_disk_restore_power(simulated_disk *_Nonnull disk, bool torn);

/* Bytes that fit, beyond which appends fail as on a full disk; 0 for no limit. */
void simulated_disk_set_capacity(simulated_disk *_Nonnull disk, uint64_t bytes);

/* Makes the next `count` syncs of files fail. */
void simulated_disk_fail_syncs(simulated_disk *_Nonnull disk, uint64_t count);

/* Flips a bit of the byte at `offset` in every file whose name ends with `suffix`; returns how
 * many files had that byte. */
uint64_t simulated_disk_flip_bits(
    simulated_disk *_Nonnull disk, const char *_Nonnull suffix, uint64_t offset);

/* Makes reads of the first `bytes` bytes fail in the files of now whose names end with `suffix`; 0: none
 * fails any more. Returns how many files they are. */
uint64_t simulated_disk_fail_reads(
    simulated_disk *_Nonnull disk, const char *_Nonnull suffix, uint64_t bytes);

/* The bytes of the file whose name ends with `suffix`; 0: there is none. */
uint64_t simulated_disk_file_size(
    simulated_disk *_Nonnull disk, const char *_Nonnull suffix);

/* File syncs that succeeded so far, and bytes in files now. */
uint64_t simulated_disk_sync_count(simulated_disk *_Nonnull disk);
uint64_t simulated_disk_byte_count(simulated_disk *_Nonnull disk);

#ifdef __cplusplus
}
#endif
