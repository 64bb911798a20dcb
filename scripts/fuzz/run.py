"""The differential fuzzer: `run.py TOOL ROOT [--expressions N] [--pipelines N] [--seed S]`; scripts/fuzz-oracles calls it."""

import argparse
import multiprocessing
import sys
import time

import expressions
import pipelines


def work(arguments):
    tool, root, seed, cases, kind, deadline = arguments
    if kind == "pipelines":
        fuzzer = pipelines.Fuzzer(tool, seed)
        fuzzer.run(cases, deadline)
        return {"cases": sum(fuzzer.cases.values()), "failures": fuzzer.failures, "asked": fuzzer.cases,
                "rows": fuzzer.rows, "occurs": fuzzer.occurs}
    fuzzer = expressions.Fuzzer(tool, root, seed)
    fuzzer.run(cases, deadline)
    return {"cases": fuzzer.cases, "failures": fuzzer.failures, "asked": fuzzer.asked, "meant": fuzzer.meant,
            "unknown": fuzzer.unknown, "missing": fuzzer.missing, "rows": fuzzer.rows, "refused": fuzzer.refused,
            "refusals": fuzzer.refusals}


def total(results, name):
    counts = {}
    for result in results:
        for key, count in result.get(name, {}).items():
            counts[key] = counts.get(key, 0) + count
    return sorted(counts.items(), key=lambda x: -x[1])


def tell(kind, results, verbose):
    labels = {}
    for result in results:
        for label, told in result["failures"].items():
            labels.setdefault(label, []).extend(told)
    for label, told in sorted(((k, v) for k, v in labels.items() if v), key=lambda x: -len(x[1])):
        print(f"MISMATCH {label}: {len(told)}")
        for text in [t for t in told if t][:4]:
            print("  " + text)
    if verbose:
        for reason, count in total(results, "meant"):
            print(f"meant {count:7}  {reason}")
        for reason, count in total(results, "unknown"):
            print(f"not asked {count:7}  {reason}")
        if "missing" in results[0]:
            print("not in DuckDB:", " ".join(results[0]["missing"]))
    if verbose or kind == "pipelines":
        for label, count in total(results, "asked"):
            print(f"asked {count:7}  {label}")
        for label, count in sorted(total(results, "occurs")):
            print(f"      {count:7}  {label}")
    failed = sum(len(told) for told in labels.values())
    cases, rows, refused, refusals = (sum(r.get(n, 0) for r in results) for n in ("cases", "rows", "refused", "refusals"))
    print(f"{kind}: {cases} cases of {len(total(results, 'asked'))} forms; {rows} rows compared"
          + (f" ({refused} fail in both; {refusals} cases in all their rows)" if refused else "")
          + f", {sum(count for _, count in total(results, 'meant'))} of them differ as listed; {failed} mismatches", flush=True)
    return cases, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", help="the program millrace-fuzz")
    parser.add_argument("root", help="the repository")
    parser.add_argument("--expressions", type=int, default=95_000)
    parser.add_argument("--pipelines", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--seconds", type=int, default=1200, help="the longest for each kind")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.time()
    done = failed = 0
    with multiprocessing.Pool(options.jobs) as pool:
        for kind in ("expressions", "pipelines"):
            cases = getattr(options, kind)
            if not cases:
                continue
            parts = [(options.tool, options.root, options.seed * 1000 + i, cases // options.jobs, kind,
                      time.time() + options.seconds)
                     for i in range(options.jobs)]
            cases, wrong = tell(kind, pool.map(work, parts), options.verbose)
            done, failed = done + cases, failed + wrong
    seconds = time.time() - began
    print(f"seed {options.seed}: {done} cases in {seconds:.0f} s, {done / seconds:.0f} a second; {failed} mismatches")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
