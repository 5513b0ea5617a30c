// The file system of simulated_disk.h. The state is in Disk, under one mutex; the classes below it
// translate RocksDB's interfaces. Traps that shaped it:
// - The environment must be NewCompositeEnv(file system): a wrapper of Env::Default() would keep
//   going to the real files on paths that bypass the FileSystem.
// - A handle that was opened before a power cut must stay dead after it: each remembers the boot in
//   which it was made.
// - The log file of RocksDB would add changes at times of its own: it is discarded.

#include "simulated_disk.h"

#include <pthread.h>
#include <rocksdb/c.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// A file's bytes; names point to it.
struct File {
    std::string bytes;
    size_t synced_size = 0;
    // Its path and where it cannot be read: before an offset.
    std::string path;
    uint64_t unreadable_bytes = 0;
};
using FilePointer = std::shared_ptr<File>;

class Random {
public:
    explicit Random(uint64_t seed) : state(seed) {}

    // SplitMix64 (Steele, Lea and Flood, 2014).
    uint64_t below(uint64_t bound) {
        state += 0x9E3779B97F4A7C15u;
        uint64_t mixed = state;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
        mixed ^= mixed >> 31;
        return bound == 0 ? 0 : mixed % bound;
    }

private:
    uint64_t state;
};

bool has_prefix(const std::string &text, const std::string &prefix) {
    return text.compare(0, prefix.size(), prefix) == 0;
}

