CREATE TABLE `rows` (
  store_id STRING, product_id STRING, user_id BIGINT, quantity BIGINT, price DOUBLE, ts BIGINT, update_id STRING,
  event_time AS CAST(TO_TIMESTAMP_LTZ(ts, 3) AS TIMESTAMP(3)),
  WATERMARK FOR event_time AS event_time - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'file://${EVENTS}', 'format' = 'json');
