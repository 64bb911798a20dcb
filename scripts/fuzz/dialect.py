"""Where DuckDB is asked in other words, and the differences that are meant (scripts/fuzz/differences.tsv)."""

import decimal
import json
import math
import os
import re

# What DuckDB calls otherwise, does not have, or answers with nan or infinity where the engine fails.
MACROS = """
create macro f_list_distinct(l) as list_filter(l, lambda x, i: x is not null and list_position(l, x) = i);
create macro f_safe_divide(x, y) as case when y = 0 then nullif(x::double, x::double) else x::double / y::double end;
create macro f_hour_of_week(t) as (isodow(t) - 1) * 24 + hour(t);
create macro f_sqrt(x) as case when x < 0 then cast('sqrt' || x as double) else sqrt(x) end;
create macro f_ln(x) as case when x <= 0 then cast('ln' || x as double) else ln(x) end;
create macro f_log2(x) as case when x <= 0 then cast('log2' || x as double) else log2(x) end;
create macro f_log10(x) as case when x <= 0 then cast('log10' || x as double) else log10(x) end;
create macro f_log(b, x) as case when x <= 0 or b <= 0 or b = 1 then cast('log' || x as double) else log(b::double, x::double) end;
create macro f_acos(x) as case when not isnan(x) and abs(x) > 1 then cast('acos' || x as double) else acos(x) end;
create macro f_asin(x) as case when not isnan(x) and abs(x) > 1 then cast('asin' || x as double) else asin(x) end;
create macro f_acosh(x) as case when x < 1 then cast('acosh' || x as double) else acosh(x) end;
create macro f_atanh(x) as case when not isnan(x) and abs(x) > 1 then cast('atanh' || x as double) else atanh(x) end;
create macro f_div(x, y) as x / case when y = 0 and x is not null then cast('zero' || x as tinyint) else y end;
create macro f_mod(x, y) as x % case when y = 0 and x is not null then cast('zero' || x as tinyint) else y end;
create macro f_to_local(t, z) as timezone(z, timezone('UTC', t::timestamp));
create macro f_from_local(t, z) as timezone('UTC', timezone(z, t::timestamp));
create macro f_haversine_km(a, b, c, d) as case when abs(a) > 90 or abs(c) > 90 then cast('latitude' || a as double) else
  2 * 6371.0088 * asin(least(1, sqrt(
    pow(sin(radians(c - a) / 2), 2) + cos(radians(a)) * cos(radians(c)) * pow(sin(radians(d - b) / 2), 2)))) end;
create macro f_floor_div(x, n) as cast(case when x < 0 then (x::hugeint - n + 1) // n else x // n end as bigint);
create macro f_signed(x) as cast(case when x::hugeint >= 9223372036854775808 then x::hugeint - 18446744073709551616
  else x end as bigint);
create macro f_assert_true(x) as case when assert_true(x) is null then true end;
create macro f_days(d, n) as case when d is null or n is null then null else d + cast(n as integer) end;
create macro f_days_before(d, n) as case when d is null or n is null then null else d - cast(n as integer) end;
create macro f_range(a, b, c) as case when c = 0 then [cast('step' || c as bigint)] else range(a, b, c) end;
create macro f_series(a, b, c) as case when c = 0 then [cast('step' || c as bigint)] else generate_series(a, b, c) end;
create macro f_geomean(l) as case when list_min(l)::double > 0 and not isnan(list_max(l)::double) then
  exp(list_avg(list_transform(list_filter(l, lambda x: x is not null), lambda x: ln(x::double)))) end;
create macro f_list_intersect(l, r) as case when l is null then null else list_filter(
  f_list_distinct(list_concat(l, list_filter(r, lambda y: false))), lambda x: list_contains(r, x)) end;
"""

