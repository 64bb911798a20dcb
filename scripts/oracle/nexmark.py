"""Checks answers, and measures what they cost: nexmark.py check|measure|workers|answers|keep, with --help for the rest."""

import argparse
import hashlib
import json
import os
import subprocess
import sys

import duckdb

import checksum
import events
import patterns
import rows
import runs

NEXMARK = [f"q{number}" for number in range(24)]
PATTERNS = [f"cep{number}" for number in range(4)]
NAMES = NEXMARK + PATTERNS
# What Flink's SQL does not have (FLINK-19059), and windows of arrival, which end otherwise in every run.
NOT_IN_FLINK = {"q6": "Flink's SQL cannot ask it", "q12": "its windows of arrival do not end with the input"}
# Those whose answers do not depend on the order of rows of one moment: these come from several files.
KEYED = ["tumble", "hop", "q5", "q8", "q11", "q16", "q17", "q20"]


class Source:
    """A file of input, and DuckDB's tables of it, which are loaded when first asked for."""

    def __init__(self, options, query, number, rate, disorder):
        self.options, self.is_core, self.side = options, query in runs.CORE, ""
        name = f"rows-{number}-{rate}-{disorder}" if self.is_core else f"nexmark-{number}-{options.seed}-{rate}-{disorder}"
        self.path, self.loaded = os.path.join(options.work, name + ".json"), None
        if self.is_core:
            rows.make(self.path, number, rate, disorder)
        else:
            self.side = os.path.join(options.work, f"side-{options.seed}.csv")
            self.make(number, rate, disorder)

    def make(self, number, rate, disorder):
        if os.path.exists(self.path) and os.path.exists(self.side):
            return
        options = self.options
        print(f"making {number} events, seed {options.seed}, {rate} in a second, up to {disorder} ms out of order",
              flush=True)
        runs.finish(
            [options.millrace, "nexmark", "--events", str(number), "--seed", str(options.seed), "--rate", str(rate),
             "--disorder", str(disorder), "--out", self.path + ".part", "--side-input", self.side], dict(os.environ), 600)
        os.rename(self.path + ".part", self.path)

    @property
    def connection(self):
        if not self.loaded:
            self.loaded = duckdb.connect()
            self.loaded.execute(f"SET temp_directory = '{self.options.work}/duckdb'")
            if self.is_core:
                rows.load(self.loaded, self.path)
            else:
                events.load(self.loaded, self.path, self.side)
        return self.loaded

    def answer(self, name):
        """How many rows the answer has, and their checksum, by DuckDB (patterns: row by row)."""
        if name in patterns.QUERIES:
            return checksum.checksum(*patterns.answer(self.connection, name))
        with open(os.path.join(runs.folder(name), "duckdb", f"{name}.sql")) as file:
            text = "\n".join(line for line in file.read().split("\n") if not line.startswith("--"))
        return checksum.of_query(self.connection, text)


def number_of(options, query):
    """How many events a measured query reads: fewer where Flink would take hours."""
    if query in PATTERNS:
        return options.pattern_events
    return options.hop_events if query == "hop" and options.flink and not options.only_ours else options.events


class Sources:
    """Each file once."""

    def __init__(self, options):
        self.options, self.known = options, {}

    def of(self, query, number, rate, disorder):
        key = (query in runs.CORE, number, rate, disorder)
        if key not in self.known:
            self.known[key] = Source(self.options, query, number, rate, disorder)
        return self.known[key]

    def measured(self, query):
        """The input of what is measured: core rows out of order except for batches, which tell the order."""
        options = self.options
        if query in runs.CORE:
            return self.of(query, number_of(options, query), 20_000, 0 if query == "rebatch" else 2000)
        return self.of(query, number_of(options, query), options.rate, 0)


