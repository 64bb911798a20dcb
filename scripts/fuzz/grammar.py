"""What expressions there are: every function of docs/FUNCTIONS.md and every operator, with the types that the
engine's own compiler says they take and give."""

import itertools
import re

import values

CATEGORIES = values.SCALARS + ["interval", "list<int64>", "list<string>", "list<double>"]
TIMES = ["timestamp", "date"]

# What a parameter of a name may be: types, or @DOMAIN for values that mean something there.
PARAMETERS = {
    "text": ["string"], "part": ["string"], "separator": ["string"], "fill": ["string"],
    "characters": ["string"], "other": ["string"], "from": None, "replacement": ["@replacement"],
    "pattern": ["@pattern"], "options": ["@options"], "lat": ["@degrees"], "lon": ["@degrees"], "lat1": ["@degrees"], "lat2": ["@degrees"],
    "lon1": ["@degrees"], "lon2": ["@degrees"], "group": ["@group"], "format": ["@format"],
    "json": ["@json"], "path": ["@path"], "digits": ["@digits"], "n": ["@small", "int64"],
    "length": ["@small"], "start": ["@small"], "base": ["@base"], "order": ["@order"], "nulls": ["@nulls"],
    "unit": ["@unit"], "condition": ["bool"], "bytes": ["bytes", "string"], "interval": ["interval"],
    "width": ["@width"], "origin": TIMES + ["interval"], "t": TIMES + ["interval"], "name": ["@name"],
    "seconds": ["double", "int64"], "year": ["@year"], "month": ["@small"], "day": ["@small"],
    "hour": ["@small"], "minute": ["@small"], "step": ["@small"],
    "zone": ["@zone"], "character": ["@character"], "url": ["@url"], "address": ["@address"], "map": ["@map"], "struct": ["@struct"], "structure": ["@structure"],
    "key": ["string", "int64"], "bits": ["@small"],
}
# Where the name of a parameter says too little.
OWN = {
    "date_part": [["@part", "@fraction"], TIMES + ["interval"]],
    "datepart": [["@part", "@fraction"], TIMES + ["interval"]], "struct_extract": [["@struct"], ["@first"]],
    "translate": [["string"]] * 3, "range": [["@small"]] * 3, "generate_series": [["@small"]] * 3,
    "date_diff": [["@unit"], TIMES, TIMES], "date_sub": [["@unit"], TIMES, TIMES], "age": [TIMES, TIMES],
    "list_slice": [["list<int64>", "list<string>", "string"], ["@small"], ["@small"]],
    "repeat": [["string"], ["@small"]], "lpad": [["string"], ["@small"], ["string"]],
    "rpad": [["string"], ["@small"], ["string"]], "chr": [["@code"]], "factorial": [["@small"]],
    "unhex": [["@hex"]], "from_base64": [["@base64"]], "url_decode": [["string"]],
    "strptime": [["string", "@date"], ["@format"]], "try_strptime": [["string", "@date"], ["@format"]],
    "make_timestamp": [["@year"], ["@month"], ["@small"], ["@small"], ["@small"], ["double"]],
    "make_date": [["@year"], ["@month"], ["@small"]],
    "to_timestamp": [["@seconds"]], "bin": [["string", "bytes", "int64"]], "hex": [["string", "bytes", "int64"]],
    "gamma": [["double", "@small"]], "pow": [["double", "int64", "decimal"], ["@small", "double"]],
    "exp": [["double", "@small"]], "round": [["double", "decimal", "int64"], ["@digits"]],
    "round_even": [["double", "decimal", "int64"], ["@digits"]],
    "trunc": [["double", "decimal", "int64"], ["@digits"]],
    "array_to_string": [["list<int64>", "list<string>", "list<double>"], ["string"]],
    "time_bucket": [["@width"], TIMES, TIMES + ["interval"]],
}
for name in ("list_resize", "array_resize"):
    OWN[name] = [["list<int64>", "list<string>"], ["@small"], ["int64", "string"]]
for unit in ("years", "months", "weeks", "days", "hours", "minutes", "milliseconds", "microseconds"):
    OWN["to_" + unit] = [["@small"]]

for name in ("list_has_any", "list_has_all", "list_intersect", "array_has_any", "array_has_all", "array_intersect"):
    OWN[name] = [["list<int64>", "list<string>", "list<double>"]] * 2
for name in ("damerau_levenshtein", "hamming", "mismatches", "jaccard", "jaro_similarity", "jaro_winkler_similarity",
             "levenshtein", "editdist3"):
    OWN[name] = [["string"], ["string"]]
