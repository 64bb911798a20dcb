#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A compiled RE2 pattern.
typedef struct millrace_pattern millrace_pattern;

// Compiles a pattern. On failure returns NULL and writes the reason, zero-ended, to `reason`.
millrace_pattern *millrace_pattern_compile(
    const uint8_t *pattern, size_t length, bool ignoring_case, bool dot_matches_newline,
    bool multiline, bool literal, char *reason, size_t reason_capacity);
void millrace_pattern_free(millrace_pattern *pattern);
int millrace_pattern_groups(const millrace_pattern *pattern);

// Searches text from `from` on; `spans` gets start and end of the match and of `groups` - 1 groups,
// -1 for a group that took no part.
bool millrace_pattern_find(
    const millrace_pattern *pattern, const uint8_t *text, size_t length, size_t from,
    int64_t *spans, int groups);
bool millrace_pattern_matches_all(
    const millrace_pattern *pattern, const uint8_t *text, size_t length);
// Whether a replacement names no group the pattern lacks.
bool millrace_pattern_accepts(
    const millrace_pattern *pattern, const uint8_t *replacement, size_t length);

#ifdef __cplusplus
}
#endif