I = "cast({%d} as integer)"
TEMPLATES = {
    "octet_length": "strlen({0})",
    "position": "strpos({0}, {1})", "list_distinct": "f_list_distinct({0})", "array_distinct": "f_list_distinct({0})",
    "safe_divide": "f_safe_divide({0}, {1})", "hour_of_week": "f_hour_of_week({0})", "sqrt": "f_sqrt({0})",
    "ln": "f_ln({0})", "log2": "f_log2({0})", "acos": "f_acos({0})", "asin": "f_asin({0})", "acosh": "f_acosh({0})",
    "atanh": "f_atanh({0})", "mod": "f_mod({0}, {1})",
    "chr": f"chr({I % 0})", "factorial": f"cast(factorial({I % 0}) as decimal(38,0))", "lpad": f"lpad({{0}}, {I % 1}, {{2}})",
    "rpad": f"rpad({{0}}, {I % 1}, {{2}})", "to_base": f"to_base({{0}}, {I % 1})",
    "to_timestamp": "(to_timestamp({0}) at time zone 'UTC')", "count_if": "count(*) filter (where {0})",
}
TEMPLATES.update({
    "to_local": "f_to_local({0}, {1})", "timezone_local": "f_to_local({1}, {0})",
    "from_local": "f_from_local({0}, {1})", "timezone": "f_from_local({1}, {0})",
    "zone_offset": "epoch(f_to_local({0}, {1})) - epoch({0}::timestamp)",
    "map": "map_entries(map({0}, {1}))", "map_from_entries": "map_entries(map_from_entries({0}))",
    "list_variance": "list_var_samp({0})", "list_stddev": "list_stddev_samp({0})",
    "list_geomean": "f_geomean({0})",
    "haversine_miles": "f_haversine_km({0}, {1}, {2}, {3}) / 1.609344::double",
    "list_histogram": "map_entries(list_histogram({0}))",
    "make_timestamp_ns": "make_timestamp(f_floor_div({0}, 1000))", "assert_true": "f_assert_true({0})",
    "md5_number_upper": "f_signed(md5_number_upper({0}))", "md5_number_lower": "f_signed(md5_number_lower({0}))",
    "list_intersect": "f_list_intersect({0}, {1})", "array_intersect": "f_list_intersect({0}, {1})",
    "map_concat": "map_entries(map_concat({0}, {1}))", "haversine_km": "f_haversine_km({0}, {1}, {2}, {3})",
})
# Scalar types that have another name there.
NAMES = {"bool": "boolean", "double": "double", "string": "varchar", "timestamp": "timestamp", "date": "date", "interval": "interval"}
# A null in that place is no value: the answer is null.
GUARDED = {name: 1 for name in ("string_split", "split", "str_split", "string_to_array", "array_to_string",
                                "array_to_string_comma_default")}
GUARDED.update({"list_resize": 0, "array_resize": 0})
for unit in ("years", "months", "weeks", "days"):
    TEMPLATES["to_" + unit] = f"to_{unit}({I % 0})"
BY_COUNT = {
    ("log", 1): "f_log10({0})", ("log10", 1): "f_log10({0})", ("log", 2): "f_log({0}, {1})",
    ("log10", 2): "f_log({0}, {1})", ("regexp_extract", 3): f"regexp_extract({{0}}, {{1}}, {I % 2})",
    ("regexp_extract", 4): f"regexp_extract({{0}}, {{1}}, {I % 2}, {{3}})",
    ("regexp_extract_all", 3): f"regexp_extract_all({{0}}, {{1}}, {I % 2})",
    ("make_timestamptz", 6): "(make_timestamp({0}, {1}, {2}, {3}, {4}, {5}))",
    ("array_to_string", 1): "array_to_string({0}, ',')",
    ("list_string_agg", 2): "case when len({0}) = 0 or {1} is null then null else array_to_string({0}, {1}) end",
    ("make_timestamptz", 7): "f_from_local(make_timestamp({0}, {1}, {2}, {3}, {4}, {5}), {6})",
    ("make_timestamptz", 1): "(make_timestamp({0}))", ("map_concat", 1): "map_entries(map_concat({0}, {0}))",
    ("range", 3): "f_range({0}, {1}, {2})", ("generate_series", 3): "f_series({0}, {1}, {2})",
    ("regexp_extract_all", 4): f"regexp_extract_all({{0}}, {{1}}, {I % 2}, {{3}})",
}


JSON = ("json_extract", "json_extract_path", "to_json", "json_array", "json_object", "json", "json_normalize",
        "json_strip_nulls", "json_structure", "json_merge_patch", "json_deep_merge", "json_merge_patch_diff", "json_set",
        "json_insert", "json_replace", "json_remove", "json_value", "json_quote", "array_to_json", "row_to_json")


# What begins like this is a moment, not what clocks show.
MOMENTS = ("f_from_local(", "(to_timestamp(", "(make_timestamp(")
# Forms that are asked in other words as they stand.
EXACT = {"list_zip({0}, {1})": "list_transform(list_zip({0}, {1}), lambda z: {{'v1': z[1], 'v2': z[2]}})",
         "list_quantile_cont({0}, 0.25)": "list_aggregate({0}, 'quantile_cont', 0.25)",
         "list_quantile_disc({0}, 0.75)": "list_aggregate({0}, 'quantile_disc', 0.75)", "map_from_entries([{{k: {0}, v: {1}}}])": "map_entries(map_from_entries([{{k: {0}, v: {1}}}]))"}
SYNTAX = ("cast", "try_cast", "coalesce", "if", "try", "extract", "nvl", "ifnull", "zone_offset", "position")