OWN["printf"] = [["@printf"], ["string", "int64", "double"], ["string", "int64"]]
OWN["format"] = [["@braces"], ["string", "int64", "double"], ["string", "int64"]]
for name in ("json_merge_patch", "json_deep_merge", "json_merge_patch_diff", "json_contains"):
    OWN[name] = [["@json"]] * 3
for name in ("regexp_replace",):
    OWN[name] = [["string"], ["@pattern"], ["@replacement"], ["@all"]]

RAW = ("interval", "raw")
DOMAINS = {
    "fraction": ("string", ["epoch", "julian"]), "first": ("string", ["a"]),
    "map": ("raw", ["map(['a', 'b'], [1, 2])", "map(['b', 'x', 'é'], [7, null, -1])", "map([]::varchar[], []::bigint[])"]),
    "struct": ("raw", ["{a: 1, b: 'x'}", "{a: 7, b: 'é'}", "{a: -3, b: null::varchar}"]),
    "structure": ("string", ['{"a": "BIGINT", "b": ["VARCHAR"]}', '["DOUBLE"]', '{"a": {"b": "VARCHAR"}}', '"BOOLEAN"']),
    "printf": ("string", ["%s", "%d", "%05d", "%.2f", "[%s]", "%x"]), "braces": ("string", ["{}", "{:.2f}", "{:>8}", "<{}>", "{0}"]),
    "degrees": ("double", ["0", "52.52", "13.405", "-33.9", "89.9", "-122.4194", "37.7749"]),
    "all": ("string", ["", "g", "gi", "i", "s"]),
    "pattern": ("string", [v.replace("\\\\", "\\") for v in values.PATTERNS]), "path": ("string", values.PATHS),
    "unit": ("string", values.UNITS), "part": ("string", values.PARTS), "format": ("string", values.FORMATS),
    "options": ("string", ["", "i", "s", "c"]), "group": ("int64", ["0", "1", "2"]),
    "replacement": ("string", ["-", "", "\\1", "x\\0y", "é"]), "order": ("string", ["asc", "desc", "ASC", "DESC"]),
    "nulls": ("string", ["nulls first", "nulls last", "NULLS FIRST"]), "json": ("string", values.JSONS),
    "digits": ("int64", ["0", "1", "2", "3", "-1", "-2", "5"]), "base": ("int64", ["2", "8", "10", "16", "36", "3"]),
    "small": ("int64", [str(x) for x in values.SMALL]), "year": ("int64", ["1970", "2024", "2023", "1900", "1", "9999"]),
    "month": ("int64", ["1", "2", "12", "6", "0", "13"]), "seconds": ("double", ["0", "1.5", "1709214330.25", "-1"]),
    "code": ("int64", ["65", "233", "128512", "32", "8364"]), "hex": ("string", ["616263", "", "FF00", "abc", "C3A9"]),
    "base64": ("string", ["aGVsbG8=", "", "w6k=", "abc"]), "name": ("string", ["a", "b"]),
    "width": ("interval", ["interval 15 minutes", "interval 1 day", "interval 1 month", "interval 7 days",
                           "interval 1 year", "interval 90 seconds", "interval 3 months"]),
    "date": ("string", ["2024-02-29", "05/03/2024", "2024-02-29 13:14:15", "13:14:15.5", "soon", "02:30 PM",
                        "2024-W09-4", "2026-W53-7", "2024-W53", "53 2020", "2023-366", "2024-00-6", "2024 060", "42", "0 PM",
                        "3 9 24", "60 07", " 5 \t 06 ", "2020 week 11", "Mar 10:11:12", "1234567", "999999999"]),
    "like": ("string", values.LIKES), "similar": ("string", [v.replace("\\\\", "\\") for v in values.PATTERNS]),
    "zone": ("string", ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe",
                        "America/Sao_Paulo", "Pacific/Auckland"]),
    "character": ("string", ["a", "!", "é", ","]), "address": ("string", ["203.0.113.77", "::1"]),
    "url": ("string", ["https://example.com/a/b?x=1&y=2#z", "http://a.b", "", "nonsense", "/p/q"]),
}

