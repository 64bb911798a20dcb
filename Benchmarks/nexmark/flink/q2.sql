CREATE TABLE answer (auction BIGINT, price BIGINT) WITH ('connector' = 'checksum');

INSERT INTO answer SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0;
