#pragma once
#include <stddef.h>
#include <stdint.h>

// Atomics over raw memory, inlined into Swift: the cheapest way to a ring between two threads.
static inline uint64_t millrace_load_acquire(const uint64_t *cell) {
    return __atomic_load_n(cell, __ATOMIC_ACQUIRE);
}
static inline uint64_t millrace_load_relaxed(const uint64_t *cell) {
    return __atomic_load_n(cell, __ATOMIC_RELAXED);
}
static inline void millrace_store_release(uint64_t *cell, uint64_t value) {
    __atomic_store_n(cell, value, __ATOMIC_RELEASE);
}
static inline void millrace_store_relaxed(uint64_t *cell, uint64_t value) {
    __atomic_store_n(cell, value, __ATOMIC_RELAXED);
}
static inline uint64_t millrace_fetch_add(uint64_t *cell, uint64_t value) {
    return __atomic_fetch_add(cell, value, __ATOMIC_ACQ_REL);
}
static inline void millrace_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}
static inline void millrace_prefetch(const void *address) { __builtin_prefetch(address); }

/// CRC-32C (Castagnoli) of `count` bytes, continuing from `seed` (0 for a new sum).
uint32_t millrace_crc32c(uint32_t seed, const void *bytes, size_t count);

/// Folds the CRC-32 (gzip's) register `sum` over `count` bytes by carry-less multiplication: a multiple of 16, at least
/// 64. The register is not inverted. Returns 0 and leaves `sum` alone where the processor cannot do that.
int millrace_crc32_fold(uint32_t *sum, const void *bytes, size_t count);

/// Lets the C heap keep up to `bytes` of what was freed, for the next batch: pages that go back to the system have to be
/// cleared again when they come back.
void millrace_keep_heap(size_t bytes);

/// Lets go of the pages of the program and its libraries that are as they are in their files: what still runs comes back
/// from the page cache when it is touched, what only the start needed does not. Leaves them where a debugger is at work.
void millrace_release_program(void);

/// Pins the calling thread to one core; returns 0, or an errno value.
int millrace_pin_thread(int core);

/// Names the calling thread (at most 15 bytes), as shown by top and perf.
void millrace_name_thread(const char *name);
