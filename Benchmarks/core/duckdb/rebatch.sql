-- No batch waits for a minute: it has 50 rows before.
WITH numbered AS (
  SELECT *, (row_number() OVER (PARTITION BY store_id ORDER BY ts, place) - 1) // 50 AS batch FROM rows)
SELECT store_id, count(*) AS size,
  list({store_id: store_id, product_id: product_id, user_id: user_id, quantity: quantity, price: price, ts: epoch_us(ts), update_id: update_id}
    ORDER BY ts, place) AS items, min(ts) AS first_event_time, max(ts) AS last_event_time
FROM numbered GROUP BY store_id, batch
