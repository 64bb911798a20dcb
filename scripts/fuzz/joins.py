"""Random joins of two streams, and the SQL that asks DuckDB the same."""

from shapes import Case, EVENT_ORDER, chain, seconds

RIGHT = ["g", "v", "s", "ts"]


def right_columns():
    return ", ".join(f"p.{n} as p_{n}" for n in RIGHT)


def tail(steps, left, right=True):
    columns = ", ".join(f"{n}: {n}" for n in left)
    if right:
        columns += ", " + ", ".join(f"p_{n}: p.{n}" for n in RIGHT)
    steps.append(f"- select: {{{columns}}}")


LEFT = ["k", "v", "d", "ts"]


def as_of(random, left, right):
    steps, query = chain(random, left.name, most=2)
    kind = random.choice(["inner", "left", "semi", "anti"])
    steps.append(f"- join: {{id: ID, with: {right.name}, as: p, on: k, type: {kind}, as_of: {{}}}}")
    tail(steps, LEFT, kind in ("inner", "left"))
    # The table's row: of those before the left one in the order the last.
    before = "(p.tm, p.origin, p.off) < (l.tm, l.origin, l.off)"
    columns = ", ".join("l." + n for n in LEFT)
    if kind in ("inner", "left"):
        result = f"""select {columns}, {right_columns()} from {query} l {kind} join lateral (
            select * from {right.name} p where p.k = l.k and {before}
            order by p.tm desc, p.origin desc, p.off desc limit 1) p on true"""
    else:
        word = "exists" if kind == "semi" else "not exists"
        result = f"select {columns} from {query} l where {word} (select 1 from {right.name} p where p.k = l.k and {before})"
    return Case("join as_of " + kind, steps, result)


def within(random, left, right):
    steps, query = chain(random, left.name, most=2)
    kind = random.choice(["inner", "left", "semi", "anti"])
    before, after = random.choice([0, 1, 10, 60]), random.choice([1, 5, 30, 300])
    steps.append(f"- join: {{id: ID, with: {right.name}, as: p, on: k, type: {kind}, "
                 f"within: {{before: {before}s, after: {after}s}}}}")
    tail(steps, LEFT, kind in ("inner", "left"))
    # Of two rows the later in the order must come before the other has waited long enough, or at the other's own time.
    near = f"""p.k = l.k and p.et between l.et - interval {before} seconds and l.et + interval {after} seconds
      and case when (p.tm, p.origin, p.off) < (l.tm, l.origin, l.off)
        then l.tm <= greatest(p.et + interval {before} seconds, p.tm)
        else p.tm <= greatest(l.et + interval {after} seconds, l.tm) end"""
    columns = ", ".join("l." + n for n in LEFT)
    if kind in ("inner", "left"):
        result = f"select {columns}, {right_columns()} from {query} l {kind} join {right.name} p on {near}"
    else:
        word = "exists" if kind == "semi" else "not exists"
        result = f"select {columns} from {query} l where {word} (select 1 from {right.name} p where {near})"
    return Case("join within " + kind, steps, result)


def tables(random, left, right):
    kind = random.choice(["inner", "left"])
    steps = [f"- join: {{id: ID, with: {right.name}, as: p, on: k, type: {kind}, tables: {{key: [k, g], with_key: [k, g]}}}}"]
    columns = ["k", "g", "v", "d"]
    steps.append("- select: {" + ", ".join(f"{n}: {n}" for n in columns) + ", p_g: p.g, p_v: p.v, p_s: p.s}")

    def newest(stream):
        return f"""(select * from {stream.name} qualify row_number() over
          (partition by k, g order by tm desc, origin desc, off desc) = 1)"""
    result = f"""select {', '.join('l.' + n for n in columns)}, p.g as p_g, p.v as p_v, p.s as p_s
      from {newest(left)} l {kind} join {newest(right)} p on l.k = p.k"""
    return Case("join tables " + kind, steps, result, ["k", "g", "p_g"])


TWO = [as_of, within, tables]


TYPES = ["inner", "left", "right", "full", "semi", "anti"]


