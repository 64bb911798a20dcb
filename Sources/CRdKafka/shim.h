#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

// rd_kafka_producev takes a variable list, which Swift does not import.
static inline rd_kafka_resp_err_t millrace_kafka_produce(
    rd_kafka_t *client, rd_kafka_topic_t *topic, int32_t partition, int64_t timestamp_millis,
    const void *key, size_t key_bytes, const void *value, size_t value_bytes) {
    return rd_kafka_producev(
        client, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_TIMESTAMP(timestamp_millis),
        RD_KAFKA_V_KEY(key, key_bytes), RD_KAFKA_V_VALUE((void *)value, value_bytes),
        RD_KAFKA_V_END);
}

// The same with headers, which the client frees; null for none.
static inline rd_kafka_resp_err_t millrace_kafka_produce_with_headers(
    rd_kafka_t *client, rd_kafka_topic_t *topic, int32_t partition, int64_t timestamp_millis,
    const void *key, size_t key_bytes, const void *value, size_t value_bytes,
    rd_kafka_headers_t *headers) {
    if (!headers) {
        return millrace_kafka_produce(
            client, topic, partition, timestamp_millis, key, key_bytes, value, value_bytes);
    }
    rd_kafka_resp_err_t code = rd_kafka_producev(
        client, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_TIMESTAMP(timestamp_millis),
        RD_KAFKA_V_KEY(key, key_bytes), RD_KAFKA_V_VALUE((void *)value, value_bytes),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code) rd_kafka_headers_destroy(headers);
    return code;
}
