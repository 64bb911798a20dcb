"""Random values of every type, with the extremes that break things."""

import datetime

WORDS = ["", "a", "b", "square", "Square", "hello world", "héllo wörld", "日本語テキスト", "🦆 duck 🦆",
         "  pad ", "it's", "a,b,,c", "100%", "x_y", "12", "-3.5", "1e3", "true", "null", "NaN", "ÀÉÎ", "ß",
         "2024-02-29", "2024-03-10 02:30:00", "abcabcabc", "aaa", "line\nbreak", "tab\there", "\\", "a.b*c",
         '{"a": 1}', "a-b-c", "Straße", "e\u0301", "ZZZ", "0", "+7", " 42 ", "0x1F", "zebra", "naïve café"]
JSONS = ['{"a": 1, "b": [1, 2, {"c": "x"}], "d": null}', "[1, 2.5, \"x\", null, true]", '"text"', "12", "null",
         '{"a": {"b": {"c": 1.50}}, "é": "ü", "a.b": 3}', "{}", "[]", '{"a": "tab\\tquote\\"", "b": false}',
         "[[1, 2], [3]]", '{"a": 1', "true", '{"b":"2024-01-01","a":[{"k":1},{"k":2}]}', "-0.5e10",
         '{"n": 9223372036854775807, "m": -1}']
PATHS = ["$", "a", "$.a", "$.b[0]", "$.b[2].c", "$.a.b", "$[0]", "$[1]", "d", "$.d", "$[#-1]", "/a", "/b/2/c", "x"]
PATTERNS = ["a", "[a-z]+", "^a", "b$", ".*", "(a)(b)", "[0-9]+", "\\\\d", "a|b", "", "[^a-z]", "(?i)SQUARE", "\\\\s+", "é", "."]
LIKES = ["%", "a%", "%a", "%a%", "_", "__%", "%b%c%", "", "100\\%", "%é%", "SQ%", "a_c%"]
UNITS = ["year", "month", "day", "hour", "minute", "second", "week", "quarter", "decade", "century",
         "millennium", "milliseconds", "microseconds"]
PARTS = UNITS + ["dow", "isodow", "doy", "isoyear", "yearweek", "era"]
FORMATS = ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y", "%H:%M:%S.%f", "%j", "%A %B", "%a %b %d", "%I:%M %p",
           "%y%m%d", "%-d.%-m.%Y", "%U %W %u %w", "%%", "%G-W%V-%u", "%x %X", "%g", "%L", "%c", "%G-W%V", "%V %G", "%Y-%j", "%Y-%U-%w",
           "%w %W %y", "%Y week %V", "%j %d", "%G %j", "%h %T", "%d  %m", "%n", "%H %p"]
INTS = [0, 1, -1, 2, 3, 5, 7, 10, -3, 12, 100, 1000, 255, 2**31 - 1, 2**31, -2**31, 2**53 + 1, 10**18,
        2**63 - 1, -2**63 + 1, -2**63]
SMALL = [0, 1, 2, 3, -1, -2, 4, 5, 7, 10]
FLOATS = ["0", "1", "-1", "1.5", "-2.5", "0.5", "0.1", "3.141592653589793", "1e-300", "1e300", "100", "2",
          "123456789.125", "-0.75", "1e15", "0.3333333333333333", "42", "1e18"]
