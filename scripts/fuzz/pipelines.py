"""Random small pipelines on random streams: the engine's answers, whole jobs in several shapes, against DuckDB's."""

import collections
import copy
import datetime
import random as randoms
import time

import duckdb
import oracle
import joins
import shapes
from engine import Engine
from streams import BASES, Stream


class World:
    """A few streams, and cases that read them."""

    def __init__(self, random, number, cases):
        self.random = random
        base = datetime.datetime.fromisoformat(random.choice(BASES))
        rows = random.choice([0, 3, 12, 30, 45])
        self.streams = [Stream(random, f"s{number}_{i}", base, rows if i == 0 or random.random() < 0.7 else None)
                        for i in range(3)]
        self.cases = []
        for at in range(cases):
            if random.random() < 0.35:
                left, right = random.sample(self.streams, 2)
                case = random.choice(joins.TWO)(random, left, right)
                sources = [left.name]
            else:
                sources = [s.name for s in random.sample(self.streams, random.choice([1, 1, 1, 2]))]
                union = sources[0]
                if len(sources) > 1:
                    union = "(" + " union all ".join(f"select * from {n}" for n in sources) + ")"
                case = random.choice(shapes.ONE)(random, union)
            case.name = f"p{number}_{at}"
            case.sources = sources
            self.cases.append(case)

    def yaml(self, cases=None):
        lines = ["version: 1", "connections:", "  events: {embedded: /nonexistent}", "streams:"]
        for stream in self.streams:
            lines += stream.yaml()
        lines.append("pipelines:")
        for case in self.cases if cases is None else cases:
            lines.append(f"  {case.name}:")
            lines.append(f"    from: [{', '.join(case.sources)}]")
            lines.append("    on_error: drop")
            if case.steps:
                lines.append("    steps:")
            for at, step in enumerate(case.steps):
                lines.append("      " + step.replace("{id: ID", f"{{id: {case.name}_{at}"))
            named = case.key or getattr(case, "output", None)
            key = f", key: [{', '.join(named)}]" if named else ""
            lines.append(f"    to: {{topic: {case.name}, connection: events{key}}}")
        return lines


def ways(random, killed):
    made = [["W", "1", "4096"], ["W", str(random.choice([2, 3])), random.choice(["1", "7", "4096"])]]
    if killed:
        kills = [str(random.randrange(0, 400)) for _ in range(random.randrange(1, 4))]
        made.append(["W", random.choice(["1", "2", "3"]), random.choice(["1", "3", "16"])] + kills)
    return made


def normal(text, kind):
    """A value as it is compared: doubles to ten digits and from 1e-9 on, decimals without zeros at the end."""
    if text is None:
        return None
    if kind == "double" or kind.startswith("decimal"):
        if kind == "double" or "e" in text.lower():
            return rounded(text)
        return oracle.trimmed(text)
    if "double" in kind:
        return oracle.NUMBER.sub(lambda m: rounded(m.group()), text)
    return text


def rounded(text):
    number = float(text)
    return format(0.0 if abs(number) < 1e-9 else number, ".9e")


def alike(one, other):
    """Whether two compared values are equal, or doubles that differ in the tenth digit."""
    if one == other or one is None or other is None:
        return one == other
    first, second = oracle.NUMBER.findall(one), oracle.NUMBER.findall(other)
    return ("e" in one and len(first) == len(second) and oracle.NUMBER.sub("#", one) == oracle.NUMBER.sub("#", other)
            and all(oracle.close(a, b, 2e-9) for a, b in zip(first, second)))


