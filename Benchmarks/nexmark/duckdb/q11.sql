WITH marked AS (
  SELECT bidder, dateTime,
    coalesce(dateTime - lag(dateTime) OVER earlier >= INTERVAL 10 SECOND, true) AS begins
  FROM bid WINDOW earlier AS (PARTITION BY bidder ORDER BY dateTime, place)),
numbered AS (
  SELECT *, count(*) FILTER (begins) OVER (PARTITION BY bidder ORDER BY dateTime ROWS UNBOUNDED PRECEDING) AS number
  FROM marked)
SELECT bidder, count(*) AS bid_count, min(dateTime) AS starttime, max(dateTime) + INTERVAL 10 SECOND AS endtime
FROM numbered GROUP BY bidder, number
