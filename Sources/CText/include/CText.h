#pragma once
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Scanning of text, inlined into Swift.

// The first of the bytes from `at` on that ends a plain JSON string or must not be in one: a quote, a backslash, a control
// character; `end` or beyond if there is none. `high` is set when a byte before it is not ASCII. 16 bytes behind `end`
// can be read.
static inline const uint8_t *millrace_string_stop(
    const uint8_t *at, const uint8_t *end, uint32_t *high) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8(0x22), slash = _mm_set1_epi8(0x5C), control = _mm_set1_epi8(0x1F);
    uint32_t seen = 0;
    while (at < end) {
        const __m128i text = _mm_loadu_si128((const __m128i *)at);
        const uint32_t hits = (uint32_t)_mm_movemask_epi8(_mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(text, quote), _mm_cmpeq_epi8(text, slash)),
            _mm_cmpeq_epi8(_mm_min_epu8(text, control), text)));
        const uint32_t highs = (uint32_t)_mm_movemask_epi8(text);
        if (hits != 0) {
            const uint32_t place = (uint32_t)__builtin_ctz(hits);
            *high = seen | (highs & ((1u << place) - 1));
            return at + place;
        }
        seen |= highs;
        at += 16;
    }
    *high = seen;
    return at;
#else
    uint8_t seen = 0;
    while (at < end && *at != 0x22 && *at != 0x5C && *at >= 0x20) seen |= *at++;
    *high = seen & 0x80;
    return at;
#endif
}
