#pragma once
#include <stddef.h>
#include <stdint.h>

// Message digests of RFC 1321 and FIPS 180-4 of `count` bytes.
void millrace_md5(const void *bytes, size_t count, uint8_t digest[16]);
void millrace_sha1(const void *bytes, size_t count, uint8_t digest[20]);
void millrace_sha256(const void *bytes, size_t count, uint8_t digest[32]);