bool has_suffix(const std::string &text, const std::string &suffix) {
    return text.size() >= suffix.size()
        && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

// One spelling per path: no trailing and no doubled slash.
std::string canonical(const std::string &path) {
    std::string result;
    for (char character : path) {
        if (character == '/' && !result.empty() && result.back() == '/') continue;
        result.push_back(character);
    }
    if (result.size() > 1 && result.back() == '/') result.pop_back();
    return result;
}

struct Disk {
    explicit Disk(uint64_t seed) : random(seed) {}

    std::mutex mutex;
    Random random;
    bool has_power = true;
    uint64_t boot = 0;
    uint64_t changes_until_cut = 0;  // 0: no cut is planned.
    uint64_t syncs = 0;
    uint64_t syncs_to_fail = 0;
    uint64_t capacity = 0;
    std::map<std::string, FilePointer> names;    // What a running system sees.
    std::map<std::string, FilePointer> durable;  // What a power cut leaves.
    std::set<std::string> folders;
    std::set<std::string> locks;

    // Counts a change and says whether it may happen; under the mutex.
    IOStatus change() {
        if (!has_power) return IOStatus::IOError("the power is off");
        if (changes_until_cut > 0 && --changes_until_cut == 0) {
            has_power = false;
            return IOStatus::IOError("the power was cut");
        }
        return IOStatus::OK();
    }

    FilePointer find(const std::string &path) const {
        auto found = names.find(path);
        return found == names.end() ? nullptr : found->second;
    }

    uint64_t byte_count() const {
        uint64_t sum = 0;
        for (const auto &entry : names) sum += entry.second->bytes.size();
        return sum;
    }

    // The bytes of `folder`'s names become what a power cut leaves.
    void sync_folder(const std::string &folder) {
        const std::string prefix = folder + "/";
        for (auto it = durable.lower_bound(prefix);
             it != durable.end() && has_prefix(it->first, prefix);) {
            it = durable.erase(it);
        }
        for (auto it = names.lower_bound(prefix);
             it != names.end() && has_prefix(it->first, prefix); ++it) {
            durable[it->first] = it->second;
        }
    }

    void restore(bool torn) {
        names = durable;
        // Two names may share a file after an unsynced rename; cutting it twice is harmless.
        for (auto &entry : names) {
            File &file = *entry.second;
            size_t kept = std::min(file.synced_size, file.bytes.size());
            if (torn) kept += random.below(file.bytes.size() - kept + 1);
            file.bytes.resize(kept);
            file.synced_size = kept;
        }
        locks.clear();
        boot += 1;
        changes_until_cut = 0;
        syncs_to_fail = 0;
        has_power = true;
    }
};
using DiskPointer = std::shared_ptr<Disk>;

// Whether this is a thread of RocksDB's pools, which bear its name.
bool on_background_thread() {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    return std::strncmp(name, "rocksdb:", 8) == 0;
}
using Guard = std::lock_guard<std::mutex>;

IOStatus read_at(
    const DiskPointer &disk, const File &file, uint64_t offset, size_t count, Slice *result,
    char *scratch) {
    Guard guard(disk->mutex);
    if (offset < file.unreadable_bytes) {
        return IOStatus::IOError("While pread: " + file.path, "Input/output error");
    }
    size_t size = file.bytes.size();
    size_t start = std::min<uint64_t>(offset, size);
    size_t length = std::min(count, size - start);
    std::memcpy(scratch, file.bytes.data() + start, length);
    *result = Slice(scratch, length);
    return IOStatus::OK();
}

class WritableFile : public rocksdb::FSWritableFile {
public:
    WritableFile(DiskPointer disk, FilePointer file)
        : disk(std::move(disk)), file(std::move(file)), boot(this->disk->boot) {}

    using FSWritableFile::Append;

    IOStatus Append(const Slice &data, const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        IOStatus status = change();
        if (!status.ok()) return status;
        if (disk->capacity > 0 && disk->byte_count() + data.size() > disk->capacity) {
            return IOStatus::NoSpace("the simulated disk is full");
        }
        file->bytes.append(data.data(), data.size());
        return status;
    }

    IOStatus Truncate(uint64_t size, const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        IOStatus status = change();
        if (!status.ok()) return status;
        file->bytes.resize(size);
        file->synced_size = std::min<size_t>(file->synced_size, size);
        return status;
    }

    // What RocksDB's own threads sync (logs that are closed already) fails for nobody but the power:
    // a log whose sync has failed there must not be synced again by the writer, which asserts in
    // Debian's library. That it was synced is forgotten all the same.
    IOStatus Sync(const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        bool is_background = on_background_thread();
        IOStatus status = change();
        if (!status.ok()) return is_background ? IOStatus::OK() : status;
        if (disk->syncs_to_fail > 0 && !is_background) {
            disk->syncs_to_fail -= 1;
            return IOStatus::IOError("the simulated sync failed");
        }
        file->synced_size = file->bytes.size();
        disk->syncs += 1;
        return status;
    }

    IOStatus Close(const IOOptions &, IODebugContext *) override { return IOStatus::OK(); }
    IOStatus Flush(const IOOptions &, IODebugContext *) override { return IOStatus::OK(); }
    bool IsSyncThreadSafe() const override { return true; }

    uint64_t GetFileSize(const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        return file->bytes.size();
    }

private:
    IOStatus change() {
        if (boot != disk->boot) return IOStatus::IOError("opened before the power cut");
        return disk->change();
    }

    DiskPointer disk;
    FilePointer file;
    uint64_t boot;
};

class SequentialFile : public rocksdb::FSSequentialFile {
public:
    SequentialFile(DiskPointer disk, FilePointer file)
        : disk(std::move(disk)), file(std::move(file)) {}

    IOStatus Read(
        size_t count, const IOOptions &, Slice *result, char *scratch, IODebugContext *) override {
        IOStatus status = read_at(disk, *file, position, count, result, scratch);
        position += result->size();
        return status;
    }

    IOStatus Skip(uint64_t count) override {
        position += count;
        return IOStatus::OK();
    }

private:
    DiskPointer disk;
    FilePointer file;
    uint64_t position = 0;
};

class RandomAccessFile : public rocksdb::FSRandomAccessFile {
public:
    RandomAccessFile(DiskPointer disk, FilePointer file)
        : disk(std::move(disk)), file(std::move(file)) {}

    IOStatus Read(
        uint64_t offset, size_t count, const IOOptions &, Slice *result, char *scratch,
        IODebugContext *) const override {
        return read_at(disk, *file, offset, count, result, scratch);
    }

private:
    DiskPointer disk;
    FilePointer file;
};

class Directory : public rocksdb::FSDirectory {
public:
    Directory(DiskPointer disk, std::string folder)
        : disk(std::move(disk)), folder(std::move(folder)), boot(this->disk->boot) {}

    IOStatus Fsync(const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        if (boot != disk->boot) return IOStatus::IOError("opened before the power cut");
        IOStatus status = disk->change();
        if (status.ok()) disk->sync_folder(folder);
        return status;
    }

private:
    DiskPointer disk;
    std::string folder;
    uint64_t boot;
};

class Lock : public rocksdb::FileLock {
public:
    explicit Lock(std::string path) : path(std::move(path)) {}
    const std::string path;
};

class NoLogger : public rocksdb::Logger {
public:
    using Logger::Logv;
    void Logv(const char *, va_list) override {}
    size_t GetLogFileSize() const override { return 0; }
};

class SimulatedFileSystem : public rocksdb::FileSystem {
public:
    explicit SimulatedFileSystem(DiskPointer disk) : disk(std::move(disk)) {}

    const char *Name() const override { return "SimulatedFileSystem"; }

    IOStatus NewSequentialFile(
        const std::string &path, const FileOptions &,
        std::unique_ptr<rocksdb::FSSequentialFile> *result, IODebugContext *) override {
        return open<SequentialFile>(path, result);
    }

    IOStatus NewRandomAccessFile(
        const std::string &path, const FileOptions &,
        std::unique_ptr<rocksdb::FSRandomAccessFile> *result, IODebugContext *) override {
        return open<RandomAccessFile>(path, result);
    }

    IOStatus NewWritableFile(
        const std::string &path, const FileOptions &,
        std::unique_ptr<rocksdb::FSWritableFile> *result, IODebugContext *) override {
        Guard guard(disk->mutex);
        IOStatus status = disk->change();
        if (!status.ok()) return status;
        // A new file, not the old one emptied: a durable name keeps the old bytes until the sync.
        FilePointer file = std::make_shared<File>();
        disk->names[canonical(path)] = file;
        result->reset(new WritableFile(disk, file));
        return status;
    }

    IOStatus ReopenWritableFile(
        const std::string &path, const FileOptions &,
        std::unique_ptr<rocksdb::FSWritableFile> *result, IODebugContext *) override {
        return open<WritableFile>(path, result);
    }

    IOStatus NewDirectory(
        const std::string &path, const IOOptions &, std::unique_ptr<rocksdb::FSDirectory> *result,
        IODebugContext *) override {
        Guard guard(disk->mutex);
        result->reset(new Directory(disk, canonical(path)));
        return IOStatus::OK();
    }

    IOStatus NewLogger(
        const std::string &, const IOOptions &, std::shared_ptr<rocksdb::Logger> *result,
        IODebugContext *) override {
        *result = std::make_shared<NoLogger>();
        return IOStatus::OK();
    }

    IOStatus FileExists(const std::string &path, const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        const std::string name = canonical(path);
        bool exists = disk->find(name) != nullptr || disk->folders.count(name) > 0;
        return exists ? IOStatus::OK() : IOStatus::NotFound(path);
    }

    IOStatus GetChildren(
        const std::string &path, const IOOptions &, std::vector<std::string> *result,
        IODebugContext *) override {
        Guard guard(disk->mutex);
        const std::string folder = canonical(path);
        if (disk->folders.count(folder) == 0) return IOStatus::NotFound(path);
        const std::string prefix = folder + "/";
        std::set<std::string> children;
        auto add = [&](const std::string &name) {
            if (!has_prefix(name, prefix)) return;
            size_t end = std::min(name.find('/', prefix.size()), name.size());
            children.insert(name.substr(prefix.size(), end - prefix.size()));
        };
        for (const auto &entry : disk->names) add(entry.first);
        for (const auto &name : disk->folders) add(name);
        result->assign(children.begin(), children.end());
        return IOStatus::OK();
    }

    IOStatus DeleteFile(const std::string &path, const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        IOStatus status = disk->change();
        if (!status.ok()) return status;
        // The durable name stays until the folder is synced: deleted files may come back.
        return disk->names.erase(canonical(path)) > 0 ? status : IOStatus::PathNotFound(path);
    }

    IOStatus CreateDir(const std::string &path, const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        bool is_new = disk->folders.insert(canonical(path)).second;
        return is_new ? IOStatus::OK() : IOStatus::IOError("the folder exists", path);
    }

    IOStatus CreateDirIfMissing(
        const std::string &path, const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        disk->folders.insert(canonical(path));
        return IOStatus::OK();
    }

    IOStatus DeleteDir(const std::string &path, const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        disk->folders.erase(canonical(path));
        return IOStatus::OK();
    }

    IOStatus GetFileSize(
        const std::string &path, const IOOptions &, uint64_t *size, IODebugContext *) override {
        Guard guard(disk->mutex);
        FilePointer file = disk->find(canonical(path));
        if (file == nullptr) return IOStatus::PathNotFound(path);
        *size = file->bytes.size();
        return IOStatus::OK();
    }

    IOStatus GetFileModificationTime(
        const std::string &, const IOOptions &, uint64_t *time, IODebugContext *) override {
        *time = 0;
        return IOStatus::OK();
    }

    IOStatus RenameFile(
        const std::string &from, const std::string &to, const IOOptions &,
        IODebugContext *) override {
        Guard guard(disk->mutex);
        IOStatus status = disk->change();
        if (!status.ok()) return status;
        FilePointer file = disk->find(canonical(from));
        if (file == nullptr) return IOStatus::PathNotFound(from);
        disk->names.erase(canonical(from));
        disk->names[canonical(to)] = file;
        return status;
    }

    IOStatus LockFile(
        const std::string &path, const IOOptions &, rocksdb::FileLock **lock,
        IODebugContext *) override {
        Guard guard(disk->mutex);
        const std::string name = canonical(path);
        if (!disk->locks.insert(name).second) {
            return IOStatus::IOError("lock hold by current process", path);
        }
        *lock = new Lock(name);
        return IOStatus::OK();
    }

    IOStatus UnlockFile(rocksdb::FileLock *lock, const IOOptions &, IODebugContext *) override {
        Guard guard(disk->mutex);
        disk->locks.erase(static_cast<Lock *>(lock)->path);
        delete lock;
        return IOStatus::OK();
    }

    IOStatus GetTestDirectory(const IOOptions &, std::string *path, IODebugContext *) override {
        *path = "/test";
        return IOStatus::OK();
    }

    IOStatus GetAbsolutePath(
        const std::string &path, const IOOptions &, std::string *result,
        IODebugContext *) override {
        *result = canonical(path);
        return IOStatus::OK();
    }

    IOStatus IsDirectory(
        const std::string &path, const IOOptions &, bool *result, IODebugContext *) override {
        Guard guard(disk->mutex);
        *result = disk->folders.count(canonical(path)) > 0;
        return IOStatus::OK();
    }

private:
    template <class Opened, class Interface>
    IOStatus open(const std::string &path, std::unique_ptr<Interface> *result) {
        Guard guard(disk->mutex);
        FilePointer file = disk->find(canonical(path));
        if (file == nullptr) return IOStatus::PathNotFound(path);
        result->reset(new Opened(disk, file));
        return IOStatus::OK();
    }

    DiskPointer disk;
};

// The real clock, but nobody sleeps long: RocksDB waits a second after each failed flush, also when
// it is being closed because the power is gone.
class ImpatientClock : public rocksdb::SystemClockWrapper {
public:
    using SystemClockWrapper::SystemClockWrapper;

    const char *Name() const override { return "ImpatientClock"; }

    void SleepForMicroseconds(int microseconds) override {
        target_->SleepForMicroseconds(std::min(microseconds, 200));
    }
};

class SimulatedEnvironment : public rocksdb::EnvWrapper {
public:
    explicit SimulatedEnvironment(std::shared_ptr<rocksdb::FileSystem> file_system)
        : EnvWrapper(rocksdb::NewCompositeEnv(file_system)) {
        // The database takes both from here, not from the wrapped environment.
        file_system_ = std::move(file_system);
        system_clock_ = std::make_shared<ImpatientClock>(rocksdb::SystemClock::Default());
    }

    const char *Name() const override { return "SimulatedEnvironment"; }

    void SleepForMicroseconds(int microseconds) override {
        system_clock_->SleepForMicroseconds(microseconds);
    }
};

}  // namespace

