CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra STRING) WITH ('connector' = 'checksum');

INSERT INTO answer SELECT auction, bidder, price, `dateTime`, extra FROM bid;
