"""Checks Nexmark's answers, and measures what they cost: nexmark.py check|measure|keep, with --help for the rest."""

import argparse
import os
import sys

import duckdb

import checksum
import events
import patterns
import runs

NAMES = [f"q{number}" for number in range(24)] + [f"cep{number}" for number in range(4)]
# What Flink's SQL does not have (FLINK-19059), and windows of arrival, which end otherwise in every run.
NOT_IN_FLINK = {"q6": "Flink's SQL cannot ask it", "q12": "its windows of arrival do not end with the input"}


def answers(connection, name):
    """How many rows the answer has, and their checksum, by DuckDB (patterns: row by row)."""
    if name in patterns.QUERIES:
        return checksum.checksum(*patterns.answer(connection, name))
    with open(os.path.join(runs.QUERIES, "duckdb", f"{name}.sql")) as file:
        text = "\n".join(line for line in file.read().split("\n") if not line.startswith("--"))
    return checksum.of_query(connection, text)


def files_of(connection, name):
    """For query 10, what reads the answer from the files that a run has left; nothing for the others."""
    if name != "q10":
        return None
    text = """
SELECT auction, bidder, price, replace(rtrim(dateTime, 'Z'), 'T', ' ')::TIMESTAMP AS dateTime, extra,
  regexp_extract(filename, 'dt=([^/]*)', 1) AS dt,
  replace(regexp_extract(filename, 'hm=([^/]*)', 1), '%3A', ':') AS hm
FROM read_json('{path}/*/*/[!._]*', format = 'newline_delimited', filename = true, hive_partitioning = false,
  columns = {{auction: 'BIGINT', bidder: 'BIGINT', price: 'BIGINT', dateTime: 'VARCHAR', extra: 'VARCHAR'}})"""

    def look(path):
        for directory, _, names in os.walk(path):
            for each in names:
                if each == "_SUCCESS":
                    os.remove(os.path.join(directory, each))
        return checksum.of_query(connection, text.format(path=path))

    return look


def make(options, number, rate, disorder):
    """A file of events, made unless it is there."""
    path = os.path.join(options.work, f"nexmark-{number}-{options.seed}-{rate}-{disorder}.json")
    side = os.path.join(options.work, f"side-{options.seed}.csv")
    if not os.path.exists(path) or not os.path.exists(side):
        print(f"making {number} events, seed {options.seed}, {rate} in a second, up to {disorder} ms out of order",
              flush=True)
        runs.finish(
            [options.millrace, "nexmark", "--events", str(number), "--seed", str(options.seed), "--rate", str(rate),
             "--disorder", str(disorder), "--out", path + ".part", "--side-input", side], dict(os.environ), 600)
        os.rename(path + ".part", path)
    return path, side


def oracle(options, path, side):
    connection = duckdb.connect()
    connection.execute(f"SET temp_directory = '{options.work}/duckdb'")
    events.load(connection, path, side)
    return connection


def check(options):
    """Every query against DuckDB, in order and out of order, on one worker and on two."""
    wrong = 0
    for disorder in (0, 2000):
        path, side = make(options, options.events, options.rate, disorder)
        connection = oracle(options, path, side)
        print(f"\n{options.events} events, {options.rate} in a second, "
              + ("in order" if disorder == 0 else f"up to {disorder} ms out of order"))
        print(f"{'query':6} {'rows':>9}  {'checksum ours':16}  {'checksum oracle':16}  {'workers':7}  equal")
        for name in options.queries:
            wanted = answers(connection, name)
            for workers in (1, 2) if disorder else (1,):
                try:
                    got = runs.millrace(
                        options.millrace, name, path, side, options.work, limit=options.limit,
                        options=["--workers", str(workers)] + (["--batch-rows", "997"] if workers == 2 else []),
                        look=files_of(connection, name))
                    ours = got.get("files") or (got["rows"], got["checksum"])
                    late = got["late"]
                except runs.Failure as failure:
                    print(f"{name:6} failed: {str(failure).strip()}", flush=True)
                    wrong += 1
                    continue
                equal = ours == wanted and late == 0
                wrong += not equal
                note = "yes" if equal else f"NO: {wanted[0]} rows wanted, {late} late"
                print(f"{name:6} {ours[0]:>9}  {ours[1]:16}  {wanted[1]:16}  {workers:7}  {note}", flush=True)
    print(f"\n{wrong} of them are not equal" if wrong else "\nall answers are equal")
    return 1 if wrong else 0