struct simulated_disk {
    DiskPointer disk;
    std::unique_ptr<rocksdb::Env> environment;
    rocksdb_env_t *handle;
};

extern "C" {

simulated_disk *simulated_disk_create(uint64_t seed) {
    // The C API has no call that wraps an Env. Its handle keeps the Env in its first word, which
    // is checked here on the default one before that word is replaced.
    rocksdb_env_t *handle = rocksdb_create_default_env();
    rocksdb::Env *first_word = nullptr;
    std::memcpy(&first_word, static_cast<void *>(handle), sizeof first_word);
    if (first_word != rocksdb::Env::Default()) {
        rocksdb_env_destroy(handle);
        return nullptr;
    }
    auto result = new simulated_disk;
    result->disk = std::make_shared<Disk>(seed);
    result->environment = std::make_unique<SimulatedEnvironment>(
        std::make_shared<SimulatedFileSystem>(result->disk));
    first_word = result->environment.get();
    std::memcpy(static_cast<void *>(handle), &first_word, sizeof first_word);
    result->handle = handle;
    return result;
}

void simulated_disk_destroy(simulated_disk *disk) {
    rocksdb_env_destroy(disk->handle);  // Marked as the default one: its Env is not deleted.
    delete disk;
}

void *simulated_disk_environment(simulated_disk *disk) {
    return disk->handle;
}

void simulated_disk_cut_power(simulated_disk *disk) {
    Guard guard(disk->disk->mutex);
    disk->disk->has_power = false;
}

void simulated_disk_cut_power_after(simulated_disk *disk, uint64_t changes) {
    Guard guard(disk->disk->mutex);
    disk->disk->changes_until_cut = changes;
}

bool simulated_disk_has_power(simulated_disk *disk) {
    Guard guard(disk->disk->mutex);
    return disk->disk->has_power;
}

void simulated_disk_restore_power(simulated_disk *disk, bool torn) {
    Guard guard(disk->disk->mutex);
    disk->disk->restore(torn);
}

void simulated_disk_set_capacity(simulated_disk *disk, uint64_t bytes) {
    Guard guard(disk->disk->mutex);
    disk->disk->capacity = bytes;
}

void simulated_disk_fail_syncs(simulated_disk *disk, uint64_t count) {
    Guard guard(disk->disk->mutex);
    disk->disk->syncs_to_fail = count;
}

uint64_t simulated_disk_flip_bits(simulated_disk *disk, const char *suffix, uint64_t offset) {
    Guard guard(disk->disk->mutex);
    uint64_t count = 0;
    for (auto &entry : disk->disk->names) {
        std::string &bytes = entry.second->bytes;
        if (!has_suffix(entry.first, suffix) || offset >= bytes.size()) continue;
        bytes[offset] = static_cast<char>(bytes[offset] ^ (1 << disk->disk->random.below(8)));
        count += 1;
    }
    return count;
}

uint64_t simulated_disk_fail_reads(simulated_disk *disk, const char *suffix, uint64_t bytes) {
    Guard guard(disk->disk->mutex);
    uint64_t count = 0;
    for (auto &entry : disk->disk->names) {
        if (!has_suffix(entry.first, suffix)) continue;
        entry.second->path = entry.first;
        entry.second->unreadable_bytes = bytes;
        count += 1;
    }
    return count;
}

uint64_t simulated_disk_file_size(simulated_disk *disk, const char *suffix) {
    Guard guard(disk->disk->mutex);
    for (auto &entry : disk->disk->names) {
        if (has_suffix(entry.first, suffix)) return entry.second->bytes.size();
    }
    return 0;
}

uint64_t simulated_disk_sync_count(simulated_disk *disk) {
    Guard guard(disk->disk->mutex);
    return disk->disk->syncs;
}

uint64_t simulated_disk_byte_count(simulated_disk *disk) {
    Guard guard(disk->disk->mutex);
    return disk->disk->byte_count();
}

}  // extern "C"
