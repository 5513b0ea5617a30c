// Opening the library, and the environment that all sessions of a process share.
#define _POSIX_C_SOURCE 200809L  // setenv, strdup

#include "engine.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The library's only entry: hands out the table of a version, or NULL if it does not serve it.
typedef struct {
    const void *const *(*table)(uint32_t version);
    const char *(*version)(void);
} martlet_ort_entry;

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static martlet_ort_engine *opened = NULL;

void martlet_ort_prepare_environment(void) {
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
}

bool martlet_ort_check(const martlet_ort_engine *engine, void *status, const char *step,
                       char *error, size_t error_room) {
    if (status == NULL) return true;
    const char *message = engine->ort.error_message(status);
    snprintf(error, error_room, "%s: %s", step, message == NULL ? "no reason given" : message);
    engine->ort.release_status(status);
    return false;
}

// Fills the functions from the table, and tries the first slots: they must behave as a status does.
static bool take_functions(martlet_ort_engine *engine, const void *const *table, char *error,
                           size_t error_room) {
#define MARTLET_ORT_TAKE(slot, result, name, parameters)                                           \
    if (table[slot] == NULL) {                                                                     \
        snprintf(error, error_room, "slot %d (" #name ") of the function table is empty", slot);   \
        return false;                                                                              \
    }                                                                                              \
    memcpy(&engine->ort.name, &table[slot], sizeof(void *));
    MARTLET_ORT_FUNCTIONS(MARTLET_ORT_TAKE)
#undef MARTLET_ORT_TAKE
    const int code = 2;
    const char *text = "martlet self-test";
    void *status = engine->ort.create_status(code, text);
    if (status == NULL) {
        snprintf(error, error_room, "self-test: the function table made no status");
        return false;
    }
    const char *told = engine->ort.error_message(status);
    const bool same =
        engine->ort.error_code(status) == code && told != NULL && strcmp(told, text) == 0;
    engine->ort.release_status(status);
    if (!same) {
        snprintf(error, error_room, "self-test: the function table is not in the known order");
    }
    return same;
}

static bool make_environment(martlet_ort_engine *engine, char *error, size_t error_room) {
    const martlet_ort_functions *ort = &engine->ort;
    void *threading = NULL;
    void *arena_memory = NULL;
    void *arena = NULL;
    bool good = false;
#define TRY(call, step)                                                                            \
    if (!martlet_ort_check(engine, (call), (step), error, error_room)) goto done
    TRY(ort->create_threading(&threading), "threading options");
    TRY(ort->set_intra_op_threads(threading, 1), "one thread per run");
    TRY(ort->set_inter_op_threads(threading, 1), "one operator at a time");
    TRY(ort->set_spinning(threading, 0), "no spinning");
    TRY(ort->create_environment(ORT_LOG_ERROR, "martlet", threading, &engine->environment),
        "environment");
    TRY(ort->disable_telemetry(engine->environment), "telemetry off");
    TRY(ort->create_cpu_memory(ORT_ALLOCATOR_ARENA, ORT_MEMORY_DEFAULT, &engine->memory),
        "memory kind");
    TRY(ort->default_allocator(&engine->allocator), "default allocator");
    const char *keys[] = {"max_mem", "arena_extend_strategy", "initial_chunk_size_bytes"};
    const size_t values[] = {engine->arena_bytes_max, 0, (size_t)1 << 20};
    TRY(ort->create_arena(keys, values, 3, &arena), "arena settings");
    TRY(ort->create_cpu_memory(ORT_ALLOCATOR_ARENA, ORT_MEMORY_DEFAULT, &arena_memory),
        "arena memory");
    TRY(ort->register_allocator(engine->environment, arena_memory, arena), "shared arena");
#undef TRY
    good = true;
done:
    if (threading != NULL) ort->release_threading(threading);
    if (arena != NULL) ort->release_arena(arena);
    if (arena_memory != NULL) ort->release_memory(arena_memory);
    return good;
}

static void destroy(martlet_ort_engine *engine) {
    if (engine->memory != NULL) engine->ort.release_memory(engine->memory);
    if (engine->environment != NULL) engine->ort.release_environment(engine->environment);
    free(engine->path);
    free(engine);
}

static martlet_ort_engine *create(const char *path, size_t arena_bytes_max, char *error,
                                  size_t error_room) {
    // Never closed again: the library's threads and destructors may outlive any environment.
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *reason = dlerror();
        snprintf(error, error_room, "%s", reason == NULL ? "it cannot be opened" : reason);
        return NULL;
    }
    const martlet_ort_entry *(*entry)(void) = NULL;
    void *symbol = dlsym(library, "OrtGetApiBase");
    if (symbol == NULL) {
        snprintf(error, error_room, "it has no OrtGetApiBase: is it ONNX Runtime?");
        return NULL;
    }
    memcpy(&entry, &symbol, sizeof(entry));
    const martlet_ort_entry *base = entry();
    const void *const *table = base == NULL ? NULL : base->table(MARTLET_ORT_API_VERSION);
    if (table == NULL) {
        snprintf(error, error_room, "version %s does not serve API version %d",
                 base == NULL ? "(unknown)" : base->version(), MARTLET_ORT_API_VERSION);
        return NULL;
    }
    martlet_ort_engine *engine = calloc(1, sizeof(*engine));
    if (engine == NULL || (engine->path = strdup(path)) == NULL) {
        snprintf(error, error_room, "out of memory");
        free(engine);
        return NULL;
    }
    engine->version = base->version();
    engine->arena_bytes_max = arena_bytes_max;
    engine->owners = 1;
    if (!take_functions(engine, table, error, error_room)) {
        free(engine->path);
        free(engine);
        return NULL;
    }
    if (!make_environment(engine, error, error_room)) {
        destroy(engine);
        return NULL;
    }
    return engine;
}

martlet_ort_engine *martlet_ort_open(const char *path, size_t arena_bytes_max, char *error,
                                     size_t error_room) {
    pthread_mutex_lock(&opening);
    martlet_ort_engine *engine = NULL;
    if (opened == NULL) {
        engine = opened = create(path, arena_bytes_max, error, error_room);
    } else if (strcmp(opened->path, path) != 0 || opened->arena_bytes_max != arena_bytes_max) {
        snprintf(error, error_room,
                 "this process already runs %s with an arena of %zu bytes; an arena of %zu bytes "
                 "was asked for: use one engine",
                 opened->path, opened->arena_bytes_max, arena_bytes_max);
    } else {
        engine = opened;
        engine->owners += 1;
    }
    pthread_mutex_unlock(&opening);
    return engine;
}

void martlet_ort_close(martlet_ort_engine *engine) {
    pthread_mutex_lock(&opening);
    engine->owners -= 1;
    if (engine->owners == 0) {
        if (opened == engine) opened = NULL;
        destroy(engine);
    }
    pthread_mutex_unlock(&opening);
}

const char *martlet_ort_version(const martlet_ort_engine *engine) {
    return engine->version;
}
