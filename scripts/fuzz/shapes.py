"""Random small pipelines, each as YAML steps and as the SQL that asks DuckDB the same of all rows at once."""

from streams import FIELDS

CONDITIONS = ["v > 0", "b", "s is not null", "v is null or v < 3", "d > 10", "x < 100.5", "k <> 'k0'", "length(s) > 1",
              "not b", "v % 2 = 0", "coalesce(v, 1) <> 2", "s in ('a', 'square')", "g = 1 or b"]
COLUMNS = {"v": ["coalesce(v, 0)", "v // 3", "case when b then v else -7 end", "greatest(v, 2)", "length(s)"],
           "x": ["x * 2", "x / 4", "coalesce(x, 0.5::double)", "abs(x)", "v::double"],
           "d": ["cast(d * 2 as decimal(12,2))", "abs(d)", "coalesce(d, cast(1.25 as decimal(12,2)))"],
           "s": ["upper(s)", "concat(k, s)", "s || '!'", "coalesce(s, 'none')", "left(s, 2)", "cast(v as string)"],
           "b": ["v > 1", "not b", "s = 'a'", "b is null"]}
HIDDEN = ["et", "w", "tm", "origin", "part", "off"]
NAMES = [n for n, _ in FIELDS]


def duck(text):
    return text.replace(" as string)", " as varchar)")


def chain(random, source, most=3):
    """Steps without state over `source`, a query with the hidden columns: (steps, query)."""
    steps, query = [], source
    for _ in range(random.randrange(most + 1)):
        if random.random() < 0.5:
            condition = random.choice(CONDITIONS)
            steps.append(f"- filter: \"{condition}\"")
            query = f"(select * from {query} q where {condition})"
        else:
            column = random.choice(list(COLUMNS))
            text = random.choice(COLUMNS[column])
            steps.append(f"- extend: {{{column}: \"{text}\"}}")
            query = f"(select * replace ({duck(text)} as {column}) from {query} q)"
    return steps, query


AGGREGATES = [
    ("count(*)",) * 2, ("count(v)",) * 2, ("sum(v)",) * 2, ("sum(d)",) * 2, ("sum(x)",) * 2, ("avg(v)",) * 2,
    ("avg(x)",) * 2, ("min(v)",) * 2, ("max(v)",) * 2, ("min(s)",) * 2, ("max(s)",) * 2, ("min(d)",) * 2,
    ("max(x)",) * 2, ("min(ts)",) * 2, ("max(ts)",) * 2, ("count(distinct s)",) * 2, ("count(distinct v)",) * 2,
    ("bool_and(b)",) * 2, ("bool_or(b)",) * 2, ("stddev_samp(x)",) * 2, ("var_pop(x)",) * 2,
    ("stddev_pop(x)",) * 2, ("var_samp(x)",) * 2, ("count_if(b)", "count(*) filter (where b)"), ("avg(d)", "avg(d::double)"),
    ("count(*) filter (where b)",) * 2, ("sum(v) filter (where s = 'a')",) * 2,
    ("count(distinct s) filter (where v > 0)",) * 2, ("max(d) filter (where not b)",) * 2,
    ("count(*) + sum(v)",) * 2, ("max(v) - min(v)",) * 2, ("coalesce(sum(v), 0)",) * 2,
    ("median(x)",) * 2, ("quantile_cont(x, 0.25)",) * 2, ("quantile_disc(v, 0.5)",) * 2, ("bit_xor(v)",) * 2,
    ("bit_or(v)",) * 2, ("bit_and(g)",) * 2, ("product(g)",) * 2, ("entropy(s)",) * 2, ("mad(x)",) * 2,
    ("regr_count(x, v)",) * 2, ("fsum(x)",) * 2, ("corr(x, g)",) * 2, ("covar_pop(x, g)",) * 2, ("sem(x)",) * 2]
ORDERED = [
    ("first(v)", "first(v order by {o})"), ("last(s)", "last(s order by {o})"), ("list(v)", "list(v order by {o})"),
    ("string_agg(s, '|')", "string_agg(s, '|' order by {o})"), ("arg_max(s, v)", "arg_max(s, v order by {o})"),
    ("arg_min(d, v)", "arg_min(d, v order by {o})"), ("any_value(s)", "any_value(s order by {o})")]
