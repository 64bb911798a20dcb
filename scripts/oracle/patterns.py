"""The four pattern queries, row by row: what MATCH_RECOGNIZE asks, without an engine for it.

Each function takes the bids of one auction and bidder in order, as (micros, price), and gives the rows of its answer
without those two columns. A match must end within `within` microseconds of its first row.
"""

HOUR = 3_600_000_000


def valleys(rows):
    """Prices that fall at least twice, row after row, and then rise above the last but one of the low ones; the next
    match may begin with the row that rose."""
    begin = 0
    while begin < len(rows):
        end = begin + 1
        while end < len(rows) and rows[end][1] < rows[end - 1][1]:
            end += 1
        # Of the low rows as many as there can be; fewer of them, where the next one is above the last but one: never.
        if end - begin > 2 and end < len(rows) and rows[end][1] > rows[end - 2][1]:
            if rows[end][0] - rows[begin][0] < HOUR:
                yield rows[begin][0], rows[end - 1][0], rows[end][0]
                begin = end
                continue
        begin += 1


def low_averages(rows, overlapping):
    """As many rows as have an average below 10,000, and the row that lifts it above."""
    begin = 0
    while begin < len(rows):
        total, end = 0, begin
        while end < len(rows) and total + rows[end][1] < 10000 * (end - begin + 1):
            total += rows[end][1]
            end += 1
        if end > begin and end < len(rows) and rows[end][0] - rows[begin][0] < HOUR:
            yield rows[begin][0], rows[end - 1][0], total // (end - begin)
            begin = begin + 1 if overlapping else end + 1
        else:
            begin += 1


def drops(rows):
    """A price, and within five seconds one more than 50 below, with none between that is as low."""
    begin = 0
    while begin < len(rows):
        end = begin + 1
        while end < len(rows) and rows[end][1] > rows[begin][1] - 50:
            end += 1
        if end < len(rows) and rows[end][1] < rows[begin][1] - 50 and rows[end][0] - rows[begin][0] < 5_000_000:
            yield rows[end][0], rows[begin][1] - rows[end][1]
            begin = end + 1
        else:
            begin += 1


QUERIES = {
    "cep0": (valleys, 5),
    "cep1": (lambda rows: low_averages(rows, False), 5),
    "cep2": (lambda rows: low_averages(rows, True), 5),
    "cep3": (drops, 4),
}


def answer(connection, name):
    """The rows of pattern query `name`, and the types of their columns."""
    find, width = QUERIES[name]
    cursor = connection.cursor()
    cursor.execute(
        "SELECT auction, bidder, epoch_us(dateTime), price FROM bid ORDER BY auction, bidder, dateTime, place")

    def groups():
        key, rows = None, []
        while chunk := cursor.fetchmany(20000):
            for auction, bidder, micros, price in chunk:
                if (auction, bidder) != key:
                    if rows:
                        yield key, rows
                    key, rows = (auction, bidder), []
                rows.append((micros, price))
        if rows:
            yield key, rows

    found = ((*key, *match) for key, rows in groups() for match in find(rows))
    return found, ["BIGINT"] * width
