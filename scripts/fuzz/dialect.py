"""Where DuckDB is asked in other words, and the differences that are meant (scripts/fuzz/differences.tsv)."""

import os

# What DuckDB calls otherwise, does not have, or answers with nan or infinity where the engine fails.
MACROS = """
create macro f_list_distinct(l) as list_filter(l, lambda x, i: x is not null and list_position(l, x) = i);
create macro f_safe_divide(x, y) as case when y = 0 then null else x::double / y::double end;
create macro f_hour_of_week(t) as (isodow(t) - 1) * 24 + hour(t);
create macro f_sqrt(x) as case when x < 0 then error('sqrt') else sqrt(x) end;
create macro f_ln(x) as case when x <= 0 then error('ln') else ln(x) end;
create macro f_log2(x) as case when x <= 0 then error('log2') else log2(x) end;
create macro f_log10(x) as case when x <= 0 then error('log10') else log10(x) end;
create macro f_log(b, x) as case when x <= 0 or b <= 0 or b = 1 then error('log') else log(b::double, x::double) end;
create macro f_acos(x) as case when abs(x) > 1 then error('acos') else acos(x) end;
create macro f_asin(x) as case when abs(x) > 1 then error('asin') else asin(x) end;
create macro f_acosh(x) as case when x < 1 then error('acosh') else acosh(x) end;
create macro f_atanh(x) as case when abs(x) > 1 then error('atanh') else atanh(x) end;
create macro f_div(x, y) as case when y = 0 and x is not null then error('zero') else x / y end;
create macro f_mod(x, y) as case when y = 0 and x is not null then error('zero') else x % y end;
create macro f_to_local(t, z) as timezone(z, timezone('UTC', t::timestamp));
create macro f_from_local(t, z) as timezone('UTC', timezone(z, t::timestamp));
create macro f_haversine_km(a, b, c, d) as 2 * 6371.0088 * asin(least(1, sqrt(
  pow(sin(radians(c - a) / 2), 2) + cos(radians(a)) * cos(radians(c)) * pow(sin(radians(d - b) / 2), 2))));
"""

I = "cast({%d} as integer)"
TEMPLATES = {
    "nvl": "coalesce({0}, {1})", "ifnull": "coalesce({0}, {1})", "octet_length": "strlen({0})",
    "position": "strpos({0}, {1})", "list_distinct": "f_list_distinct({0})", "array_distinct": "f_list_distinct({0})",
    "safe_divide": "f_safe_divide({0}, {1})", "hour_of_week": "f_hour_of_week({0})", "sqrt": "f_sqrt({0})",
    "ln": "f_ln({0})", "log2": "f_log2({0})", "acos": "f_acos({0})", "asin": "f_asin({0})", "acosh": "f_acosh({0})",
    "atanh": "f_atanh({0})", "mod": "f_mod({0}, {1})",
    "chr": f"chr({I % 0})", "factorial": f"factorial({I % 0})", "lpad": f"lpad({{0}}, {I % 1}, {{2}})",
    "rpad": f"rpad({{0}}, {I % 1}, {{2}})", "to_base": f"to_base({{0}}, {I % 1})",
    "to_timestamp": "(to_timestamp({0}) at time zone 'UTC')", "count_if": "count(*) filter (where {0})",
}
TEMPLATES.update({
    "to_local": "f_to_local({0}, {1})", "timezone_local": "f_to_local({1}, {0})",
    "from_local": "f_from_local({0}, {1})", "timezone": "f_from_local({1}, {0})",
    "zone_offset": "epoch(f_to_local({0}, {1})) - epoch({0}::timestamp)",
    "make_timestamptz": "timezone('UTC', make_timestamptz({0}, {1}, {2}, {3}, {4}, {5}, {6}))",
    "map": "map_entries(map({0}, {1}))", "map_from_entries": "map_entries(map_from_entries({0}))",
    "map_concat": "map_entries(map_concat({0}, {1}))", "haversine_km": "f_haversine_km({0}, {1}, {2}, {3})",
})
for unit in ("years", "months", "weeks", "days"):
    TEMPLATES["to_" + unit] = f"to_{unit}({I % 0})"