EVENT_ORDER = "et, origin, off"


def aggregates(random, ordered=True):
    """Items of a select: (yaml text, sql list)."""
    pool = AGGREGATES + (ORDERED if ordered else [])
    picks = random.sample(pool, random.randrange(1, 5))
    ours = ", ".join(f'a{i}: "{p[0]}"' for i, p in enumerate(picks))
    theirs = ", ".join(f"{p[1].replace('{o}', EVENT_ORDER)} as a{i}" for i, p in enumerate(picks))
    return ours, theirs


def by(random):
    return random.choice([["k"], ["k"], ["g"], ["k", "g"], []])


def seconds(random):
    return random.choice([1, 5, 10, 60, 300, 3600, 7])


class Case:
    """One pipeline: its steps, the query of what must come out, and the key by which changes replace rows."""

    def __init__(self, kind, steps, query, key=None, routes=(), source=None):
        self.kind, self.steps, self.query, self.key = kind, steps, query, key
        self.source = source


HAVINGS = [None, None, None, "count(*) > 1", "max(v) > 0 or count(s) = 2", "sum(v) is not null"]


def having_yaml(condition):
    return f'having: "{condition}", ' if condition else ""


def windowed(random, source):
    steps, query = chain(random, source)
    keys = by(random)
    shape = random.choice(["tumble", "hop", "cumulate"])
    step = seconds(random)
    size = step if shape == "tumble" else step * random.choice([1, 2, 3, 5])
    allow = random.choice([None, None, 0, 5, 60])
    ours, theirs = aggregates(random)
    window = f"{shape}: {size}s" + ("" if shape == "tumble" else f", every: {step}s")
    late = "drop" if allow is None else f"{{allow: {allow}s, then: drop}}"
    having = random.choice(HAVINGS)
    steps.append(f"- aggregate: {{id: ID, by: [{', '.join(keys)}], window: {{{window}}}, "
                 f"select: {{{ours}}}, {having_yaml(having)}late: {late}}}")
    micros = "epoch_us(et)"
    unit, width = step * 10**6, size * 10**6
    floor = f"({micros} - (({micros} % {unit}) + {unit}) % {unit})"
    if shape == "cumulate":
        start = f"({micros} - (({micros} % {width}) + {width}) % {width})"
        places = (f"select *, {start} as ws, {start} + n * {unit} as we from {query} q, range(1, {size // step + 1}) r(n) "
                  f"where {start} + n * {unit} > {micros}")
    else:
        places = f"select *, {floor} - n * {unit} as ws, {floor} - n * {unit} + {width} as we from {query} q, range({size // step}) r(n)"
    group = ", ".join(keys + ["ws", "we"])
    result = (f"select {''.join(k + ', ' for k in keys)}make_timestamp(ws) as window_start, make_timestamp(we) as window_end, {theirs} "
              f"from ({places}) p where w is null or epoch_us(w) < we + {(allow or 0) * 10**6} group by {group}"
              + (f" having {having}" if having else ""))
    # A correction that does not pass leaves what came out before.
    if having and allow:
        steps[-1] = steps[-1].replace(having_yaml(having), "")
        result = result.removesuffix(f" having {having}")
        having = None
    return Case(shape + (" having" if having else ""), steps, result, keys + ["window_start", "window_end"])


def updating(random, source):
    steps, query = chain(random, source)
    keys = by(random)
    ours, theirs = aggregates(random, ordered=False)
    steps.append(f"- aggregate: {{id: ID, by: [{', '.join(keys)}], window: none, select: {{{ours}}}}}")
    names = "".join(k + ", " for k in keys)
    group = f"group by {', '.join(keys)}" if keys else "having count(*) > 0"
    return Case("window none", steps, f"select {names}{theirs} from {query} q {group}", keys)


