#pragma once
#include <stddef.h>
#include <stdint.h>

// A server's certificate, key and rules; and one connection's state, which reads and writes memory only.
typedef struct millrace_tls_server millrace_tls_server;
typedef struct millrace_tls millrace_tls;

// A server with the PEM files `certificate` (the chain) and `key`. With `client_authority` (PEM) clients must
// present a certificate that it signed. `protocol` is the one of ALPN that is agreed to. NULL and a message
// when a file cannot be used.
millrace_tls_server *millrace_tls_server_new(const char *certificate, const char *key,
                                             const char *client_authority, const char *protocol,
                                             char *message, size_t message_count);
void millrace_tls_server_free(millrace_tls_server *server);

millrace_tls *millrace_tls_new(millrace_tls_server *server);
void millrace_tls_free(millrace_tls *tls);

// Bytes from the socket; returns how many were taken, which is all of them.
int millrace_tls_feed(millrace_tls *tls, const void *bytes, int count);
// Bytes for the socket into `room`; 0 when there are none.
int millrace_tls_take(millrace_tls *tls, void *room, int count);
// Plain bytes out of what was fed: > 0 their number, 0 when more must come first, -1 when the other side has
// closed, -2 when it broke the protocol (or its certificate was refused). Drives the handshake, too.
int millrace_tls_read(millrace_tls *tls, void *room, int count);
// Plain bytes to send: all of them are taken, or -2. Only after the handshake.
int millrace_tls_write(millrace_tls *tls, const void *bytes, int count);
int millrace_tls_is_open(millrace_tls *tls);
// Says goodbye; what is to be sent is then taken.
void millrace_tls_close(millrace_tls *tls);

// The HMAC (RFC 2104) of `count` bytes with the hash of `bits` bits (160 for SHA-1, 256 or 512 for SHA-2);
// returns the bytes written to `digest`.
int millrace_hmac(int bits, const void *key, size_t key_count, const void *bytes, size_t count,
                  uint8_t digest[64]);
// Whether `count` bytes are equal, in a time that does not depend on where they differ.
int millrace_equal(const void *left, const void *right, size_t count);