def known(name):
    """Whether DuckDB can be asked for a function that it does not have."""
    return name in TEMPLATES or name in SYNTAX or name in ("list_group_concat", "list_listagg") or any(name == n for n, _ in BY_COUNT)


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
    if template in EXACT:
        return EXACT[template].format(*children)
    if template in ("({0} / {1})", "({0} % {1})"):
        return ("f_div" if "/" in template else "f_mod") + "({0}, {1})".format(*children)
    if template in ("({0} + {1})", "({0} - {1})") and "int64" in kinds and "date" in kinds:
        if kinds[0] == "int64":
            children = children[::-1]
        return ("f_days" if "+" in template else "f_days_before") + "({0}, {1})".format(*children)
    if name in ("list_group_concat", "list_listagg"):
        return form(template.replace(name, "list_string_agg"), children, kinds, result) or template.replace(
            name, "list_string_agg").format(*children)
    if name in GUARDED and len(children) > GUARDED[name]:
        return f"case when {children[GUARDED[name]]} is null then null else {template.format(*children)} end"
    if name in ("nvl", "ifnull"):
        return "coalesce(" + ", ".join(children) + ")"
    if kinds[:1] == ["list<int64>"] and (name == "list_sum" or template == "list_aggregate({0}, 'sum')"):
        return f"cast({template.format(*children)} as decimal(38,0))"
    if name == "timezone" and children[1].startswith(MOMENTS):
        return "f_to_local({1}, {0})".format(*children)
    if name in ("strptime", "try_strptime"):
        return f"cast({template.format(*children)} as timestamp)"  # With %n it is one of nanoseconds.
    if name == "constant_or_null" and result in NAMES:
        return f"cast({template.format(*children)} as {NAMES[result]})"  # DuckDB forgets the type of a null.
    if name == "epoch_ms" and kinds[0] in ("timestamp", "date"):
        return f"f_floor_div(epoch_us({children[0]}), 1000)"
    if template in ("({0} -> {1})",) or name in JSON:
        return "cast(" + template.format(*children) + " as varchar)"
    if name in ("cast", "try_cast") and "list<" in template:
        return template.replace("list<string>", "varchar[]").replace("list<double>", "double[]").format(*children)
    if name in ("round", "trunc", "round_even", "roundbankers", "ceil", "ceiling", "floor") and template[0] != "(":
        return rounding(name, children, kinds)
    if name in ("to_base64", "base64") and kinds[0] == "string":
        return f"to_base64(encode({children[0]}))"
    text = BY_COUNT.get((name, len(children))) or TEMPLATES.get(name)
    return text.format(*children) if text and template[0] != "(" else None


def rounding(name, children, kinds):
    """Whole numbers stay whole, and digits are an INTEGER."""
    if kinds[0] == "int64" and (len(children) == 1 or name in ("ceil", "ceiling", "floor")):
        return children[0]
    if name == "roundbankers":
        name = "round_even"
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
                made.append((names.split("; "), compile(condition, path, "eval"), reason))
    return made


DIFFERENCES = load(os.path.join(os.path.dirname(__file__), "differences.tsv"))


def parsed(text):
    """JSON with numbers by value and members in order; nan and the infinities as null."""
    return json.loads(text, parse_float=lambda x: decimal.Decimal(x).normalize(), parse_int=decimal.Decimal,
                      parse_constant=lambda _: None, object_pairs_hook=lambda pairs: ("object", pairs))


def equal(one, other):
    if isinstance(one, decimal.Decimal) and isinstance(other, decimal.Decimal):
        return one == other or math.isclose(one, other, rel_tol=1e-11)
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other))
    return type(one) is type(other) and one == other


def bare(value):
    """JSON without the members that are null."""
    if isinstance(value, tuple) and value[:1] == ("object",):
        return ("object", [(k, bare(v)) for k, v in value[1] if v is not None])
    return [bare(v) for v in value] if isinstance(value, list) else value


def away(numbers):
    """How far the numbers of a list are from 0, in the width they span."""
    found = [float(x) for x in numbers[2:-1].split(", ") if x != "NULL"]
    return max(abs(x) for x in found) / ((max(found) - min(found)) or 1e-300)


def too_wide(kinds):
    """Whether decimals of these types need more than 38 digits to be of one."""
    shapes = [tuple(map(int, re.findall(r"\d+", k))) for k in kinds if k.startswith("decimal")]
    shapes += [(19, 0) for k in kinds if k == "int64"]
    return max(p - s for p, s in shapes) + max(s for _, s in shapes) > 38


def same_json(ours, theirs, change=lambda x: x):
    """Whether two answers are JSON of the same values, after `change`."""
    try:
        return equal(change(parsed(ours[1:])), change(parsed(theirs[1:])))
    except (ValueError, decimal.InvalidOperation):
        return False


def meant(part, scope):
    """The reason why the answers of a part may differ, or None; `scope` is what conditions know."""
    ours, theirs = scope["ours"], scope["theirs"]
    scope = dict(scope, re=re, math=math, away=away, too_wide=too_wide,
                 fails=ours[0] == "!", failed=theirs[0] == "!", same_json=same_json, bare=bare,
                 part_fails=any(a[:1] == "!" for a in scope["args"]))
    for wanted, condition, reason in DIFFERENCES:
        if any(n in ("*", part[0], part[0].split("(")[0]) for n in wanted) and eval(condition, scope):
            return reason
    return None
