"""Random expressions over all functions: the engine's answers against DuckDB's."""

import collections
import os
import random as randoms
import time

import dialect
import grammar
import oracle
import values
from engine import Engine, table_lines


class Mismatch(Exception):
    pass


class Fuzzer:
    def __init__(self, tool, root, seed):
        self.random = randoms.Random(seed)
        self.seed = seed
        self.engine = Engine(tool, "expressions")
        self.oracle = oracle.Oracle()
        with open(os.path.join(root, "docs/FUNCTIONS.md")) as page:
            self.grammar = grammar.Grammar(page.read(), self.engine, randoms.Random(7))
        self.asked = collections.Counter()
        self.meant = collections.Counter()
        self.unknown = collections.Counter()
        self.cases = 0
        self.rows = 0
        self.failures = {}

    def run(self, cases, deadline):
        """Asks about so many expressions."""
        self.deadline = deadline
        while self.cases < cases and time.time() < deadline:
            table = values.table(self.random)
            nodes = [self.grammar.any(self.random.choice([1, 1, 2, 2, 3]), table) for _ in range(150)]
            self.check(nodes, table)
        self.engine.stop()

    def check(self, nodes, table):
        texts = {str(i): grammar.render(n) for i, n in enumerate(nodes)}
        try:
            answers = self.engine.ask(table_lines(table), texts)
        except EOFError:
            self.crash(nodes, table)
            return
        self.oracle.load(table)
        for key, cells in answers.items():
            if time.time() > self.deadline:
                return
            node = nodes[int(key)]
            if cells[0] == "!":
                continue  # Types of literals may not fit; what is accepted counts.
            self.cases += 1
            verdict = self.judge(node, texts[key], cells, table)
            if verdict:
                self.found(node, table, verdict)
                self.oracle.load(table)

    def judge(self, node, text, cells, table):
        """Nothing, or (row, ours, theirs)."""
        if cells[0] == "?":
            return (None, cells[1], "the same in every batch")
        kind, ours = cells[0], cells[1:]
        asked = grammar.render(node, dialect.rewrite)
        theirs = self.oracle.answer(asked, len(ours))
        if isinstance(theirs, Exception):
            self.unknown[str(theirs).split("\n")[0][:110]] += 1
            return None
        for part in grammar.subtrees(node):
            self.asked[part[0]] += 1
        self.rows += len(ours)
        for row, (one, other) in enumerate(zip(ours, theirs)):
            if oracle.same(one, other, kind):
                continue
            reason = dialect.meant(node, one, other, kind, text)
            if reason:
                self.meant[reason] += 1
                continue
            return (row, one, other)
        return None

    def verdict(self, node, table):
        text = grammar.render(node)
        cells = self.engine.ask(table_lines(table), {"0": text})["0"]
        if cells[0] == "!":
            return None
        self.oracle.load(table)
        return self.judge(node, text, cells, table)

    def found(self, node, table, verdict):
        """Shrinks a failure: the smallest part of the expression, then one row, then values in place of parts."""
        try:
            for part in sorted(grammar.subtrees(node), key=lambda n: len(grammar.render(n))):
                again = self.verdict(part, table)
                if again:
                    node, verdict = part, again
                    break
            row, one, other = verdict
            if row is not None:
                small = {"columns": table["columns"], "rows": [table["rows"][row]]}
                again = self.verdict(node, small)
                if again:
                    table, verdict = small, again
        except EOFError:
            self.crash([node], table)
            return
        self.tell(node, table, verdict)

    def tell(self, node, table, verdict):
        text = grammar.render(node)
        label = node[0]
        self.failures.setdefault(label, [])
        if len(self.failures[label]) >= 4:
            self.failures[label].append(None)
            return
        if verdict[0] is not None:
            node, verdict = self.plain(node, table, verdict)
            text = grammar.render(node)
        row, one, other = verdict
        columns = []
        if row is not None:
            for (name, kind), value in zip(table["columns"], table["rows"][row]):
                if name in text:
                    columns.append(f"{name} {kind} = {value!r}")
        self.failures[label].append(
            f"seed {self.seed}: {text}\n    where {', '.join(columns)}\n    engine {str(one)[:300]!r}, DuckDB {str(other)[:300]!r}")

    def plain(self, node, table, verdict):
        """The same with the values that the parts of the expression have in place of the parts, if it still differs."""
        children = []
        for child in node[1]:
            if child[0] != "leaf":
                cells = self.engine.ask(table_lines(table), {"0": grammar.render(child)})["0"]
                value = cells[1 + verdict[0]] if cells[0] not in ("!", "?") else "!"
                if value[0] == "~":
                    child = ("leaf", f"cast(null as {values.duck_type(cells[0])})", child[2])
                elif value[0] == "=" and cells[0] in ("int64", "string", "double", "bool", "timestamp", "date") \
                        or cells[0].startswith("decimal"):
                    child = ("leaf", values.literal(value[1:], cells[0]), child[2])
            children.append(child)
        simple = (node[0], children, node[2])
        again = self.verdict(simple, table)
        return (simple, again) if again else (node, verdict)

    def crash(self, nodes, table):
        """Finds the expression that ends the engine."""
        self.engine.start()
        for node in nodes:
            try:
                self.engine.ask(table_lines(table), {"0": grammar.render(node)})
            except EOFError:
                self.engine.start()
                self.failures.setdefault("crash", []).append(
                    f"seed {self.seed}: the engine ends on {grammar.render(node)} with {table['columns']}")
