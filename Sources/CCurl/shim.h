#pragma once
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

// curl_easy_setopt and curl_easy_getinfo take variable lists, which Swift does not import.
typedef size_t (*millrace_curl_transfer)(char *bytes, size_t size, size_t count, void *owner);
typedef int (*millrace_curl_seek)(void *owner, curl_off_t offset, int origin);

static inline CURLcode millrace_curl_set_number(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode millrace_curl_set_size(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode millrace_curl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode millrace_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode millrace_curl_set_transfer(
    CURL *handle, CURLoption option, millrace_curl_transfer value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode millrace_curl_set_seek(CURL *handle, millrace_curl_seek value) {
    return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, value);
}
static inline long millrace_curl_status(CURL *handle) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}