class Known:
    """What was found before about the same question on the same events, as lines of a file; nothing without one."""

    def __init__(self, path):
        self.path = path

    @staticmethod
    def mark(name, kind, source):
        """Names the question by its text, so that another text is another question."""
        digest = hashlib.sha256()
        paths = [os.path.join(runs.folder(name), "duckdb" if kind == "answer" else "flink", f"{name}.sql")]
        for path in paths + ([runs.SETTINGS] if kind == "flink" else []):
            if os.path.exists(path):
                with open(path, "rb") as file:
                    digest.update(file.read())
        return f"{kind} {name} {os.path.basename(source.path)} {digest.hexdigest()[:16]}"

    def of(self, name, kind, source, find):
        mark = self.mark(name, kind, source)
        if self.path and os.path.exists(self.path):
            with open(self.path) as file:
                for line in file:
                    told = json.loads(line)
                    if told["mark"] == mark:
                        return told["found"]
        found = find()
        if self.path:
            with open(self.path, "a") as file:
                file.write(json.dumps({"mark": mark, "found": found}) + "\n")
        return found

    def answer(self, name, source):
        return tuple(self.of(name, "answer", source, lambda: source.answer(name)))


def files_of(source, name):
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
        return checksum.of_query(source.connection, text.format(path=path))

    return look


def check(options):
    """Every query against DuckDB, in order and out of order, on one worker and on two."""
    wrong, sources = 0, Sources(options)
    for disorder in (0, 2000):
        print(f"\n{options.events} events, {options.rate} in a second, "
              + ("in order" if disorder == 0 else f"up to {disorder} ms out of order"))
        print(f"{'query':7} {'rows':>9}  {'checksum ours':16}  {'checksum oracle':16}  {'workers':7}  equal")
        for name in options.queries or NAMES + runs.CORE:
            source = sources.of(name, options.events, options.rate, disorder)
            wanted = source.answer(name)
            for workers in (1, 2) if disorder else (1,):
                try:
                    got = runs.millrace(
                        options.millrace, name, source.path, source.side, options.work, limit=options.limit,
                        options=["--workers", str(workers)] + (["--batch-rows", "997"] if workers == 2 else []),
                        look=files_of(source, name))
                    ours = got.get("files") or (got["rows"], got["checksum"])
                    late = got["late"]
                except runs.Failure as failure:
                    print(f"{name:7} failed: {str(failure).strip()}", flush=True)
                    wrong += 1
                    continue
                equal = ours == wanted and late == 0
                wrong += not equal
                note = "yes" if equal else f"NO: {wanted[0]} rows wanted, {late} late"
                print(f"{name:7} {ours[0]:>9}  {ours[1]:16}  {wanted[1]:16}  {workers:7}  {note}", flush=True)
    print(f"\n{wrong} of them are not equal" if wrong else "\nall answers are equal")
    return 1 if wrong else 0


def keep(options):
    """Writes the answers that a test of the repository compares with."""
    options.seed = 1
    source = Source(options, "q0", 4000, 100, 2000)
    with open(os.path.join(runs.ROOT, "Tests", "Data", "nexmark-answers.tsv"), "w") as file:
        for name in NAMES:
            count, total = source.answer(name)
            file.write(f"{name}\t{count}\t{total}\n")
    return 0


def answer_all(options):
    """DuckDB's answers alone, to be used again by what measures."""
    known, sources = Known(options.reuse), Sources(options)
    for name in options.queries or runs.CORE + NAMES:
        count, total = known.answer(name, sources.measured(name))
        print(f"{name:7} {count:>9}  {total}", flush=True)
    return 0


HEAD = ["query", "K rows/s", "CPU s", "RSS MB", "state MB", "checkpoint ms", "late", "windows", "rows out", "checksum",
        "answer"]
FLINK_HEAD = ["Flink K rows/s", "CPU s", "RSS MB", "state MB", "answer", "ratio", "CPU ratio", "less starts", "RSS ratio"]


def tell_why(failure):
    return "failed: " + " ".join(str(failure).split())[-200:].replace("|", "/")


