"""Random streams: rows with disorder, late ones, and the place each has in the order of rows."""

import datetime
import json

BASES = ["2024-02-28 22:00:00", "2024-03-10 01:00:00", "2024-03-31 00:30:00", "2024-10-27 00:00:00",
         "2023-12-31 23:50:00", "1969-12-31 23:30:00", "2026-06-15 12:00:00", "2000-02-29 00:00:00"]
STRINGS = ["a", "b", "square", "héllo", "日本", "", "x y", "it's", "🦆"]
FIELDS = [("k", "string"), ("g", "int64"), ("v", "int64"), ("x", "double"), ("d", "decimal(12,2)"),
          ("s", "string"), ("b", "bool"), ("l", "list<int64>"), ("ts", "timestamp")]
DUCK = {"string": "varchar", "int64": "bigint", "bool": "boolean", "list<int64>": "bigint[]"}


class Stream:
    """A stream of `partitions`, whose rows DuckDB has as table `name` with et, w, tm, part, off and origin."""

    def __init__(self, random, name, base=None, rows=None):
        self.name = name
        self.random = random
        self.bound = random.choice([0, 0, 1, 5, 30, 600])
        start = base or datetime.datetime.fromisoformat(random.choice(BASES))
        self.base = start
        pace = random.choice([1, 5, 20, 60, 300])
        lateness = random.choice([0, 0, self.bound, self.bound * 3 + 2, 900])
        keys = random.choice([1, 2, 3, 6])
        ints = random.choice([[0, 1, 2, 3], list(range(-5, 6)), [-2**31, 2**31, 10**12, -10**15, 7]])
        self.partitions = []
        for _ in range(random.choice([1, 1, 2, 3])):
            clock, made = start, []
            for _ in range(rows if rows is not None else random.randrange(5, 45)):
                clock += datetime.timedelta(seconds=random.choice([0, 0, 1, random.randrange(pace + 1)]))
                at = clock
                if lateness and random.random() < 0.25:
                    at -= datetime.timedelta(seconds=random.randrange(lateness + 1),
                                             microseconds=random.choice([0, 0, 1, 500000]))

                def null(value, chance=0.1):
                    return None if random.random() < chance else value
                made.append({
                    "k": "k" + str(random.randrange(keys)), "g": random.randrange(3),
                    "v": null(random.choice(ints)), "x": null(random.randrange(-4000, 4000) / 8),
                    "d": null(f"{random.randrange(-10**6, 10**6) / 100:.2f}"), "s": null(random.choice(STRINGS)),
                    "b": null(random.random() < 0.5),
                    "l": null([null(random.randrange(9)) for _ in range(random.randrange(4))]),
                    "ts": str(at)})
            self.partitions.append(made)

    def late(self, rows):
        """How many of a partition's rows come when time has passed them."""
        behind, newest = 0, None
        for row in rows:
            at = datetime.datetime.fromisoformat(row["ts"])
            if newest is not None:
                behind += at < newest - datetime.timedelta(seconds=self.bound)
            newest = at if newest is None else max(newest, at)
        return behind

    def yaml(self):
        fields = ", ".join(f'{n}: "{t}"' for n, t in FIELDS)
        return [f"  {self.name}:", f"    from: {{topic: {self.name}, connection: events}}", "    format: json",
                f"    fields: {{{fields}}}", f"    time: {{field: ts, out_of_orderness: {self.bound}s}}",
                "    on_error: fail"]

    def records(self):
        lines = []
        for partition, rows in enumerate(self.partitions):
            lines.append(["D", self.name, str(partition)])
            for row in rows:
                shown = {k: v for k, v in row.items() if v is not None or self.random.random() < 0.5}
                shown["ts"] = row["ts"].replace(" ", "T") + "Z"
                lines.append(["D", self.name, str(partition), json.dumps(shown, ensure_ascii=False)])
        return lines

    def load(self, cursor, ordinal):
        columns = ", ".join(f"{n} {DUCK.get(t, t)}" for n, t in FIELDS)
        cursor.execute(f"create or replace table raw (part bigint, off bigint, {columns})")
        rows = [[p, o] + [row[n] for n, _ in FIELDS]
                for p, rows in enumerate(self.partitions) for o, row in enumerate(rows)]
        for start in range(0, len(rows), 200):
            some = rows[start:start + 200]
            marks = ", ".join("(" + ", ".join("?" * len(rows[0])) + ")" for _ in some)
            cursor.execute(f"insert into raw values {marks}", [c for row in some for c in row])
        cursor.execute(f"""
            create or replace table {self.name} as
            select * replace (w as w), greatest(et, coalesce(w, et)) as tm from (
              select *, ts as et, {ordinal}::bigint * 4294967296 + part as origin,
                max(ts) over (partition by part order by off rows between unbounded preceding and 1 preceding)
                  - interval {self.bound} seconds as w
              from raw)""")
