CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), `value` STRING) WITH ('connector' = 'checksum');

CREATE TABLE side_input (key BIGINT, `value` STRING, since STRING)
WITH ('connector' = 'filesystem', 'path' = 'file://${SIDE_INPUT}', 'format' = 'csv', 'csv.ignore-parse-errors' = 'true');

INSERT INTO answer
SELECT b.auction, b.bidder, b.price, b.`dateTime`, s.`value`
FROM bid b JOIN side_input s ON MOD(b.auction, 10000) = s.key;