BY_COUNT = {
    ("log", 1): "f_log10({0})", ("log10", 1): "f_log10({0})", ("log", 2): "f_log({0}, {1})",
    ("log10", 2): "f_log({0}, {1})", ("regexp_extract", 3): f"regexp_extract({{0}}, {{1}}, {I % 2})",
    ("regexp_extract", 4): f"regexp_extract({{0}}, {{1}}, {I % 2}, {{3}})",
    ("regexp_extract_all", 3): f"regexp_extract_all({{0}}, {{1}}, {I % 2})",
    ("regexp_extract_all", 4): f"regexp_extract_all({{0}}, {{1}}, {I % 2}, {{3}})",
}


JSON = ("json_extract", "json_extract_path", "to_json", "json_array", "json_object", "json", "json_normalize",
        "json_strip_nulls", "json_structure", "json_merge_patch", "json_deep_merge", "json_merge_patch_diff", "json_set",
        "json_insert", "json_replace", "json_remove", "json_value")


def rewrite(template, children, kinds, result):
    """DuckDB's text of a form, or None when it is the same."""
    try:
        text = form(template, children, kinds, result)
    except IndexError:
        text = None  # Fewer arguments than that form has.
    if result == "int64":
        return "cast(" + (text or template.format(*children)) + " as bigint)"
    return text


def form(template, children, kinds, result):
    name = template.split("(")[0]
    if template in ("({0} / {1})", "({0} % {1})"):
        return ("f_div" if "/" in template else "f_mod") + "({0}, {1})".format(*children)
    if template in ("({0} + {1})", "({0} - {1})") and "int64" in kinds and "date" in kinds:
        children = [f"cast({c} as integer)" if k == "int64" else c for c, k in zip(children, kinds)]
        return template.format(*children)
    if template in ("({0} -> {1})",) or name in JSON:
        return "cast(" + template.format(*children) + " as varchar)"
    if name in ("cast", "try_cast") and "list<" in template:
        return template.replace("list<string>", "varchar[]").replace("list<double>", "double[]").format(*children)
    if name in ("round", "trunc", "round_even", "ceil", "ceiling", "floor") and template[0] != "(":
        return rounding(name, children, kinds)
    if name in ("to_base64", "base64") and kinds[0] == "string":
        return f"to_base64(encode({children[0]}))"
    text = BY_COUNT.get((name, len(children))) or TEMPLATES.get(name)
    return text.format(*children) if text and template[0] != "(" else None


def rounding(name, children, kinds):
    """Whole numbers stay whole, and digits are an INTEGER."""
    if kinds[0] == "int64" and (len(children) == 1 or name in ("ceil", "ceiling", "floor")):
        return children[0]
    if name == "round_even" and len(children) == 1:
        children = children + ["0"]
    return f"{name}(" + ", ".join(children[:1] + [f"cast({c} as integer)" for c in children[1:]]) + ")"


def load(path):
    """The listed differences: forms, condition, reason."""
    made = []
    with open(path) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                names, condition, reason = line.rstrip("\n").split("\t")
                made.append((names.split(), compile(condition, path, "eval"), reason))
    return made


DIFFERENCES = load(os.path.join(os.path.dirname(__file__), "differences.tsv"))


def forms(node):
    """The names of all forms in an expression."""
    found, open_nodes = set(), [node]
    while open_nodes:
        part = open_nodes.pop()
        if part[0] != "leaf":
            found.add(part[0])
            found.add(part[0].split("(")[0])
            open_nodes += part[1]
    return found


def meant(node, ours, theirs, kind, text):
    """The reason why these answers may differ, or None."""
    names = forms(node)
    scope = {"ours": ours, "theirs": theirs, "kind": kind, "fails": ours[0] == "!", "failed": theirs[0] == "!",
             "null": theirs[0] == "~", "text": text, "endless": theirs in ("=nan", "=-nan", "=inf", "=-inf")}
    for wanted, condition, reason in DIFFERENCES:
        if any(n == "*" or n in names for n in wanted) and eval(condition, scope):
            return reason
    return None
