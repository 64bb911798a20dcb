SELECT store_id, product_id, time_bucket(INTERVAL 60 SECOND, ts) AS window_start, count(*) AS orders,
  sum(quantity)::BIGINT AS units, min(price) AS low, max(price) AS high
FROM rows GROUP BY ALL