def session(random, source):
    steps, query = chain(random, source)
    keys = by(random) or ["k"]
    gap = random.choice([1, 5, 30, 120])
    ours, theirs = aggregates(random)
    steps.append(f"- aggregate: {{id: ID, by: [{', '.join(keys)}], window: {{session: {gap}s}}, "
                 f"select: {{{ours}}}, late: {{allow: 30d, then: drop}}}}")
    part = f"partition by {', '.join(keys)} order by et, origin, off"
    result = f"""select {', '.join(keys)}, min(et) as window_start, max(et) + interval {gap} seconds as window_end, {theirs}
      from (select *, sum(fresh) over ({part}) as island from (
        select *, case when et - lag(et) over ({part}) < interval {gap} seconds then 0 else 1 end as fresh
        from {query} q)) group by {', '.join(keys)}, island"""
    return Case("session", steps, result, keys + ["window_start", "window_end"])


def plain(random, source):
    steps, query = chain(random, source, most=5)
    names = NAMES
    if random.random() < 0.4:
        names = random.sample(NAMES, random.randrange(1, 6))
        steps.append("- select: {" + ", ".join(f"{n}: {n}" for n in names) + "}")
    return Case("chain", steps, f"select {', '.join(names)} from {query} q")


def unnest(random, source):
    steps, query = chain(random, source)
    steps.append("- unnest: l as one")
    steps.append("- select: {k: k, one: one, v: v}")
    return Case("unnest", steps, f"select k, one, v from (select *, unnest(l) as one from {query} q)")


ORDER = "tm, origin, off"


def deduplicate(random, source):
    steps, query = chain(random, source)
    keys = by(random) or ["k"]
    within = random.choice([1, 10, 60, 600, 86400 * 365])
    steps.append(f"- deduplicate: {{id: ID, by: [{', '.join(keys)}], within: {within}s}}")
    same = " and ".join(f"o.{k} is not distinct from p.{k}" for k in keys)
    names = ", ".join(keys)
    result = f"""with recursive o as (
        select *, row_number() over (partition by {names} order by {ORDER}) as rn from {query} q),
      p as (select {names}, rn, tm as kept, true as passes from o where rn = 1
        union all
        select {', '.join('o.' + k for k in keys)}, o.rn,
          case when o.tm - p.kept >= interval {within} seconds then o.tm else p.kept end,
          o.tm - p.kept >= interval {within} seconds
        from p join o on {same} and o.rn = p.rn + 1)
      select {', '.join('o.' + n for n in NAMES)} from o join p on {same} and o.rn = p.rn where passes"""
    return Case("deduplicate", steps, result)


def latest(random, source):
    steps, query = chain(random, source)
    keys = by(random) or ["k"]
    value = random.choice(["coalesce(v, 0)", "ts", "coalesce(d, cast(0 as decimal(12,2)))", "coalesce(s, '')"])
    steps.append(f"- latest: {{id: ID, by: [{', '.join(keys)}], order: \"{value}\"}}")
    over = (f"over (partition by {', '.join(keys)} order by {ORDER} "
            "rows between unbounded preceding and 1 preceding)")
    result = f"""select {', '.join(NAMES)} from (
        select *, max({value}) {over} as newest, {value} as mine from {query} q)
      where newest is null or mine >= newest"""
    return Case("latest", steps, result)


