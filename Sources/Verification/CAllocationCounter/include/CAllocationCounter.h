// Counts the heap allocations of a thread, for tests. Linking it replaces the process's allocator
// functions by ones that count and pass on to glibc.
#ifndef MARTLET_C_ALLOCATION_COUNTER_H
#define MARTLET_C_ALLOCATION_COUNTER_H

#include <stdint.h>

// Allocations (malloc, calloc, realloc, aligned) of the calling thread since it began.
uint64_t martlet_allocation_count(void);

#endif