class Row:
    """One line of the table: a query by both engines."""

    def __init__(self, options, known, source, name, starts):
        self.options, self.known, self.source, self.name, self.starts = options, known, source, name, starts
        self.wanted = known.answer(name, source)
        self.number = number_of(options, name)
        self.look = files_of(source, name)

    def is_equal(self, run):
        return tuple(run.get("files") or (run["rows"], run["checksum"])) == self.wanted

    def ours(self):
        """The cells of our run, and the run unless it failed."""
        options, source = self.options, self.source
        try:
            best = min(
                (runs.millrace(options.millrace, self.name, source.path, source.side, options.work, options.core,
                               options.limit, look=self.look)
                 for _ in range(options.runs)), key=lambda run: run["seconds"])
        except runs.Failure as failure:
            return ["-"] * 9 + [tell_why(failure)], None
        told = "equal" if self.is_equal(best) else f"WRONG: {self.wanted[0]} {self.wanted[1]}"
        return [f"{self.rate(best) / 1000:.0f}", f"{best['cpu_seconds']:.2f}", str(best["peak_rss_mb"]),
                f"{best['state_bytes'] / 1e6:.1f}", str(best["checkpoint_ms"]), str(best["late"]),
                str(best["windows"]), str(best["rows"]), best["checksum"], told], best

    def rate(self, run):
        return self.number / max(run["seconds"], 1e-3)

    def flink(self, ours):
        """The cells of Flink's run, and of how it compares."""
        options, source, name = self.options, self.source, self.name
        if name in NOT_IN_FLINK:
            return ["-"] * 4 + [NOT_IN_FLINK[name], "-", "-", "-", "-"]
        try:
            run = self.known.of(name, "flink", source, lambda: runs.flink(
                options.flink, options.classes, name, source.path, source.side, options.work, options.core,
                options.limit * 3, look=self.look))
        except runs.Failure as failure:
            return ["-"] * 4 + [tell_why(failure), "-", "-", "-", "-"]
        got = run.get("files") or (run["rows"], run["checksum"])
        told = "equal" if self.is_equal(run) else f"other: {got[0]} {got[1]}"
        cells = [f"{self.rate(run) / 1000:.1f}", f"{run['cpu_seconds']:.1f}", str(run["peak_rss_mb"]),
                 f"{run['state_bytes'] / 1e6:.1f}", told]
        if not ours:
            return cells + ["-", "-", "-", "-"]
        started, flink_started = self.starts
        work, flink_work = ours["cpu_seconds"] - started, run["cpu_seconds"] - flink_started
        return cells + [f"{self.rate(ours) / self.rate(run):.1f}", f"{run['cpu_seconds'] / ours['cpu_seconds']:.1f}",
                        f"{flink_work / max(work, 0.01):.1f}", f"1/{run['peak_rss_mb'] / ours['peak_rss_mb']:.1f}"]


def starts(options, known, sources):
    """CPU seconds of a run that has nothing to do, query 0 on 100 events: ours, and Flink's."""
    source = sources.of("q0", 100, options.rate, 0)
    ours = min(runs.millrace(options.millrace, "q0", source.path, source.side, options.work, options.core)["cpu_seconds"]
               for _ in range(3))
    flink = known.of("q0", "flink", source, lambda: runs.flink(
        options.flink, options.classes, "q0", source.path, source.side, options.work, options.core))["cpu_seconds"]
    print(f"\na start, which is in the CPU seconds of every query: ours {ours:.2f} s, Flink's {flink:.1f} s", flush=True)
    return ours, flink


