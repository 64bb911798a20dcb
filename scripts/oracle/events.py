"""Nexmark's events in DuckDB: the tables person, auction, bid and side_input."""

TABLES = """
CREATE OR REPLACE TABLE events AS
SELECT *, row_number() OVER () AS place
FROM read_json('{events}', format = 'newline_delimited', timestampformat = '%Y-%m-%d %H:%M:%S.%g', columns = {{
  event_type: 'INTEGER',
  person: 'STRUCT(id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR,
    extra VARCHAR)',
  auction: 'STRUCT(id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT,
    expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR)',
  bid: 'STRUCT(auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, extra VARCHAR)',
  dateTime: 'TIMESTAMP'}});
CREATE OR REPLACE TABLE person AS SELECT person.*, dateTime, place FROM events WHERE event_type = 0 ORDER BY place;
CREATE OR REPLACE TABLE auction AS SELECT auction.*, dateTime, place FROM events WHERE event_type = 1 ORDER BY place;
CREATE OR REPLACE TABLE bid AS SELECT bid.*, dateTime, place FROM events WHERE event_type = 2 ORDER BY place;
CREATE OR REPLACE TABLE side_input AS
SELECT * FROM read_csv('{side}', header = true, columns = {{key: 'BIGINT', value: 'VARCHAR', since: 'TIMESTAMP'}});
DROP TABLE events;
"""


def load(connection, events, side):
    """Reads both files into tables; `place` is a line's place in the file."""
    connection.execute("SET TimeZone = 'UTC'")
    for statement in TABLES.format(events=events, side=side).split(";\n"):
        if statement.strip():
            connection.execute(statement)
