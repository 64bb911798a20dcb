#pragma once
#define XXH_INLINE_ALL
#include <xxhash.h>

// Inlined into Swift, so that hashing a key is no call.
static inline uint64_t millrace_xxh3_64(const void *bytes, size_t count) {
    return XXH3_64bits(bytes, count);
}

static inline uint64_t millrace_xxh64(const void *bytes, size_t count) {
    return XXH64(bytes, count, 0);
}
