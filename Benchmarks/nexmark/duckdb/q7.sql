SELECT auction, bidder, price, dateTime, extra
FROM (SELECT *, max(price) OVER (PARTITION BY time_bucket(INTERVAL 10 SECOND, dateTime)) AS highest FROM bid)
WHERE price = highest
