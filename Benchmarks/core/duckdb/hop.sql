-- Windows that meet the same minutes of the input have the same answer, which is asked once.
WITH span AS (SELECT time_bucket(INTERVAL 1 MINUTE, min(ts)) AS first, time_bucket(INTERVAL 1 MINUTE, max(ts)) AS last FROM rows),
windows AS (
  SELECT window_start, greatest(window_start, first) AS low, least(window_start + INTERVAL 59 MINUTE, last) AS high
  FROM (SELECT unnest(generate_series(first - INTERVAL 59 MINUTE, last, INTERVAL 1 MINUTE)) AS window_start, first, last FROM span)),
contents AS (
  SELECT user_id, low, high, count(*) AS orders, sum(quantity)::BIGINT AS units, count(DISTINCT product_id) AS products
  FROM rows JOIN (SELECT DISTINCT low, high FROM windows) ON ts >= low AND ts < high + INTERVAL 1 MINUTE
  GROUP BY ALL)
SELECT user_id, window_start, orders, units, products FROM windows JOIN contents USING (low, high)
