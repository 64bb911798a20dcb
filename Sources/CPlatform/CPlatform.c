#include "CPlatform.h"
#include <pthread.h>
#include <sched.h>
#include <string.h>

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

int millrace_pin_thread(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

void millrace_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
