"""DuckDB's answers, and whether two answers are the same."""

import math
import re

import dialect
import duckdb
import values


class Oracle:
    def __init__(self):
        self.connection = duckdb.connect(config={"threads": 1})
        self.cursor = self.connection.cursor()
        self.cursor.execute(dialect.MACROS)
        # What an expression means, not what may be left out: statistics refuse values of other rows.
        self.cursor.execute("set disabled_optimizers = 'expression_rewriter,statistics_propagation'")

        self.functions = {r[0].lower() for r in self.cursor.execute("select function_name from duckdb_functions()").fetchall()}

    def has(self, name):
        return name in self.functions or dialect.known(name)

    def load(self, table):
        columns = ", ".join(f"{n} {values.duck_type(k)}" for n, k in table["columns"])
        kinds = [k for _, k in table["columns"]]
        self.cursor.execute(f"create or replace table t (row_number integer, {columns})")
        rows = []
        for at, row in enumerate(table["rows"]):
            cells = [str(at)] + [values.duck_value(c, k) for c, k in zip(row, kinds)]
            rows.append("(" + ", ".join(cells) + ")")
        if rows:
            self.cursor.execute("insert into t values " + ", ".join(rows))

    def column(self, text, where=""):
        """The values' texts of every row, or DuckDB's error."""
        sql = f"select cast({text} as varchar) from t {where} order by row_number"
        try:
            return [r[0] for r in self.cursor.execute(sql).fetchall()]
        except (duckdb.Error, UnicodeDecodeError) as error:
            return error

    def answers(self, texts):
        """For each text, what `answer` returns; asked together as long as that works."""
        try:
            got = self.select([f"cast(try({text}) as varchar)" for text in texts])
            open_ones = [i for i in range(len(texts)) if any(row[i] is None for row in got)]
            nulls = self.select([f"try(({texts[i]}) is null)" for i in open_ones]) if open_ones else []
        except (duckdb.Error, UnicodeDecodeError) as error:
            if len(texts) == 1:
                return [error if type(error).__name__ in UNKNOWN else self.slowly(texts[0])]
            half = len(texts) // 2
            return self.answers(texts[:half]) + self.answers(texts[half:])
        made = []
        for i in range(len(texts)):
            place = open_ones.index(i) if i in open_ones else None
            made.append(["=" + row[i] if row[i] is not None else "~" if nulls[at][place] else "!"
                         for at, row in enumerate(got)])
        return made

    def select(self, columns):
        return self.cursor.execute(f"select {', '.join(columns)} from t order by row_number").fetchall()

    def answer(self, text):
        """For each row "=text", "~" or "!"; an error if it does not even bind."""
        return self.answers([text])[0]

    def reason(self, text, row):
        """The answer for one row, with DuckDB's message when it failed."""
        one = self.column(text, f"where row_number = {row}")
        if isinstance(one, Exception):
            return "!" + str(one).split("\n")[0]
        return "~" if one[0] is None else "=" + one[0]

    def slowly(self, text):
        """What `answer` returns, row by row."""
        count = self.cursor.execute("select count(*) from t").fetchone()[0]
        return [self.reason(text, row) for row in range(count)]


UNKNOWN = ("BinderException", "CatalogException", "ParserException")
NUMBER = re.compile(r"(?<![\w.])-?(?:inf|nan|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(?![\w.])", re.IGNORECASE)


def close(one, other, tolerance=1e-11, written=False):
    """Whether two texts are the same number, near enough for doubles computed in another way; with `written` the same
    double has to be the same text."""
    try:
        a, b = float(one), float(other)
    except ValueError:
        return False
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return a == b
    if a == b:
        return one == other or a == 0 or not written
    return abs(a - b) <= tolerance * max(abs(a), abs(b), 1e-300)


def same(ours, theirs, kind):
    """Whether the answers for a row agree; `kind` is the engine's type."""
    if ours[0] == "!" or theirs[0] == "!":
        return ours[0] == theirs[0]
    if ours == theirs:
        return True
    if ours[0] == "~" or theirs[0] == "~":
        return False
    a, b = ours[1:], theirs[1:]
    if kind == "double" or kind.startswith("decimal"):
        if kind.startswith("decimal") and "e" not in b.lower():
            return trimmed(a) == trimmed(b)
        return close(a, b, written=kind == "double")
    if "double" in kind or "decimal" in kind:
        return near(a, b, written="decimal" not in kind)
    return False


def near(a, b, written=False):
    """Whether texts of lists or structs agree but for the last digits of their doubles."""
    one, other = NUMBER.findall(a), NUMBER.findall(b)
    if len(one) != len(other) or NUMBER.sub("#", a) != NUMBER.sub("#", b):
        return False
    return all(close(x, y, written=written) for x, y in zip(one, other))


def trimmed(text):
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