# Operators and forms, with what may stand in their places.
NUMBERS = ["int64", "double", "decimal"]
SORTABLE = ["bool", "int64", "double", "decimal", "timestamp", "date", "string", "bytes", "list<int64>"]
FORMS = [("({0} + {1})", [NUMBERS + TIMES + ["interval"]] * 2), ("({0} - {1})", [NUMBERS + TIMES + ["interval"]] * 2),
         ("({0} * {1})", [NUMBERS] * 2), ("({0} / {1})", [NUMBERS] * 2), ("({0} // {1})", [["int64"]] * 2),
         ("({0} % {1})", [NUMBERS] * 2), ("(-{0})", [NUMBERS]), ("({0} & {1})", [["int64"]] * 2),
         ("({0} | {1})", [["int64"]] * 2), ("(~{0})", [["int64"]]), ("({0} << {1})", [["int64"], ["@small"]]),
         ("({0} >> {1})", [["int64"], ["@small"]]), ("({0} ** {1})", [["double", "int64"], ["@small"]]),
         ("({0} || {1})", [["string"], ["string", "int64", "date", "bool", "decimal"]]),
         ("({0} || {1})", [["list<int64>"], ["list<int64>"]]),
         ("({0} and {1})", [["bool"]] * 2), ("({0} or {1})", [["bool"]] * 2), ("(not {0})", [["bool"]]),
         ("({0} is null)", [SORTABLE]), ("({0} is not null)", [SORTABLE]), ("({0} is true)", [["bool"]]),
         ("({0} is not false)", [["bool"]]),
         ("({0} like {1})", [["string"], ["@like"]]), ("({0} not like {1})", [["string"], ["@like"]]),
         ("({0} ilike {1})", [["string"], ["@like"]]), ("({0} similar to {1})", [["string"], ["@similar"]]),
         ("({0} like {1} escape '!')", [["string"], ["@like"]]),
         ("({0} in ({1}, {2}))", None), ("({0} between {1} and {2})", None), ("({0} not in ({1}, {2}))", None),
         ("({0})[{1}]", [["list<int64>", "list<string>", "string"], ["@small"]]),
         ("({0})[{1}:{2}]", [["list<int64>", "string"], ["@small"], ["@small"]]),
         ("({0} in {1})", [["int64"], ["list<int64>"]]), ("({0} in {1})", [["string"], ["list<string>"]]),
         ("extract(year from {0})", [TIMES]), ("extract(epoch from {0})", [TIMES]),
         ("({0} ->> {1})", [["@json"], ["@path"]]), ("({0} -> {1})", [["@json"], ["@path"]]),
         ("struct_extract({{a: {0}, b: {1}}}, 'b')", [["int64", "string"], ["int64", "string", "date"]]),
         ("{{a: {0}, b: {1}}}.a", [["int64", "string", "decimal"], ["int64", "string"]]),
         ("{{a: {0}, b: {1}}}", [["int64", "string", "double"], ["timestamp", "string"]]),
         ("[{0}, {1}]", None), ("try({0})", [["int64", "string", "double", "date"]]),
         ("list_transform({0}, lambda e: e + {1})", [["list<int64>"], ["int64"]]),
         ("list_transform({0}, lambda e, i: concat(e, i))", [["list<string>", "list<double>", "list<int64>"]]),
         ("list_filter({0}, lambda e: e > {1})", [["list<int64>", "list<double>"], ["int64", "double"]]),
         ("list_filter({0}, lambda e, i: i > 1)", [["list<string>"]]),
         ("list_reduce({0}, lambda a, e: a + e)", [["list<double>", "list<int64>"]]),
         ("list_reduce({0}, lambda a, e: concat(a, e))", [["list<string>"]]),
         ("[e * 2 for e in {0} if e > 1]", [["list<int64>", "list<double>"]]),
         ("struct_insert({0}, z := {1})", [["@struct"], ["int64", "string"]]),
         ("json_object('a', {0}, 'b', {1})", [["int64", "string", "bool"], ["string", "date"]]),
         ("list_where({0}, [{1}, {2}])", [["list<int64>", "list<string>"], ["bool"], ["bool"]]),
         ("list_zip({0}, {1})", [["list<int64>", "list<string>", "list<double>"]] * 2),
         ("list_bool_and([{0}, {1}])", [["bool"]] * 2), ("list_bool_or([{0}, {1}])", [["bool"]] * 2),
         ("list_quantile_cont({0}, 0.25)", [["list<int64>", "list<double>"]]),
         ("list_quantile_disc({0}, 0.75)", [["list<int64>", "list<double>"]]),
         ("struct_extract_at({{a: {0}, b: {1}}}, 1)", [["int64", "string"], ["date", "double"]]),
         ("struct_update({{a: {0}, b: {1}}}, a := {2})", [["int64"], ["string", "date"], ["int64"]]),
         ("map_from_entries([{{k: {0}, v: {1}}}])", [["int64", "string"], ["date", "double", "string"]]),
         ("apply({0}, lambda e: e - {1})", [["list<int64>", "list<double>"], ["int64"]]),
         ("filter({0}, lambda e: e <= {1})", [["list<int64>", "list<double>"], ["double", "int64"]]),
         ("list_filter({0}, lambda e: length(e) > {1})", [["list<string>"], ["@small"]]),
         ("list_transform({0}, lambda e: upper(e))", [["list<string>"]]),
         ("reduce({0}, lambda a, e: greatest(a, e))", [["list<double>", "list<int64>"]]),
         ("flatten([{0}, {1}])", [["list<int64>"]] * 2), ("flatten([{0}, {1}])", [["list<string>"]] * 2)]
