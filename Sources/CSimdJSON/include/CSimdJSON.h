#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Whether `bytes` hold exactly one JSON document (RFC 8259), its UTF-8 included.
/// `capacity - count` must be at least 64 readable bytes.
int millrace_json_is_valid(const char *bytes, size_t count, size_t capacity);

#ifdef __cplusplus
}
#endif
