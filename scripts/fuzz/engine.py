"""Talks to the tool that answers for the engine: Tests/Support/millrace-fuzz."""

import subprocess
import threading


def escaped(cell):
    if cell is None:
        return "\\N"
    text = cell.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    return text.replace("\r", "\\r")


def unescaped(cell):
    if "\\" not in cell:
        return cell
    out, at = [], 0
    names = {"t": "\t", "n": "\n", "r": "\r"}
    while at < len(cell):
        if cell[at] == "\\" and at + 1 < len(cell):
            at += 1
            out.append(names.get(cell[at], cell[at]))
        else:
            out.append(cell[at])
        at += 1
    return "".join(out)


class Engine:
    """One process of the tool; `mode` is expressions or pipelines."""

    def __init__(self, tool, mode):
        self.tool, self.mode = tool, mode
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.tool, self.mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()

    def write(self, lines):
        data = "".join("\t".join(escaped(c) for c in line) + "\n" for line in lines)
        try:
            self.process.stdin.write(data.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # The reader tells of it.

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"the engine ended with {self.process.wait()}")
        return [unescaped(c) for c in line.decode().rstrip("\n").split("\t")]

    def ask(self, head, questions, kind="E"):
        """The answers to {id: text} after the lines of `head`, as {id: cells}."""
        lines = list(head) + [[kind, i, text] for i, text in questions.items()] + [["X"]]
        writer = threading.Thread(target=self.write, args=(lines,))
        writer.start()
        answers = {}
        while len(answers) < len(questions):
            cells = self.read()
            answers[cells[0]] = cells[1:]
        writer.join()
        return answers


def table_lines(table):
    """The lines that declare a table: {"columns": [(name, type)], "rows": [[text or None]]}."""
    head = ["T"]
    for name, kind in table["columns"]:
        head += [name, kind]
    return [head] + [["R"] + row for row in table["rows"]]