for name in ("list_distance", "list_cosine_distance", "list_cosine_similarity", "list_dot_product", "list_inner_product",
             "list_negative_dot_product", "list_negative_inner_product"):
    FORMS.append((name + "([{0}, {1}], [{2}, 2.5::double])", [["double"]] * 3))
for name in ("sum", "avg", "min", "max", "count", "stddev_pop", "var_samp", "median", "product", "bit_xor"):
    kinds = ["list<int64>"] if name == "bit_xor" else ["list<int64>", "list<double>"]
    FORMS.append(("list_aggregate({0}, '" + name + "')", [kinds]))
SAME = ["case when {b} then {0} else {1} end", "coalesce({0}, {1})", "nullif({0}, {1})", "if({b}, {0}, {1})",
        "case when {b} then {0} end", "greatest({0}, {1})", "least({0}, {1})"]
CASTS = {"int64": ["bool", "double", "decimal", "string"], "double": ["int64", "decimal", "string"],
         "string": SORTABLE[:-1] + ["interval"], "timestamp": ["date", "string"], "date": ["timestamp", "string"],
         "decimal(12,2)": ["int64", "double", "decimal", "string"], "bool": ["int64", "string"],
         "list<string>": ["list<int64>"], "list<double>": ["list<int64>"]}


def shapes():
    """Every (label, template, [choices per place])."""
    made = []
    for template, places in FORMS:
        if places is None:
            count = 3 if "{2}" in template else 2
            for kind in SORTABLE[1:7]:
                made.append((template, template, [[kind]] * count))
        else:
            made.append((template, template, places))
    for op in ("=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"):
        for kind in SORTABLE:
            made.append((op, "({0} " + op + " {1})", [[kind]] * 2))
        made.append((op, "({0} " + op + " {1})", [NUMBERS, NUMBERS]))
    for template in SAME:
        for kind in SORTABLE[:-1] + (["list<string>"] if "east" not in template else []):
            text = template.replace("{b}", "{2}")
            made.append((template.split("(")[0].split("{")[0], text,
                         [[kind]] * 2 + ([["bool"]] if "{2}" in text else [])))
    for target, sources in CASTS.items():
        for word in ("cast", "try_cast"):
            made.append((word, word + "({0} as " + target + ")", [sources]))
    return made


def functions(page):
    """Every (name, template, [choices per place]) of the page's calls."""
    made = []
    for line in page.split("\n"):
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)]
        if len(cells) != 6 or not cells[1].startswith("`"):
            continue
        names = re.findall(r"`(\w+)`", cells[2].split(" Also ")[-1]) if " Also `" in cells[2] else []
        for call in re.findall(r"(\w+)\(([^()]*)\)", cells[1].strip("`")):
            name, parameters = call
            parameters = [p.strip() for p in parameters.split(",") if p.strip()]
            rest = "…" in parameters
            parameters = [p for p in parameters if p != "…"]
            places = []
            for at, parameter in enumerate(parameters):
                own = OWN.get(name)
                choice = own[at] if own and at < len(own) else PARAMETERS.get(parameter)
                if choice is None:
                    if parameter in ("list", "lists"):
                        choice = [c for c in CATEGORIES if c.startswith("list")]
                    else:
                        choice = CATEGORIES
                places.append(choice)
            if rest and places:
                places.append(places[-1])
            for called in [name] + names:
                for count in range(max(1, len(places) - 2) if len(places) > 1 else len(places), len(places) + 1):
                    template = called + "(" + ", ".join("{%d}" % i for i in range(count)) + ")"
                    made.append((called, template, places[:count]))
    return made


LEFT_OUT = {"typeof", "pg_typeof", "get_type", "now", "today", "get_current_timestamp", "transaction_timestamp", "current_date", "hash", "hash_bucket",
            "experiment_variant", "distinct_error", "flatten", "tour_length", "tour_km", "tour_miles", "spread_km",
            "spread_miles", "pi", "list_approx_count_distinct"}


