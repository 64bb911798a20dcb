WITH counts AS (
  SELECT auction, count(*) AS num, time_bucket(INTERVAL 2 SECOND, dateTime) + step * INTERVAL 2 SECOND AS window_end
  FROM bid, range(1, 6) steps(step)
  GROUP BY ALL)
SELECT auction, num, window_end
FROM (SELECT *, max(num) OVER (PARTITION BY window_end) AS most FROM counts)
WHERE num = most