def measure(options):
    """Every query by both engines in turns on one core, answers checked against DuckDB."""
    known, sources, wrong = Known(options.reuse), Sources(options), 0
    head = HEAD + ([] if options.only_ours else FLINK_HEAD)
    started = None if options.only_ours else starts(options, known, sources)
    for group in (runs.CORE, NEXMARK, PATTERNS):
        chosen = [name for name in options.queries or group if name in group]
        if not chosen:
            continue
        source, number = sources.measured(chosen[0]), number_of(options, chosen[0])
        kind = "rows of sales, 20000" if group is runs.CORE else f"events of Nexmark, {options.rate}"
        print(f"\n{number} {kind} in a second of event time ({os.path.getsize(source.path) / 1e6:.0f} MB), core "
              f"{options.core}, exactly once, a checkpoint every 10 s\n")
        print("| " + " | ".join(head) + " |")
        print("|" + "---|" * len(head), flush=True)
        for name in chosen:
            row = Row(options, known, sources.measured(name), name, started)
            cells, best = row.ours()
            wrong += best is None or not row.is_equal(best)
            cells = [name] + cells + ([] if options.only_ours else row.flink(best))
            print("| " + " | ".join(cells) + " |", flush=True)
    return 1 if wrong else 0


def workers(options):
    """Keyed queries on one worker and on two, with all cores; the input in one file and in two."""
    sources, known, wrong = Sources(options), Known(options.reuse), 0
    print(f"\n{options.events} rows on one worker and on two, all cores\n")
    print("| query | input | one worker, s | CPU s | two workers, s | CPU s | times as fast | answers |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.queries or KEYED:
        source = sources.measured(name)
        wanted = known.answer(name, source)
        stem = source.path.removesuffix(".json")
        if not os.path.exists(stem + ".part-1"):
            subprocess.run(["split", "-n", "r/2", "-d", "-a", "1", source.path, stem + ".part-"], check=True)
        for told, path in (("one file", source.path), ("two files", stem + ".part-*")):
            best, equal = {}, True
            for count in (1, 2) * options.runs:
                run = runs.millrace(options.millrace, name, path, source.side, options.work, None, options.limit,
                                    options=["--workers", str(count)])
                equal = equal and (run["rows"], run["checksum"]) == wanted
                if count not in best or run["seconds"] < best[count]["seconds"]:
                    best[count] = run
            wrong += not equal
            one, two = best[1], best[2]
            print(f"| {name} | {told} | {one['seconds']:.2f} | {one['cpu_seconds']:.2f} | {two['seconds']:.2f} | "
                  f"{two['cpu_seconds']:.2f} | {one['seconds'] / two['seconds']:.2f} | {'equal' if equal else 'WRONG'} |",
                  flush=True)
    return 1 if wrong else 0


def main():
    verbs = {"check": check, "measure": measure, "workers": workers, "answers": answer_all, "keep": keep}
    parser = argparse.ArgumentParser(prog="nexmark.py")
    parser.add_argument("what", choices=list(verbs))
    parser.add_argument("queries", nargs="*", help="tumble, latest, rebatch, hop, q0 to q23, cep0 to cep3; else all")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pattern-events", type=int, default=20_000, help="events of cep0 to cep3 when measuring")
    parser.add_argument("--hop-events", type=int, default=200_000, help="rows of hop beside Flink, which takes 600 a second")
    parser.add_argument("--rate", type=int, default=10_000, help="events in a second of event time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1, help="runs of ours, of which the fastest counts")
    parser.add_argument("--core", type=int, default=1, help="the core that both engines are held to")
    parser.add_argument("--limit", type=int, default=600, help="seconds a run may take; Flink's three times that")
    parser.add_argument("--only-ours", action="store_true", help="measure without Flink")
    parser.add_argument("--nice", type=int, default=0, help="niceness of what is measured, below 0: before other work")
    parser.add_argument("--reuse", help="a file of answers of DuckDB and figures of Flink, which are found once only")
    parser.add_argument("--work", default="/tmp/millrace-nexmark")
    parser.add_argument("--millrace", default=os.environ.get("MILLRACE"))
    parser.add_argument("--flink", default=os.environ.get("FLINK_HOME"))
    parser.add_argument("--classes", default=os.environ.get("FLINK_CLASSES"))
    options = parser.parse_intermixed_args()
    for name in options.queries:
        if name not in NAMES + runs.CORE:
            parser.error(f"no query {name}")
    runs.NICE = options.nice
    os.makedirs(options.work, exist_ok=True)
    sys.exit(verbs[options.what](options))


if __name__ == "__main__":
    main()
