WITH closed AS (
  SELECT a.id, a.seller, a.expires, max(b.price) AS price
  FROM auction a JOIN bid b ON a.id = b.auction
  WHERE b.dateTime BETWEEN a.dateTime AND a.expires
  GROUP BY a.id, a.seller, a.expires)
SELECT seller, id AS auction,
  (sum(price) OVER last_ten // count(*) OVER last_ten)::BIGINT AS avg_price
FROM closed
WINDOW last_ten AS (PARTITION BY seller ORDER BY expires, id % 1000 ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
