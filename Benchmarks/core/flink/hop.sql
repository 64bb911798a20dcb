-- In memory: with RocksDB each of the 60 windows of a row's slice is merged from disk.
--! state.backend.type: hashmap
CREATE TABLE answer (user_id BIGINT, window_start TIMESTAMP(3), orders BIGINT, units BIGINT, products BIGINT) WITH ('connector' = 'checksum');

INSERT INTO answer
SELECT user_id, window_start, COUNT(*), SUM(quantity), COUNT(DISTINCT product_id)
FROM TABLE(HOP(TABLE `rows`, DESCRIPTOR(event_time), INTERVAL '1' MINUTE, INTERVAL '1' HOUR))
GROUP BY user_id, window_start, window_end;