def asked(kind, left, right, condition, columns):
    """The join of two queries as SQL."""
    shown = ", ".join("l." + n for n in columns)
    if kind in ("semi", "anti"):
        word = "exists" if kind == "semi" else "not exists"
        return f"select {shown} from {left} l where {word} (select 1 from {right} p where {condition})"
    # A right row without partner gives its own values to the columns that are compared.
    shown = shown.replace("l.k", "coalesce(l.k, p.k) as k")
    return f"select {shown}, {right_columns()} from {left} l {kind} join {right} p on {condition}"


def window(random, left, right):
    steps, query = chain(random, left.name, most=1)
    kind = random.choice(TYPES)
    step = seconds(random)
    size = step * random.choice([1, 1, 2, 3])
    form = f"tumble: {size}s" if size == step else f"hop: {size}s, every: {step}s"
    steps.append(f"- join: {{id: ID, with: {right.name}, as: p, on: k, type: {kind}, window: {{{form}}}}}")
    tail(steps, LEFT, kind not in ("semi", "anti"))

    def placed(rows):
        unit = step * 10**6
        floor = f"(epoch_us(et) - ((epoch_us(et) % {unit}) + {unit}) % {unit})"
        return f"""(select * from (select *, {floor} - n * {unit} as ws from {rows} r, range({size // step}) r(n)) p
          where w is null or epoch_us(w) < ws + {size * 10**6})"""
    return Case("join window " + kind, steps,
                asked(kind, placed(query), placed(right.name), "p.k = l.k and p.ws = l.ws", LEFT))


def bags(random, left, right):
    steps, query = chain(random, left.name, most=1)
    kind = random.choice(TYPES)
    where = random.choice([None, None, "p.v > v", "p.ts >= ts"])
    also = f", where: \"{where}\"" if where else ""
    steps.append(f"- join: {{id: ID, with: {right.name}, as: p, on: k, type: {kind}, tables: {{}}{also}}}")
    columns = ["k", "v", "ts"]
    tail(steps, columns, kind not in ("semi", "anti"))
    condition = "p.k = l.k" + {None: "", "p.v > v": " and p.v > l.v", "p.ts >= ts": " and p.ts >= l.ts"}[where]
    case = Case("join bags " + kind, steps, asked(kind, query, right.name, condition, columns))
    if kind not in ("inner", "semi"):
        case.output = columns + ([f"p_{n}" for n in RIGHT] if kind != "anti" else [])
    return case


def keyed(random, left, right):
    """Two tables whose rows have keys finer than what joins them."""
    kind = random.choice(TYPES)
    steps = [f"- join: {{id: ID, with: {right.name}, as: p, on: k, type: {kind}, tables: {{key: [k, g], with_key: [k, g]}}}}"]
    columns = ["k", "v", "ts"]
    tail(steps, columns, kind not in ("semi", "anti"))

    def newest(stream):
        return f"""(select * from {stream.name} qualify row_number() over
          (partition by k, g order by tm desc, origin desc, off desc) = 1)"""
    case = Case("join keyed " + kind, steps, asked(kind, newest(left), newest(right), "p.k = l.k", columns))
    case.output = columns + ([f"p_{n}" for n in RIGHT] if kind not in ("semi", "anti") else [])
    return case


def as_of_each(random, left, right):
    """As of a table whose key is finer than what joins: a row for each of its rows."""
    steps, query = chain(random, left.name, most=2)
    kind = random.choice(["inner", "left"])
    steps.append(f"- join: {{id: ID, with: {right.name}, as: p, on: k, type: {kind}, as_of: {{key: g}}}}")
    tail(steps, LEFT)
    result = f"""select {", ".join("l." + n for n in LEFT)}, {right_columns()} from {query} l {kind} join lateral (
        select * from {right.name} p where p.k = l.k and (p.tm, p.origin, p.off) < (l.tm, l.origin, l.off)
        qualify row_number() over (partition by p.g order by p.tm desc, p.origin desc, p.off desc) = 1) p on true"""
    return Case("join as_of each " + kind, steps, result)


TWO += [window, bags, keyed, as_of_each]
