#include "CRE2.h"

#include <cstring>
#include <new>
#include <re2/re2.h>
#include <string>

struct millrace_pattern {
    re2::RE2 compiled;
    millrace_pattern(const re2::StringPiece &text, const re2::RE2::Options &options)
        : compiled(text, options) {}
};

static re2::StringPiece piece(const uint8_t *bytes, size_t length) {
    return re2::StringPiece(reinterpret_cast<const char *>(bytes), length);
}

millrace_pattern *millrace_pattern_compile(
    const uint8_t *pattern, size_t length, bool ignoring_case, bool dot_matches_newline,
    bool multiline, bool literal, char *reason, size_t reason_capacity) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_case_sensitive(!ignoring_case);
    options.set_dot_nl(dot_matches_newline);
    options.set_literal(literal);
    std::string text(reinterpret_cast<const char *>(pattern), length);
    if (multiline && !literal) text = "(?m)" + text;
    auto *made = new (std::nothrow) millrace_pattern(text, options);
    if (made != nullptr && made->compiled.ok()) return made;
    const std::string why = made == nullptr ? "out of memory" : made->compiled.error();
    if (reason_capacity > 0) {
        size_t count = why.size() < reason_capacity - 1 ? why.size() : reason_capacity - 1;
        memcpy(reason, why.data(), count);
        reason[count] = 0;
    }
    delete made;
    return nullptr;
}

void millrace_pattern_free(millrace_pattern *pattern) { delete pattern; }

int millrace_pattern_groups(const millrace_pattern *pattern) {
    return pattern->compiled.NumberOfCapturingGroups();
}

bool millrace_pattern_find(
    const millrace_pattern *pattern, const uint8_t *text, size_t length, size_t from,
    int64_t *spans, int groups) {
    re2::StringPiece found[16];
    if (groups > 16) groups = 16;
    const re2::StringPiece whole = piece(text, length);
    if (!pattern->compiled.Match(whole, from, length, re2::RE2::UNANCHORED, found, groups))
        return false;
    for (int group = 0; group < groups; group++) {
        if (found[group].data() == nullptr) {
            spans[group * 2] = spans[group * 2 + 1] = -1;
        } else {
            spans[group * 2] = found[group].data() - whole.data();
            spans[group * 2 + 1] = spans[group * 2] + static_cast<int64_t>(found[group].size());
        }
    }
    return true;
}

bool millrace_pattern_matches_all(
    const millrace_pattern *pattern, const uint8_t *text, size_t length) {
    return pattern->compiled.Match(
        piece(text, length), 0, length, re2::RE2::ANCHOR_BOTH, nullptr, 0);
}

bool millrace_pattern_accepts(
    const millrace_pattern *pattern, const uint8_t *replacement, size_t length) {
    std::string reason;
    return pattern->compiled.CheckRewriteString(piece(replacement, length), &reason);
}
