#include "CDigest.h"
#include <string.h>

static uint32_t left(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }
static uint32_t right(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }

static uint32_t load_big(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
static void store_big(uint8_t *at, uint32_t word) {
    at[0] = word >> 24;
    at[1] = word >> 16;
    at[2] = word >> 8;
    at[3] = word;
}

typedef void (*block_function)(uint32_t *state, const uint8_t *block);

// All three digests pad alike: a 1 bit, zeros, then the length in bits, in either byte order.
static void digest_blocks(
    const uint8_t *bytes, size_t count, uint32_t *state, block_function block, int big_endian) {
    uint64_t bits = (uint64_t)count * 8;
    uint8_t tail[128] = {0};
    while (count >= 64) {
        block(state, bytes);
        bytes += 64;
        count -= 64;
    }
    if (count > 0) memcpy(tail, bytes, count);
    tail[count] = 0x80;
    size_t length = count < 56 ? 64 : 128;
    for (int byte = 0; byte < 8; byte++)
        tail[length - 8 + byte] = bits >> (big_endian ? 56 - 8 * byte : 8 * byte);
    block(state, tail);
    if (length == 128) block(state, tail + 64);
}

static const uint32_t md5_sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static void md5_block(uint32_t *state, const uint8_t *block) {
    static const int turns[16] = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
    uint32_t words[16];
    for (int word = 0; word < 16; word++) {
        const uint8_t *at = block + word * 4;
        words[word] = (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (int step = 0; step < 64; step++) {
        uint32_t mixed;
        int word;
        switch (step / 16) {
        case 0: mixed = (b & c) | (~b & d); word = step; break;
        case 1: mixed = (d & b) | (~d & c); word = (5 * step + 1) % 16; break;
        case 2: mixed = b ^ c ^ d; word = (3 * step + 5) % 16; break;
        default: mixed = c ^ (b | ~d); word = 7 * step % 16; break;
        }
        uint32_t next = b + left(
            a + mixed + md5_sines[step] + words[word], turns[step / 16 * 4 + step % 4]);
        a = d;
        d = c;
        c = b;
        b = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void millrace_md5(const void *bytes, size_t count, uint8_t digest[16]) {
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    digest_blocks(bytes, count, state, md5_block, 0);
    for (int byte = 0; byte < 16; byte++) digest[byte] = state[byte / 4] >> (8 * (byte % 4));
}

static void sha1_block(uint32_t *state, const uint8_t *block) {
    uint32_t words[80];
    for (int word = 0; word < 16; word++) words[word] = load_big(block + word * 4);
    for (int word = 16; word < 80; word++)
        words[word] =
            left(words[word - 3] ^ words[word - 8] ^ words[word - 14] ^ words[word - 16], 1);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int step = 0; step < 80; step++) {
        uint32_t mixed;
        switch (step / 20) {
        case 0: mixed = ((b & c) | (~b & d)) + 0x5A827999; break;
        case 1: mixed = (b ^ c ^ d) + 0x6ED9EBA1; break;
        case 2: mixed = ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC; break;
        default: mixed = (b ^ c ^ d) + 0xCA62C1D6; break;
        }
        uint32_t next = left(a, 5) + mixed + e + words[step];
        e = d;
        d = c;
        c = left(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void millrace_sha1(const void *bytes, size_t count, uint8_t digest[20]) {
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    digest_blocks(bytes, count, state, sha1_block, 1);
    for (int word = 0; word < 5; word++) store_big(digest + word * 4, state[word]);
}

static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void sha256_block(uint32_t *state, const uint8_t *block) {
    uint32_t words[64], now[8];
    for (int word = 0; word < 16; word++) words[word] = load_big(block + word * 4);
    for (int word = 16; word < 64; word++) {
        uint32_t early = words[word - 15], late = words[word - 2];
        words[word] = words[word - 16] + words[word - 7] +
                      (right(early, 7) ^ right(early, 18) ^ early >> 3) +
                      (right(late, 17) ^ right(late, 19) ^ late >> 10);
    }
    memcpy(now, state, sizeof now);
    for (int step = 0; step < 64; step++) {
        uint32_t a = now[0], e = now[4];
        uint32_t first = now[7] + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) +
                         ((e & now[5]) ^ (~e & now[6])) + sha256_constants[step] + words[step];
        uint32_t second = (right(a, 2) ^ right(a, 13) ^ right(a, 22)) +
                          ((a & now[1]) ^ (a & now[2]) ^ (now[1] & now[2]));
        memmove(now + 1, now, 7 * sizeof *now);
        now[4] += first;
        now[0] = first + second;
    }
    for (int word = 0; word < 8; word++) state[word] += now[word];
}

void millrace_sha256(const void *bytes, size_t count, uint8_t digest[32]) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    digest_blocks(bytes, count, state, sha256_block, 1);
    for (int word = 0; word < 8; word++) store_big(digest + word * 4, state[word]);
}