class Grammar:
    """The productions that the engine accepts, by the type they give."""

    def __init__(self, page, engine, random):
        self.random = random
        self.by_result = {}
        self.labels = {}
        places = {c: f"p{i}" for i, c in enumerate(CATEGORIES)}
        columns = [(places[c], "decimal(9,2)" if c == "decimal" else c) for c in CATEGORIES if c != "interval"]
        head = [["T"] + [x for pair in columns for x in pair]]
        asked, shapes_by_id = {}, {}
        for label, template, choices in functions(page) + shapes():
            if label in LEFT_OUT:
                continue
            options = list(itertools.product(*choices))
            if len(options) > 60:
                options = random.sample(options, 60)
            for option in options:
                arguments = []
                for kind in option:
                    if kind.startswith("@"):
                        of, pool = DOMAINS[kind[1:]]
                        arguments.append(self.domain_text(kind[1:], pool[0]))
                    elif kind == "interval":
                        arguments.append("interval 1 day")
                    else:
                        arguments.append(places[kind])
                key = str(len(asked))
                asked[key] = template.format(*arguments)
                shapes_by_id[key] = (label, template, option)
        known = set()
        for key, cells in engine.ask(head, asked, kind="P").items():
            label, template, option = shapes_by_id[key]
            self.labels.setdefault(label, 0)
            if cells[0] in ("!", "?"):
                continue
            self.labels[label] += 1
            result = values.category(cells[0])
            if (template, option) in known:
                continue
            known.add((template, option))
            self.by_result.setdefault(result, {}).setdefault(label, []).append((template, option))
        self.refused = sorted(k for k, n in self.labels.items() if n == 0)

    def leave_out(self, names):
        """Forgets the functions of these names."""
        for rules in self.by_result.values():
            for label in names:
                rules.pop(label, None)

    def domain_text(self, domain, text):
        kind = DOMAINS[domain][0]
        return text if kind in RAW else values.literal(text, kind)

    def leaf(self, kind, table):
        random = self.random
        if kind == "interval":
            return ("leaf", random.choice(values.INTERVALS), kind)
        names = [n for n, k in table["columns"] if values.category(k) == kind]
        if names and random.random() < 0.8:
            return ("leaf", random.choice(names), kind)
        if random.random() < 0.04 and not kind.startswith("struct"):
            return ("leaf", f"cast(null as {values.duck_type(kind)})" if kind != "decimal" else "cast(null as decimal(9,2))", kind)
        concrete = random.choice(values.DECIMALS) if kind == "decimal" else kind
        for _ in range(5):
            text = values.literal(values.text_of(random, concrete), concrete)
            if text:
                return ("leaf", text, kind)
        return ("leaf", names[0] if names else f"cast(null as {values.duck_type(kind)})", kind)

    def make(self, kind, depth, table):
        """A random expression of a category: (template, children, category), or a leaf."""
        random = self.random
        rules = self.by_result.get(kind) or None
        if depth == 0 or not rules or (depth < 3 and random.random() < 0.25):
            return self.leaf(kind, table)
        template, option = random.choice(rules[random.choice(list(rules))])
        return self.fill(template, option, kind, depth, table)

    def fill(self, template, option, kind, depth, table):
        children = []
        for place in option:
            if place.startswith("@"):
                domain = place[1:]
                of, pool = DOMAINS[domain]
                children.append(("leaf", self.domain_text(domain, self.random.choice(pool)), of))
            else:
                children.append(self.make(place, depth - 1, table))
        return (template, children, kind)

    def any(self, depth, table):
        """A random expression whose outermost form is each as likely as any other."""
        if not hasattr(self, "roots"):
            found = {}
            for kind, rules in self.by_result.items():
                for label, options in rules.items():
                    found.setdefault(label, []).extend((t, o, kind) for t, o in options)
            self.roots = found
        template, option, kind = self.random.choice(self.roots[self.random.choice(list(self.roots))])
        return self.fill(template, option, kind, depth, table)


def render(node, dialect=None):
    """The expression as text; `dialect` maps (template, children texts, categories, result) to DuckDB's text."""
    if node[0] == "leaf":
        return node[1]
    children = [render(c, dialect) for c in node[1]]
    if dialect:
        text = dialect(node[0], children, [c[2] for c in node[1]], node[2])
        if text:
            return text
    return node[0].format(*children)


def parts(node):
    """Every part of an expression, leaves too, a part after what it is made of."""
    if node[0] != "leaf":
        for child in node[1]:
            yield from parts(child)
    yield node


def subtrees(node):
    if node[0] != "leaf":
        yield node
        for child in node[1]:
            yield from subtrees(child)
