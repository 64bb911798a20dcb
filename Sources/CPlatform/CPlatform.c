#include "CPlatform.h"
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint32_t table[8][256];

__attribute__((constructor)) static void fill_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? 0x82F63B78u : 0);
        table[0][byte] = sum;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int slice = 1; slice < 8; slice++)
            table[slice][byte] =
                (table[slice - 1][byte] >> 8) ^ table[0][table[slice - 1][byte] & 0xFF];
}

static uint32_t crc_by_table(uint32_t sum, const uint8_t *at, size_t count) {
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        word ^= sum;
        sum = table[7][word & 0xFF] ^ table[6][(word >> 8) & 0xFF] ^
              table[5][(word >> 16) & 0xFF] ^ table[4][(word >> 24) & 0xFF] ^
              table[3][(word >> 32) & 0xFF] ^ table[2][(word >> 40) & 0xFF] ^
              table[1][(word >> 48) & 0xFF] ^ table[0][word >> 56];
        at += 8;
        count -= 8;
    }
    while (count--) sum = (sum >> 8) ^ table[0][(sum ^ *at++) & 0xFF];
    return sum;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_by_instruction(
    uint32_t sum, const uint8_t *at, size_t count) {
    uint64_t wide = sum;
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        wide = __builtin_ia32_crc32di(wide, word);
        at += 8;
        count -= 8;
    }
    sum = (uint32_t)wide;
    while (count--) sum = __builtin_ia32_crc32qi(sum, *at++);
    return sum;
}
#endif

uint32_t millrace_crc32c(uint32_t seed, const void *bytes, size_t count) {
    uint32_t sum = ~seed;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~crc_by_instruction(sum, bytes, count);
#endif
    return ~crc_by_table(sum, bytes, count);
}

#if defined(__x86_64__)
#include <immintrin.h>

// Folding as in Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ" (Intel, 2009); the
// constants are powers of x modulo gzip's polynomial, bit-reflected.
__attribute__((target("pclmul,sse4.1"))) static __m128i fold(__m128i sum, __m128i keys) {
    return _mm_xor_si128(
        _mm_clmulepi64_si128(sum, keys, 0x00), _mm_clmulepi64_si128(sum, keys, 0x11));
}

__attribute__((target("pclmul,sse4.1"))) static uint32_t crc32_by_folding(
    uint32_t sum, const uint8_t *at, size_t count) {
    const __m128i by64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i lanes[4];
    for (int lane = 0; lane < 4; lane++)
        lanes[lane] = _mm_loadu_si128((const __m128i *)(at + 16 * lane));
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128((int)sum));
    at += 64;
    count -= 64;
    while (count >= 64) {
        for (int lane = 0; lane < 4; lane++)
            lanes[lane] = _mm_xor_si128(
                fold(lanes[lane], by64), _mm_loadu_si128((const __m128i *)(at + 16 * lane)));
        at += 64;
        count -= 64;
    }
    __m128i one = lanes[0];
    for (int lane = 1; lane < 4; lane++) one = _mm_xor_si128(fold(one, by16), lanes[lane]);
    while (count >= 16) {
        one = _mm_xor_si128(fold(one, by16), _mm_loadu_si128((const __m128i *)at));
        at += 16;
        count -= 16;
    }
    // 128 bits to 64, to 32, then Barrett's reduction.
    const __m128i low = _mm_setr_epi32(~0, 0, ~0, 0);
    one = _mm_xor_si128(_mm_srli_si128(one, 8), _mm_clmulepi64_si128(one, by16, 0x10));
    __m128i next = _mm_srli_si128(one, 4);
    one = _mm_clmulepi64_si128(_mm_and_si128(one, low), _mm_set_epi64x(0, 0x0163cd6124), 0x00);
    one = _mm_xor_si128(one, next);
    const __m128i poly = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    next = _mm_clmulepi64_si128(_mm_and_si128(one, low), poly, 0x10);
    next = _mm_clmulepi64_si128(_mm_and_si128(next, low), poly, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(one, next), 1);
}
#endif

int millrace_crc32_fold(uint32_t *sum, const void *bytes, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
        *sum = crc32_by_folding(*sum, bytes, count);
        return 1;
    }
#endif
    return 0;
}

int millrace_pin_thread(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

void millrace_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

void millrace_keep_heap(size_t bytes) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, bytes > (1u << 30) ? 1 << 30 : (int)bytes);
    mallopt(M_TOP_PAD, bytes > (64u << 20) ? 4 << 20 : 1 << 20);
}

// A debugger's breakpoints are written into pages of the program: they would be lost.
static int is_traced(void) {
    FILE *status = fopen("/proc/self/status", "r");
    if (!status) return 1;
    char line[256];
    int tracer = 0;
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "TracerPid: %d", &tracer) == 1) break;
    fclose(status);
    return tracer != 0;
}

static int release_segments(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    uintptr_t page = *(const uintptr_t *)context;
    for (int index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[index];
        // What may be written holds what only this process knows.
        if (header->p_type != PT_LOAD || (header->p_flags & PF_W)) continue;
        uintptr_t begin = (info->dlpi_addr + header->p_vaddr) & ~(page - 1);
        uintptr_t end =
            (info->dlpi_addr + header->p_vaddr + header->p_filesz + page - 1) & ~(page - 1);
        madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void millrace_release_program(void) {
    if (is_traced()) return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    dl_iterate_phdr(release_segments, &page);
}
