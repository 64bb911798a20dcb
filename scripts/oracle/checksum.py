"""The checksum of a table: the sum of its rows' hashes, which does not depend on their order.

A row's hash is XXH64 (seed 0) over its columns: 0 for null, otherwise 1 and then 8 bytes for numbers and microseconds,
16 for decimals (unscaled), one for truth values, a length of 4 bytes and the bytes for texts, the same before the
elements of lists; all little-endian.
"""

import struct

import duckdb
import xxhash

NUMBERS = {"BIGINT", "INTEGER", "UBIGINT", "HUGEINT"}


def nested_encoding(kind):
    """A function that appends the bytes of a list or struct of simple values to `parts`."""
    if isinstance(kind, str):
        kind = duckdb.sqltype(kind)
    if kind.id == "list":
        element = nested_encoding(kind.children[0][1])

        def put(value, parts):
            parts.append(struct.pack("<BI", 1, len(value)))
            for each in value:
                parts.append(b"\0") if each is None else element(each, parts)
    elif kind.id == "struct":
        fields = [(name, nested_encoding(child)) for name, child in kind.children]

        def put(value, parts):
            parts.append(b"\1")
            for name, field in fields:
                each = value[name]
                parts.append(b"\0") if each is None else field(each, parts)
    elif kind.id == "bigint":
        pack = struct.Struct("<Bq").pack

        def put(value, parts):
            parts.append(pack(1, value))
    elif kind.id == "double":
        pack = struct.Struct("<Bd").pack

        def put(value, parts):
            parts.append(pack(1, value if value != 0 else 0.0))
    elif kind.id == "varchar":

        def put(value, parts):
            text = value.encode()
            parts.append(struct.pack("<BI", 1, len(text)))
            parts.append(text)
    else:
        raise ValueError(f"no encoding for {kind}")
    return put


def hashing(types):
    """A function that gives a row's hash, made for columns of these DuckDB types."""
    lines, scope_of_nested = ["def row_hash(row):", "    parts = []"], {}
    for place, name in enumerate(types):
        lines.append(f"    value = row[{place}]")
        lines.append("    if value is None: parts.append(NULL)")
        if name in NUMBERS:
            put = "parts.append(NUMBER(1, value))"
        elif name == "DOUBLE":
            put = "parts.append(FLOAT(1, value if value == value else NAN) if value != 0 else ZERO)"
        elif name == "BOOLEAN":
            put = "parts.append(TRUE if value else FALSE)"
        elif name == "VARCHAR":
            put = "text = value.encode(); parts.append(LENGTH(1, len(text))); parts.append(text)"
        elif name.startswith("DECIMAL"):
            put = "parts.append(ONE + value.to_bytes(16, 'little', signed=True))"
        else:
            nested = nested_encoding(name)
            scope_of_nested[f"nested{place}"] = nested
            put = f"nested{place}(value, parts)"
        lines.append(f"    else: {put}")
    lines.append("    return XXH64(b''.join(parts)).intdigest()")
    scope = {
        "XXH64": xxhash.xxh64,
        "NUMBER": struct.Struct("<Bq").pack,
        "FLOAT": struct.Struct("<Bd").pack,
        "LENGTH": struct.Struct("<BI").pack,
        "ZERO": struct.pack("<Bd", 1, 0.0),
        "NAN": float("nan"),
        "NULL": b"\0",
        "ONE": b"\1",
        "TRUE": b"\1\1",
        "FALSE": b"\1\0",
    }
    scope.update(scope_of_nested)
    exec("\n".join(lines), scope)
    return scope["row_hash"]


def checksum(rows, types):
    """How many rows there are, and the sum of their hashes as 16 hexadecimal digits."""
    row_hash = hashing(types)
    count, total = 0, 0
    for row in rows:
        total += row_hash(row)
        count += 1
    return count, f"{total & (1 << 64) - 1:016x}"


def of_query(connection, query):
    """The same of a DuckDB query: times become microseconds, decimals whole numbers."""
    relation = connection.sql(query)
    types = [str(each) for each in relation.types]
    columns = []
    for name, kind in zip(relation.columns, types):
        if kind == "TIMESTAMP":
            columns.append(f'epoch_us("{name}")')
        elif kind.startswith("DECIMAL"):
            scale = int(kind.rstrip(")").split(",")[1])
            columns.append(f'("{name}" * {10 ** scale})::HUGEINT')
        else:
            columns.append(f'"{name}"')
    cursor = connection.cursor()
    cursor.execute(f"SELECT {', '.join(columns)} FROM ({query})")

    def rows():
        while chunk := cursor.fetchmany(20000):
            yield from chunk

    encoded = ["BIGINT" if kind == "TIMESTAMP" else kind for kind in types]
    return checksum(rows(), encoded)
