#include "CSimdJSON.h"
#include <simdjson.h>

extern "C" int millrace_json_is_valid(const char *bytes, size_t count, size_t capacity) {
    static thread_local simdjson::dom::parser parser;
    (void)capacity;
    simdjson::dom::element element;
    return parser.parse(bytes, count, false).get(element) == simdjson::SUCCESS;
}
