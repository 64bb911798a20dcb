-- The first of an id in the order of arrival: in the order of times Flink would have to take rows back, and be slower. Mini-batches
-- would bring rows of one moment out of order.
--! table.exec.mini-batch.enabled: false
CREATE TABLE answer (store_id STRING, product_id STRING, user_id BIGINT, quantity BIGINT, price DOUBLE, ts BIGINT, update_id STRING)
WITH ('connector' = 'checksum');

CREATE VIEW arriving AS SELECT *, PROCTIME() AS arrival FROM `rows`;

CREATE VIEW seen AS
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY update_id ORDER BY arrival) AS place FROM arriving)
WHERE place = 1;

INSERT INTO answer
SELECT store_id, product_id, user_id, quantity, price, ts * 1000, update_id
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY store_id, product_id ORDER BY event_time DESC) AS newest FROM seen)
WHERE newest = 1;