ODD_FLOATS = ["nan", "inf", "-inf", "-0.0", "9007199254740993", "1.7976931348623157e308"]
TIMES = ["1970-01-01 00:00:00", "2024-02-29 23:59:59.999999", "2024-03-10 02:30:00", "2024-03-31 01:30:00",
         "2024-10-27 02:15:00", "1969-12-31 23:59:59.999999", "1900-02-28 12:00:00", "2000-12-31 23:00:00",
         "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "2021-01-03 10:00:00", "2023-12-31 00:00:00.5"]
DATES = ["1970-01-01", "2024-02-29", "2023-02-28", "2024-12-31", "2024-12-30", "2021-01-03", "1900-03-01",
         "2000-02-29", "0001-01-01", "9999-12-31", "1969-12-31", "2026-01-01"]
INTERVALS = ["interval 1 day", "interval 1 month", "interval 15 minutes", "interval 90 seconds", "interval 2 years",
             "interval 1 week", "interval 36 hours", "interval 0 days", "interval '1 month 3 days 04:05:06.789'",
             "(-interval 5 days)", "interval 1 microsecond"]

DECIMALS = ["decimal(9,2)", "decimal(18,6)", "decimal(38,10)", "decimal(4,1)", "decimal(12,0)"]
SCALARS = ["bool", "int64", "double", "decimal", "timestamp", "date", "string", "bytes"]
LISTS = ["list<int64>", "list<string>", "list<double>", "list<date>", "list<bool>"]


def category(kind):
    """The type without a decimal's digits."""
    at = kind.find("decimal(")
    while at >= 0:
        end = kind.index(")", at)
        kind = kind[:at] + "decimal" + kind[end + 1:]
        at = kind.find("decimal(", at + 7)
    return kind


def decimal_text(random, kind):
    digits, scale = (int(x) for x in kind[8:-1].split(","))
    shape = random.randrange(6)
    if shape == 0:
        value = 10**digits - 1
    elif shape == 1:
        value = 0
    elif shape == 2:
        value = 10**scale if digits > scale else 1
    else:
        value = random.randrange(10 ** min(digits, random.choice([2, 4, digits])))
    sign = "-" if value and random.random() < 0.4 else ""
    text = str(value).rjust(scale + 1, "0")
    return sign + (text[:-scale] + "." + text[-scale:] if scale else text)


def text_of(random, kind, odd=True):
    """A value of `kind` as a table's cell; never None."""
    if kind == "bool":
        return random.choice(["true", "false"])
    if kind == "int64":
        if random.random() < 0.4:
            return str(random.choice(SMALL))
        if odd and random.random() < 0.5:
            return str(random.choice(INTS))
        return str(random.randrange(-10**random.randrange(1, 7), 10**random.randrange(1, 10)))
    if kind == "double":
        if odd and random.random() < 0.08:
            return random.choice(ODD_FLOATS)
        if random.random() < 0.7:
            return random.choice(FLOATS)
        return repr(round(random.uniform(-1000, 1000), random.randrange(6)))
    if kind.startswith("decimal("):
        return decimal_text(random, kind)
    if kind == "timestamp":
        if random.random() < 0.5:
            return random.choice(TIMES)
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(
            days=random.randrange(-9000, 25000), seconds=random.randrange(86400),
            microseconds=random.choice([0, 0, 500000, random.randrange(10**6)]))
        return str(moment)
    if kind == "date":
        if random.random() < 0.5:
            return random.choice(DATES)
        return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=random.randrange(-9000, 25000)))
    if kind == "string":
        if random.random() < 0.1:
            return random.choice(JSONS)
        if random.random() < 0.75:
            return random.choice(WORDS)
        return "".join(random.choice("abcABC ,.-_éß日1290") for _ in range(random.randrange(24)))
    if kind == "bytes":
        return bytes(random.randrange(256) for _ in range(random.randrange(12))).hex()
    if kind.startswith("list<"):
        inner = kind[5:-1]
        return "".join("\x1f" + (("\\N" if random.random() < 0.15 else text_of(random, inner, odd)))
                       for _ in range(random.randrange(5)))
    raise ValueError(kind)


def table(random, count=12):
    """A random table: columns of random types (every scalar type at least once), nulls among the values."""
    columns, kinds = [], []
    picks = SCALARS + [random.choice(["int64", "string", "double", "timestamp"])] + random.sample(LISTS, 2)
    for at, pick in enumerate(picks):
        kind = random.choice(DECIMALS) if pick == "decimal" else pick
        columns.append((f"c{at}", kind))
        kinds.append(kind)
    odd = random.random() < 0.7
    rows = [[None if random.random() < 0.12 else text_of(random, k, odd) for k in kinds] for _ in range(count)]
    return {"columns": columns, "rows": rows}


def literal(text, kind):
    """A value as both languages write it, of just this type."""
    quoted = "'" + text.replace("'", "''") + "'"
    if kind == "int64":
        return f"({text}::bigint)" if not text.startswith("-") else f"(cast('{text}' as bigint))"
    if kind == "string":
        return quoted
    if kind == "bool":
        return text
    if kind == "bytes":
        return f"unhex('{text}')"
    if kind.startswith("list<"):
        inner = kind[5:-1]
        items = ["null" if x == "\\N" else literal(x, inner) for x in text.split("\x1f")[1:]]
        return f"cast([{', '.join(items)}] as {duck_type(kind)})" if items else None
    return f"cast({quoted} as {kind})"


def written(answer, kind):
    """An answer as both languages write it; None when it cannot be."""
    inner = kind[5:-1] if kind.startswith("list<") else None
    plain = ("int64", "string", "double", "bool", "timestamp", "date")
    if inner and inner not in plain or not inner and kind not in plain and not kind.startswith("decimal"):
        return None
    if answer == "~":
        return f"cast(null as {duck_type(kind)})"
    if not inner:
        return literal(answer[1:], kind)
    if inner == "string":
        return None
    items = answer[2:-1].split(", ") if answer != "=[]" else []
    return literal("".join("\x1f" + ("\\N" if i == "NULL" else i) for i in items), kind)


def duck_type(kind):
    if kind.startswith("list<"):
        return duck_type(kind[5:-1]) + "[]"
    return {"int64": "bigint", "string": "varchar", "bytes": "blob", "bool": "boolean"}.get(kind, kind)


def duck_value(text, kind):
    """A table's cell as DuckDB's language writes it."""
    if text is None:
        return f"cast(null as {duck_type(kind)})"
    if kind.startswith("list<"):
        items = ["null" if x == "\\N" else duck_value(x, kind[5:-1]) for x in text.split("\x1f")[1:]]
        return f"cast([{', '.join(items)}] as {duck_type(kind)})"
    if kind == "bytes":
        return f"unhex('{text}')"
    return "cast('" + text.replace("'", "''") + f"' as {duck_type(kind)})"
