CREATE TABLE answer (store_id STRING, product_id STRING, window_start TIMESTAMP(3), orders BIGINT, units BIGINT, `low` DOUBLE, high DOUBLE)
WITH ('connector' = 'checksum');

INSERT INTO answer
SELECT store_id, product_id, window_start, COUNT(*), SUM(quantity), MIN(price), MAX(price)
FROM TABLE(TUMBLE(TABLE `rows`, DESCRIPTOR(event_time), INTERVAL '60' SECOND))
GROUP BY store_id, product_id, window_start, window_end;
