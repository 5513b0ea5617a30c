// What the two halves of the shim share.
#ifndef MARTLET_ORT_ENGINE_H
#define MARTLET_ORT_ENGINE_H

#include "COnnxRuntime.h"
#include "functions.h"

struct martlet_ort_engine {
    martlet_ort_functions ort;
    const char *version;
    void *environment;
    // Where tensors that the caller owns are said to lie.
    void *memory;
    void *allocator;
    char *path;
    size_t arena_bytes_max;
    // How many opens share it; guarded by the lock of opening and closing.
    size_t owners;
};

// Whether `status` is good; else its message is put into `error` and it is released.
bool martlet_ort_check(const martlet_ort_engine *engine, void *status, const char *step,
                       char *error, size_t error_room);

#endif
