CREATE TABLE answer (bidder BIGINT, bid_count BIGINT) WITH ('connector' = 'checksum');

CREATE VIEW arriving AS SELECT *, PROCTIME() AS arrival FROM bid;

INSERT INTO answer
SELECT bidder, COUNT(*)
FROM TABLE(TUMBLE(TABLE arriving, DESCRIPTOR(arrival), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