def rolling(random, source):
    steps, query = chain(random, source)
    keys = by(random) or ["k"]
    over = seconds(random)
    includes = random.random() < 0.7
    pool = [a for a in AGGREGATES if "distinct" not in a[0] or "filter" not in a[0]]
    picks = random.sample(pool, random.randrange(1, 4))
    ours = ", ".join(f'a{i}: "{p[0]}"' for i, p in enumerate(picks))
    steps.append(f"- rolling: {{id: ID, by: [{', '.join(keys)}], over: {over}s, include_self: {str(includes).lower()}, "
                 f"select: {{{ours}}}}}")
    inner = ", ".join(f"{p[1]} as a{i}" for i, p in enumerate(picks))
    same = " and ".join(f"i.{k} is not distinct from r.{k}" for k in keys)
    compare = "<=" if includes else "<"
    # A key is forgotten when time has passed its newest row by the width; of a key's rows those within the width of
    # the newest are kept.
    each = f"over (partition by {', '.join(keys)} order by {ORDER} rows between unbounded preceding and"
    width = f"interval {over} seconds"
    result = f"""with n as (select *, max(et) {each} 1 preceding) as newest, row_number() over (order by {ORDER}) as rn
        from {query} q),
      o as (select *, count(*) filter (where tm >= newest + {width}) {each} current row) as life from n)
      select {', '.join('r.' + n for n in NAMES)}, {', '.join(f'z.a{i}' for i in range(len(picks)))}
      from o r, lateral (select {inner} from o i where {same} and i.rn {compare} r.rn and i.life = r.life
        and (i.rn = r.rn or i.et > r.newest - {width}) and i.et <= r.et and i.et > r.et - {width}) z"""
    return Case("rolling", steps, result)


def rebatch(random, source):
    steps, query = chain(random, source)
    size = random.choice([1, 2, 3, 7])
    steps.append(f"- rebatch: {{id: ID, by: k, size: {size}}}")
    steps.append("- select: {k: k, size: size, first_event_time: first_event_time, last_event_time: last_event_time}")
    result = f"""select k, count(*) as size, min(et) as first_event_time, max(et) as last_event_time from (
        select *, (row_number() over (partition by k order by {ORDER}) - 1) // {size} as batch from {query} q)
      group by k, batch"""
    return Case("rebatch", steps, result)


ONE = [windowed, windowed, updating, session, plain, unnest, deduplicate, latest, rolling, rebatch]


def top(random, source):
    """The first rows of each key, of all rows that ever came."""
    steps, query = chain(random, source)
    keys = by(random)
    count = random.choice([1, 2, 3, 10])
    ties = random.choice(["row_number", "rank", "dense_rank"])
    order = random.choice(["v desc", "v", "d desc nulls first", "s, v desc", "x", "b desc, ts", "ts desc"])
    steps.append(f"- top: {{id: ID, by: [{', '.join(keys)}], order: \"{order}\", n: {count}, ties: {ties}, rank: place}}")
    asked = ", ".join(o if "nulls" in o else o + " nulls last" for o in order.split(", "))
    if ties == "row_number":
        asked += f", {ORDER}"
    part = f"partition by {', '.join(keys)} " if keys else ""
    result = f"""select {', '.join(NAMES)}, place from (
      select *, {ties}() over ({part}order by {asked}) as place from {query} q) where place <= {count}"""
    if ties == "row_number":
        return Case("top", steps, result, keys + ["place"])
    # Rows of one place have no key but themselves: what is taken back is an equal row.
    case = Case("top", steps, result)
    case.output = ["place", "k", "g", "v", "s", "b", "ts"]
    return case


def two_levels(random, source):
    """An aggregate over the windows of another."""
    steps, query = chain(random, source)
    size = seconds(random)
    steps.append(f"- aggregate: {{id: ID, by: [k, g], window: {{tumble: {size}s}}, select: {{c: count(*), t: sum(v)}}, late: drop}}")
    keys = random.choice([["k"], ["g"], []])
    steps.append(f"- aggregate: {{id: ID, by: [{', '.join(keys)}], window: {{of: window_end}}, "
                 "select: {most: max(c), least: min(t), all: sum(c)}, late: drop}")
    unit = size * 10**6
    start = f"(epoch_us(et) - ((epoch_us(et) % {unit}) + {unit}) % {unit})"
    result = f"""select {''.join(k + ', ' for k in keys)}make_timestamp(ws) as window_start,
        make_timestamp(ws + {unit}) as window_end, max(c) as most, min(t) as least, sum(c) as "all" from (
      select k, g, ws, count(*) as c, sum(v) as t from (select *, {start} as ws from {query} q) p
      where w is null or epoch_us(w) < ws + {unit} group by k, g, ws) group by {', '.join(keys + ['ws'])}"""
    return Case("two levels", steps, result, keys + ["window_start", "window_end"])