class Fuzzer:
    def __init__(self, tool, seed, kinds=None):
        self.tool, self.seed = tool, seed
        self.random = randoms.Random(seed)
        self.engine = Engine(tool, "pipelines")
        self.cursor = duckdb.connect(config={"threads": 1}).cursor()
        self.cases, self.rows = collections.Counter(), 0
        self.failures = {}
        # What the cases ran on: ways, and rows that came behind others.
        self.occurs = collections.Counter()
        self.number = 0
        self.kinds = kinds

    def run(self, cases, deadline):
        while sum(self.cases.values()) < cases and time.time() < deadline:
            self.number += 1
            world = World(self.random, self.number, 25)
            self.check(world, self.random.random() < 0.3)
        self.engine.stop()

    def fail(self, label, text):
        self.failures.setdefault(label, []).append(text if len(self.failures.get(label, [])) < 4 else None)

    def answers(self, world, cases, shaped):
        """{pipeline: rows}, columns, problems and stream ordinals, as the engine says."""
        lines = [["Y", line] for line in world.yaml(cases)]
        for stream in world.streams:
            lines += stream.records()
        lines += shaped + [["G", "0"]]
        self.engine.write(lines)
        found = {"O": {}, "C": {}, "P": [], "S": {}, "M": [], "!": []}
        while True:
            cells = self.engine.read()[1:]
            if cells[0] == ".":
                return found
            if cells[0] == "O":
                found["O"].setdefault(cells[1].split("/")[-1], []).append(cells[2:])
            elif cells[0] == "C":
                found["C"][cells[1].split("/")[-1]] = list(zip(cells[2::2], cells[3::2]))
            elif cells[0] == "S":
                found["S"][cells[2]] = int(cells[1])
            else:
                found[cells[0]].append(cells[1:])

    def check(self, world, killed):
        shaped = ways(self.random, killed)
        for way in shaped:
            self.occurs[f"runs on {way[1]} worker{'s' if way[1] > '1' else ''}"] += 1
            self.occurs[f"runs in batches of {way[2]}"] += 1
            self.occurs["kills"] += len(way) - 3
        for stream in world.streams:
            for partition in stream.partitions:
                self.occurs["partitions"] += 1
                self.occurs["rows"] += len(partition)
                self.occurs["rows in disorder"] += sum(a["ts"] < b["ts"] for b, a in zip(partition, partition[1:]))
                self.occurs["rows behind the watermark"] += stream.late(partition)
        try:
            found = self.answers(world, None, shaped)
        except EOFError as error:
            self.engine.start()
            self.fail("crash", f"seed {self.seed}, world {self.number}: {error}")
            return self.one_by_one(world, shaped)
        if found["P"]:
            self.refuse(world, found["P"])
            return self.check(world, killed) if world.cases else None
        for message in found["!"]:
            self.fail("failed", f"seed {self.seed}, world {self.number}: {message}")
            return self.one_by_one(world, shaped)
        self.compare(world, world.cases, found)

    def refuse(self, world, problems):
        """Leaves out the pipelines that the engine does not take."""
        lines, owner = world.yaml(), {}
        for number, line in enumerate(lines, 1):
            if line.startswith("  p"):
                owner[number] = line.strip()[:-1]
            else:
                owner[number] = owner.get(number - 1)
        wrong = set()
        for problem in problems:
            line = int(problem[0].split(":")[0])
            wrong.add(owner[line])
            self.fail("refused", f"seed {self.seed}: {problem}\n    {lines[line - 1]}")
        kept = [c for c in world.cases if c.name not in wrong]
        world.cases = kept if len(kept) < len(world.cases) else []

    def one_by_one(self, world, shaped):
        for case in world.cases:
            try:
                found = self.answers(world, [case], shaped)
                for message in found["!"]:
                    self.tell(world, case, f"the job failed: {message}")
                if not found["!"]:
                    self.compare(world, [case], found)
            except EOFError as error:
                self.engine.start()
                self.shrink(world, case, str(error))

    def compare(self, world, cases, found, tells=True):
        for stream in world.streams:
            stream.load(self.cursor, found["S"].get(stream.name, 0))
        wrong = []
        for message in found["M"]:
            name = message[0].split("/")[-1]
            case = next(c for c in cases if c.name == name)
            wrong.append((case, "another way: " + " ".join(message[1:])))
        for case in cases:
            told = self.difference(case, found)
            if told:
                wrong.append((case, told))
        if tells:
            for case in cases:
                self.cases[case.kind] += 1
            for case, told in wrong:
                self.shrink(world, case, told)
        return wrong

    def difference(self, case, found):
        columns = found["C"][case.name]
        names = [n for n, _ in columns]
        ours = []
        for cells in found["O"].get(case.name, []):
            row = tuple(normal(None if c == "~" else c[1:], t) for c, (_, t) in zip(cells[2:], columns))
            ours.append((cells[0], row))
        if case.key is not None:
            at = [names.index(k) for k in case.key]
            table = {}
            for change, row in ours:
                key = tuple(row[i] for i in at)
                if change in ("0", "1"):
                    table[key] = row
                else:
                    table.pop(key, None)
            ours = list(table.values())
        else:
            # A row before an update, or a deleted one, takes an equal row away.
            taken = collections.Counter(row for change, row in ours if change in ("2", "3"))
            given = collections.Counter(row for change, row in ours if change in ("0", "1"))
            if taken - given:
                return f"rows are taken back that are not there: {list((taken - given).items())[:4]}"
            ours = list((given - taken).elements())
        shown = ", ".join(f"cast(\"{n}\" as varchar)" for n in names)
        try:
            theirs = self.cursor.execute(f"select {shown} from ({case.query}) answer").fetchall()
        except duckdb.Error as error:
            return f"DuckDB: {str(error)[:300]}"
        theirs = [tuple(normal(c, t) for c, (_, t) in zip(row, columns)) for row in theirs]
        self.rows += len(theirs)
        one, other = collections.Counter(ours), collections.Counter(theirs)
        mine, rest = list((one - other).elements()), list((other - one).elements())
        # Doubles on two sides of a rounded digit.
        for row in list(mine):
            near = next((r for r in rest if all(map(alike, row, r))), None)
            if near:
                mine.remove(row)
                rest.remove(near)
        if not mine and not rest:
            return None
        return f"columns {names}\n    engine only {mine[:4]}\n    DuckDB only {rest[:4]}"

    def shrink(self, world, case, told):
        """Leaves rows out as long as the pipeline still gives another answer than DuckDB."""
        if len(self.failures.get(case.kind, [])) >= 3:
            return self.tell(world, case, told)
        shaped = [["W", "1", "4096"], ["W", "2", "1"]]
        world = copy.deepcopy(world)

        def fails():
            try:
                found = self.answers(world, [case], shaped)
                if found["!"] or found["P"]:
                    return "failed: " + str(found["!"])
                wrong = self.compare(world, [case], found, tells=False)
                return wrong[0][1] if wrong else None
            except EOFError as error:
                self.engine.start()
                return str(error)
        again = fails()
        if not again:
            return self.tell(world, case, "not again alone: " + told)
        told, size, budget = again, 16, 150
        while size and budget:
            changed = False
            for stream in world.streams:
                for partition in stream.partitions:
                    at = 0
                    while at < len(partition) and budget:
                        removed = partition[at:at + size]
                        del partition[at:at + size]
                        budget -= 1
                        again = fails()
                        if again:
                            told, changed = again, True
                        else:
                            partition[at:at] = removed
                            at += size
            if not changed or size > 1:
                size //= 2
        self.tell(world, case, told)

    def tell(self, world, case, told):
        rows = []
        for stream in world.streams:
            if stream.name in case.query:
                rows.append(f"{stream.name}: out_of_orderness {stream.bound}s")
                for number, partition in enumerate(stream.partitions):
                    for row in partition[:12]:
                        rows.append(f"  {number}: {row}")
        self.fail(case.kind, f"seed {self.seed}, world {self.number}, {case.name} from {case.sources}\n    "
                  + "\n    ".join(case.steps) + f"\n    {told}\n    " + "\n    ".join(rows))
