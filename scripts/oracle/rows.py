"""What stores sold, the input of the questions in Benchmarks/core: a file of JSON lines, and the table `rows`."""

import os

import duckdb

# Of 50 rows the last repeats the one before; all others are of `origin` alone, so the same in every file.
MAKE = """
COPY (
  SELECT 's' || (hash(origin * 8) % 250)::VARCHAR AS store_id, 'p' || (hash(origin * 8 + 1) % 500)::VARCHAR AS product_id,
    (hash(origin * 8 + 2) % 10000)::BIGINT AS user_id, (hash(origin * 8 + 3) % 40)::BIGINT AS quantity,
    (100 + hash(origin * 8 + 4) % 9000)::BIGINT / 100 AS price,
    1700000000000 + {time} AS ts, 'u-' || origin AS update_id
  FROM (SELECT range - (range % 50 = 49)::BIGINT AS origin FROM range({number})))
TO '{path}' (FORMAT json)
"""

LOAD = """
CREATE OR REPLACE TABLE rows AS
SELECT * REPLACE (make_timestamp(ts * 1000) AS ts), row_number() OVER () AS place
FROM read_json('{path}', format = 'newline_delimited', columns = {{store_id: 'VARCHAR', product_id: 'VARCHAR',
  user_id: 'BIGINT', quantity: 'BIGINT', price: 'DOUBLE', ts: 'BIGINT', update_id: 'VARCHAR'}})
"""


def make(path, number, rate, disorder):
    """Writes `number` rows, `rate` in a second of event time, each up to `disorder` milliseconds out of order."""
    if os.path.exists(path):
        return
    time = f"(origin * 1000) // {rate}" if disorder == 0 else (
        f"(origin // {rate}) * 1000 + (hash(origin * 8 + 5) % {disorder + 1000})::BIGINT - {disorder}")
    connection = duckdb.connect()
    connection.execute(MAKE.format(time=time, number=number, path=path + ".part"))
    connection.close()
    os.rename(path + ".part", path)


def load(connection, path):
    """Reads the file into a table; `place` is a row's place in the file."""
    connection.execute(LOAD.format(path=path))
