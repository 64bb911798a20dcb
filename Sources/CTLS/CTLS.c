#include "CTLS.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct millrace_tls_server {
    SSL_CTX *context;
    unsigned char protocol[32];
};

struct millrace_tls {
    SSL *ssl;
    BIO *input;
    BIO *output;
};

static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_count,
                           const unsigned char *offered, unsigned int offered_count,
                           void *argument) {
    (void)ssl;
    millrace_tls_server *server = argument;
    unsigned char *chosen = NULL;
    int status = SSL_select_next_proto(&chosen, out_count, server->protocol,
                                       server->protocol[0] + 1u, offered, offered_count);
    if (status != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void explain(char *message, size_t count, const char *what, const char *file) {
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    snprintf(message, count, "%s %s: %s", what, file, reason ? reason : "it cannot be read");
    ERR_clear_error();
}

millrace_tls_server *millrace_tls_server_new(const char *certificate, const char *key,
                                             const char *client_authority, const char *protocol,
                                             char *message, size_t message_count) {
    millrace_tls_server *server = calloc(1, sizeof *server);
    size_t length = strlen(protocol);
    if (length + 1 >= sizeof server->protocol) abort();
    server->protocol[0] = (unsigned char)length;
    memcpy(server->protocol + 1, protocol, length);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    server->context = context;
    ERR_clear_error();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, server);
    const unsigned char session[] = "millrace";
    SSL_CTX_set_session_id_context(context, session, sizeof session - 1);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
        explain(message, message_count, "the certificate", certificate);
    } else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        explain(message, message_count, "the key", key);
    } else if (SSL_CTX_check_private_key(context) != 1) {
        explain(message, message_count, "the key does not fit the certificate:", key);
    } else if (client_authority) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_authority);
        if (names && SSL_CTX_load_verify_locations(context, client_authority, NULL) == 1) {
            SSL_CTX_set_client_CA_list(context, names);
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
            return server;
        }
        explain(message, message_count, "the authority of clients", client_authority);
    } else {
        return server;
    }
    millrace_tls_server_free(server);
    return NULL;
}

void millrace_tls_server_free(millrace_tls_server *server) {
    SSL_CTX_free(server->context);
    free(server);
}

millrace_tls *millrace_tls_new(millrace_tls_server *server) {
    millrace_tls *tls = calloc(1, sizeof *tls);
    tls->ssl = SSL_new(server->context);
    tls->input = BIO_new(BIO_s_mem());
    tls->output = BIO_new(BIO_s_mem());
    SSL_set_bio(tls->ssl, tls->input, tls->output);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void millrace_tls_free(millrace_tls *tls) {
    SSL_free(tls->ssl);
    free(tls);
}

int millrace_tls_feed(millrace_tls *tls, const void *bytes, int count) {
    return BIO_write(tls->input, bytes, count);
}

int millrace_tls_take(millrace_tls *tls, void *room, int count) {
    int taken = BIO_read(tls->output, room, count);
    return taken > 0 ? taken : 0;
}

int millrace_tls_read(millrace_tls *tls, void *room, int count) {
    ERR_clear_error();
    int taken = SSL_read(tls->ssl, room, count);
    if (taken > 0) return taken;
    switch (SSL_get_error(tls->ssl, taken)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return 0;
    case SSL_ERROR_ZERO_RETURN: return -1;
    default: ERR_clear_error(); return -2;
    }
}

int millrace_tls_write(millrace_tls *tls, const void *bytes, int count) {
    ERR_clear_error();
    int taken = SSL_write(tls->ssl, bytes, count);
    if (taken == count) return taken;
    ERR_clear_error();
    return -2;
}

int millrace_tls_is_open(millrace_tls *tls) { return SSL_is_init_finished(tls->ssl); }

void millrace_tls_close(millrace_tls *tls) {
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

int millrace_hmac(int bits, const void *key, size_t key_count, const void *bytes, size_t count,
                  uint8_t digest[64]) {
    const EVP_MD *hash = bits == 160 ? EVP_sha1() : bits == 256 ? EVP_sha256() : EVP_sha512();
    unsigned int written = 0;
    static const unsigned char none[1];
    if (!HMAC(hash, key_count ? key : none, (int)key_count, count ? bytes : none, count, digest,
              &written))
        abort();
    return (int)written;
}

int millrace_equal(const void *left, const void *right, size_t count) {
    return CRYPTO_memcmp(left, right, count) == 0;
}
