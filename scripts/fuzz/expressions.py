"""Random expressions over all functions: the engine's answers against DuckDB's."""

import collections
import os
import random as randoms
import re
import time

import dialect
import grammar
import oracle
import values
from engine import Engine, table_lines


# So many expressions are one question to DuckDB.
TOGETHER = 8


class Fuzzer:
    def __init__(self, tool, root, seed):
        self.random = randoms.Random(seed)
        self.seed = seed
        self.engine = Engine(tool, "expressions")
        self.oracle = oracle.Oracle()
        with open(os.path.join(root, "docs/FUNCTIONS.md")) as page:
            self.grammar = grammar.Grammar(page.read(), self.engine, randoms.Random(7))
        self.missing = sorted(n for n in self.grammar.labels if re.fullmatch(r"\w+", n) and not self.oracle.has(n))
        self.grammar.leave_out(self.missing)
        self.asked = collections.Counter()
        self.meant = collections.Counter()
        self.unknown = collections.Counter()
        self.cases = 0
        self.rows = 0
        self.refused = self.refusals = 0
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
        accepted = [(nodes[int(key)], cells) for key, cells in answers.items() if cells[0] != "!"]
        for start in range(0, len(accepted), TOGETHER):
            if time.time() > self.deadline:
                return
            some = accepted[start:start + TOGETHER]
            asked = self.oracle.answers([grammar.render(node, dialect.rewrite) for node, _ in some])
            for (node, cells), theirs in zip(some, asked):
                verdict = self.judge(node, cells, theirs, table)
                if verdict:
                    self.found(table, verdict)
                    self.oracle.load(table)

    def judge(self, node, cells, theirs, table):
        """Nothing, or what differs for no listed reason: (part, row, ours, theirs)."""
        if isinstance(theirs, Exception):
            self.unknown[str(theirs).split("\n")[0][:110]] += 1
            return None
        self.cases += 1
        if cells[0] == "?":
            return (node, None, cells[1], "the same in every batch")
        kind, ours = cells[0], cells[1:]
        for part in grammar.subtrees(node):
            self.asked[part[0]] += 1
        self.rows += len(ours)
        refused = sum(one[0] == "!" and other[0] == "!" for one, other in zip(ours, theirs))
        self.refused += refused
        self.refusals += refused == len(ours)
        wrong = [row for row, (one, other) in enumerate(zip(ours, theirs)) if not oracle.same(one, other, kind)]
        return self.explain(node, table, wrong) if wrong else None

    def explain(self, node, table, rows):
        """What differs for no listed reason in some of the rows."""
        parts = {}
        for part in grammar.parts(node):
            parts.setdefault(grammar.render(part), part)
        answers = self.engine.ask(table_lines(table), {text: text for text in parts})
        theirs = {}
        for row in rows:
            reason = None
            for text, part in parts.items():
                kind, ours = answers[text][0], answers[text][1:]
                if part[0] == "leaf" or kind in "!?":
                    continue
                if text not in theirs:
                    theirs[text] = self.oracle.answer(grammar.render(part, dialect.rewrite))
                other = theirs[text]
                if isinstance(other, Exception) or oracle.same(ours[row], other[row], kind):
                    continue
                if other[row] == "!":
                    # With the message; and try() sometimes fails on what does not fail.
                    other[row] = self.oracle.reason(grammar.render(part, dialect.rewrite), row)
                    if oracle.same(ours[row], other[row], kind):
                        continue
                reason = self.reason(part, row, kind, ours[row], other[row], answers, theirs, table)
                if reason is None:
                    return (part, row, ours[row], other[row])
                self.meant[reason] += 1
                break
        return None

    def reason(self, part, row, kind, ours, theirs, answers, known, table):
        """Why the smallest part that differs may do so; None when it may not."""
        texts = [grammar.render(child) for child in part[1]]
        args = [answers[t][1 + row] if answers[t][0] not in "!?" else "" for t in texts]
        children = [grammar.render(child, dialect.rewrite) for child in part[1]]
        scope = {"ours": ours, "theirs": theirs, "kind": kind, "args": args, "texts": texts,
                 "kinds": [answers[t][0] for t in texts],
                 "null_below": any(answers.get(grammar.render(below), [""] * (row + 2))[1 + row:2 + row] == ["~"]
                                   for below in grammar.parts(part) if below is not part),
                 "nulls": [answers[t][0] not in "!?" and set(answers[t][1:]) == {"~"} for t in texts], "close": oracle.close, "near": oracle.near,
                 "ask": lambda sql: self.oracle.column(sql.format(*children), f"where row_number = {row}")}
        found = dialect.meant(part, scope)
        if found:
            return found
        # Parts that agree but for the last digits of a double, or the words of JSON: is it that which goes on?
        if any(t in known and not isinstance(known[t], Exception) and known[t][row] != a
               for t, a in zip(texts, args)):
            plain = self.plain(part, row, answers)
            text = grammar.render(plain)
            cells = self.engine.ask(table_lines(table), {"0": text})["0"]
            if cells[0] not in "!?":
                self.oracle.load(table)
                other = self.oracle.answer(grammar.render(plain, dialect.rewrite))
                if not isinstance(other, Exception) and oracle.same(cells[1 + row], other[row], cells[0]):
                    return "parts differ in the last digits of doubles or in the words of JSON, and agree when given the same"
        return None

    def plain(self, part, row, answers):
        """The part with the engine's values in place of its arguments, where they can be written."""
        children = []
        for child in part[1]:
            cells = answers[grammar.render(child)]
            if child[0] != "leaf" and cells[0] not in "!?" and cells[1 + row][0] != "!":
                text = values.written(cells[1 + row], cells[0])
                child = ("leaf", text, child[2]) if text else child
            children.append(child)
        return (part[0], children, part[2])

    def verdict(self, node, table):
        text = grammar.render(node)
        cells = self.engine.ask(table_lines(table), {"0": text})["0"]
        if cells[0] == "!":
            return None
        self.oracle.load(table)
        return self.judge(node, cells, self.oracle.answer(grammar.render(node, dialect.rewrite)), table)

    def found(self, table, verdict):
        """Shrinks a failure to one row, with values in place of parts, and tells it."""
        node, row, one, other = verdict
        told = self.failures.setdefault(node[0], [])
        if len(told) >= 6:
            told.append(None)
            return
        try:
            if row is not None:
                small = {"columns": table["columns"], "rows": [table["rows"][row]]}
                again = self.verdict(node, small)
                if again:
                    table, (node, row, one, other) = small, again
                    texts = {grammar.render(c): grammar.render(c) for c in node[1]}
                    answers = self.engine.ask(table_lines(table), texts) if texts else {}
                    simple = self.plain(node, 0, answers)
                    again = self.verdict(simple, table)
                    if again and again[1] is not None:
                        node, row, one, other = again
        except EOFError:
            self.crash([node], table)
            return
        text, columns = grammar.render(node), []
        if row is not None:
            for (name, kind), value in zip(table["columns"], table["rows"][row]):
                if re.search(rf"\b{name}\b", text):
                    columns.append(f"{name} {kind} = {value!r}")
        told.append(f"seed {self.seed}: {text}\n    where {', '.join(columns)}\n    engine {str(one)[:300]!r}, "
                    f"DuckDB {str(other)[:300]!r}")

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