def keep(options):
    """Writes the answers that a test of the repository compares with."""
    options.events, options.seed = 4000, 1
    path, side = make(options, 4000, 100, 2000)
    connection = oracle(options, path, side)
    with open(os.path.join(runs.ROOT, "Tests", "Data", "nexmark-answers.tsv"), "w") as file:
        for name in NAMES:
            rows, total = answers(connection, name)
            file.write(f"{name}\t{rows}\t{total}\n")
    return 0


def measure(options):
    """Every query by both engines in turns on one core each, answers checked against DuckDB."""
    path, side = make(options, options.events, options.rate, 0)
    connection = oracle(options, path, side)
    print(f"{options.events} events ({os.path.getsize(path) / 1e6:.0f} MB), {options.rate} in a second of event time; "
          f"one core each ({options.core}), RocksDB and a checkpoint every 10 s in both\n")
    head = ["query", "K rows/s", "CPU s", "RSS MB", "state MB", "ckpt ms", "late", "windows", "rows out", "checksum",
            "answer", "Flink K rows/s", "CPU s", "RSS MB", "state MB", "answer", "ratio", "RSS ratio"]
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head), flush=True)
    wrong = 0
    for name in options.queries:
        wanted = answers(connection, name)
        cells, rates, resident = [name], {}, {}
        try:
            best = min(
                (runs.millrace(options.millrace, name, path, side, options.work, options.core, options.limit,
                               look=files_of(connection, name))
                 for _ in range(options.runs)), key=lambda run: run["seconds"])
            rates["ours"] = options.events / max(best["seconds"], 1e-3)
            resident["ours"] = best["peak_rss_mb"]
            equal = (best.get("files") or (best["rows"], best["checksum"])) == wanted
            wrong += not equal
            cells += [f"{rates['ours'] / 1000:.0f}", f"{best['cpu_seconds']:.2f}", str(best["peak_rss_mb"]),
                      f"{best['state_bytes'] / 1e6:.1f}", str(best["checkpoint_ms"]), str(best["late"]),
                      str(best["windows"]), str(best["rows"]), best["checksum"],
                      "equal" if equal else f"WRONG: {wanted[0]} {wanted[1]}"]
        except runs.Failure as failure:
            wrong += 1
            cells += ["-"] * 9 + ["failed: " + " ".join(str(failure).split())[-200:].replace("|", "/")]
        if options.only_ours or name in NOT_IN_FLINK:
            cells += ["-"] * 4 + [NOT_IN_FLINK.get(name, "not run"), "-", "-"]
        else:
            try:
                run = runs.flink(options.flink, options.classes, name, path, side, options.work, options.core,
                                 options.limit * 3, look=files_of(connection, name))
                rates["flink"] = options.events / run["seconds"]
                got = run.get("files") or (run["rows"], run["checksum"])
                told = "equal" if got == wanted else f"other: {got[0]} {got[1]}"
                cells += [f"{rates['flink'] / 1000:.1f}", f"{run['cpu_seconds']:.1f}", str(run["peak_rss_mb"]),
                          f"{run['state_bytes'] / 1e6:.1f}", told]
                cells += [f"{rates['ours'] / rates['flink']:.1f}", f"1/{run['peak_rss_mb'] / resident['ours']:.1f}"] \
                    if "ours" in rates else ["-", "-"]
            except runs.Failure as failure:
                cells += ["-"] * 4 + ["failed: " + " ".join(str(failure).split())[-200:].replace("|", "/"), "-", "-"]
        print("| " + " | ".join(cells) + " |", flush=True)
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(prog="nexmark.py")
    parser.add_argument("what", choices=["check", "measure", "keep"])
    parser.add_argument("queries", nargs="*", help="q0 to q23, cep0 to cep3; all when none is named")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=10_000, help="events in a second of event time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1, help="runs of ours, of which the fastest counts")
    parser.add_argument("--core", type=int, default=1, help="the core that both engines are held to")
    parser.add_argument("--limit", type=int, default=600, help="seconds a run may take; Flink's three times that")
    parser.add_argument("--only-ours", action="store_true", help="measure without Flink")
    parser.add_argument("--work", default="/tmp/millrace-nexmark")
    parser.add_argument("--millrace", default=os.environ.get("MILLRACE"))
    parser.add_argument("--flink", default=os.environ.get("FLINK_HOME"))
    parser.add_argument("--classes", default=os.environ.get("FLINK_CLASSES"))
    options = parser.parse_intermixed_args()
    options.queries = options.queries or NAMES
    os.makedirs(options.work, exist_ok=True)
    sys.exit({"check": check, "measure": measure, "keep": keep}[options.what](options))


if __name__ == "__main__":
    main()