def table_of_table(random, source):
    """An aggregate over the changes of another."""
    steps, query = chain(random, source)
    inner, _ = aggregates(random, ordered=False)
    steps.append("- aggregate: {id: ID, by: [k, g], window: none, changelog: full, select: {c: count(*), t: sum(v), m: max(d)}}")
    steps.append("- aggregate: {id: ID, by: [k], window: none, changelog: upsert, "
                 "select: {most: max(c), least: min(t), mean: avg(t), rows: count(t), kinds: count(distinct m)}}")
    result = f"""select k, max(c) as most, min(t) as least, avg(t) as mean, count(t) as rows, count(distinct m) as kinds
      from (select k, g, count(*) as c, sum(v) as t, max(d) as m from {query} q group by k, g) group by k"""
    return Case("table of a table", steps, result, ["k"])


def left_table(random, source):
    """A table whose rows come and go with a condition over their results."""
    steps, query = chain(random, source)
    ours, theirs = aggregates(random, ordered=False)
    having = random.choice(HAVINGS[3:])
    steps.append(f"- aggregate: {{id: ID, by: [k, g], window: none, changelog: full, select: {{{ours}}}, having: \"{having}\"}}")
    return Case("window none having", steps, f"select k, g, {theirs} from {query} q group by k, g having {having}", ["k", "g"])


def top_of_windows(random, source):
    """The first results of each window of an aggregate."""
    steps, query = chain(random, source)
    step = seconds(random)
    size = step * random.choice([1, 1, 2, 3])
    form = f"tumble: {size}s" if size == step else f"hop: {size}s, every: {step}s"
    steps.append(f"- aggregate: {{id: ID, by: [k, g], window: {{{form}}}, select: {{c: count(*), t: sum(v)}}, late: drop}}")
    keys, ties = random.choice([[], ["g"]]), random.choice(["row_number", "rank", "dense_rank"])
    order = random.choice(["c desc, k, g", "t desc, g, k", "k, g"] if ties == "row_number" else ["c desc", "t", "c, t desc"])
    count = random.choice([1, 2, 3])
    steps.append(f"- top: {{id: ID, by: [{', '.join(keys)}], window: {{of: window_end}}, order: \"{order}\", n: {count}, "
                 f"ties: {ties}, rank: place}}")
    unit = step * 10**6
    floor = f"(epoch_us(et) - ((epoch_us(et) % {unit}) + {unit}) % {unit})"
    sorting = ", ".join(o + " nulls last" for o in order.split(", "))
    result = f"""select k, g, c, t, make_timestamp(ws) as window_start, make_timestamp(ws + {size * 10**6}) as window_end, place from (
      select *, {ties}() over (partition by {', '.join(keys + ['ws'])} order by {sorting}) as place from (
        select k, g, ws, count(*) as c, sum(v) as t from (
          select *, {floor} - n * {unit} as ws from {query} q, range({size // step}) r(n)) p
        where w is null or epoch_us(w) < ws + {size * 10**6} group by k, g, ws) a) where place <= {count}"""
    return Case("top of windows", steps, result)


def top_of_table(random, source):
    """The first rows of a table that changes."""
    steps, query = chain(random, source)
    steps.append("- aggregate: {id: ID, by: [k, g], window: none, changelog: full, select: {c: count(*), t: sum(v)}}")
    keys, count = random.choice([[], ["k"], ["g"]]), random.choice([1, 2, 3])
    order = random.choice(["c desc, k, g", "t desc, g, k", "t, c desc, g, k"])
    steps.append(f"- top: {{id: ID, by: [{', '.join(keys)}], order: \"{order}\", n: {count}}}")
    part = f"partition by {', '.join(keys)} " if keys else ""
    sorting = ", ".join(o + " nulls last" for o in order.split(", "))
    result = f"""select k, g, c, t from (select k, g, count(*) as c, sum(v) as t from {query} q group by k, g)
      qualify row_number() over ({part}order by {sorting}) <= {count}"""
    return Case("top of a table", steps, result, ["k", "g"])


ONE += [top, top, two_levels, table_of_table, left_table, top_of_windows, top_of_table]
