"""One run of a query, by Millrace or by Flink, each a process of its own on one core, and what it took."""

import json
import os
import shutil
import subprocess
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORE = ["tumble", "latest", "rebatch", "hop"]
SETTINGS = os.path.join(ROOT, "scripts", "flink", "settings.yaml")
# The niceness of what is measured; below 0 it goes before other work on its core.
NICE = 0


def folder(query):
    """Where a query's texts are."""
    return os.path.join(ROOT, "Benchmarks", "core" if query in CORE else "nexmark")


class Failure(Exception):
    """A run that did not come to its end; the text says why."""


def size(path):
    """The bytes of all files below `path`; a file of several names, as in several checkpoints, counts once."""
    files = {}
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                status = os.lstat(os.path.join(directory, name))
                files[status.st_dev, status.st_ino] = status.st_size
            except FileNotFoundError:
                pass
    return sum(files.values())


def finish(command, environment, limit):
    """Runs a command; gives its output, CPU seconds and peak memory in MB, also of what was in error."""
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output = {}

    def drain(name, stream):
        output[name] = stream.read()

    readers = [
        threading.Thread(target=drain, args=("out", process.stdout)),
        threading.Thread(target=drain, args=("err", process.stderr)),
    ]
    for reader in readers:
        reader.start()
    timer = threading.Timer(limit, process.kill)
    timer.start()
    peak, done = [0], threading.Event()

    # What wait4 tells of memory is also this process's, from before the program began.
    def watch():
        while not done.wait(0.02):
            try:
                with open(f"/proc/{process.pid}/status") as file:
                    for line in file:
                        if line.startswith("VmHWM:"):
                            peak[0] = max(peak[0], int(line.split()[1]))
            except OSError:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    done.set()
    watcher.join()
    for reader in readers:
        reader.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode == -9:
        raise Failure(f"stopped after {limit} s")
    if process.returncode != 0:
        raise Failure((output["err"] + output["out"])[-2000:])
    return output, usage.ru_utime + usage.ru_stime, peak[0] // 1024


def placed(core):
    """What begins a command that is held to a core."""
    return (["nice", "-n", str(NICE)] if NICE else []) + ([] if core is None else ["taskset", "-c", str(core)])


def millrace(program, query, events, side, work, core=None, limit=600, options=(), look=None):
    """Runs a query to the end of the events; `look` is asked what files it has written."""
    state = os.path.join(work, f"millrace-{query}")
    shutil.rmtree(state, ignore_errors=True)
    os.makedirs(state)
    environment = dict(
        os.environ, NEXMARK_EVENTS=events, NEXMARK_SIDE_INPUT=side, NEXMARK_STATE=state, BENCH_ROWS=events,
        BENCH_STATE=state)
    options = list(options) or ["--workers", "1"]
    command = [
        *placed(core), program, "run", os.path.join(folder(query), f"{query}.yaml"), "--until-end", "--no-serve", "--json",
        *options,
    ]
    try:
        output, cpu, resident = finish(command, environment, limit)
        result = {"cpu_seconds": cpu, "peak_rss_mb": resident, "state_bytes": size(state) - size(state + "/files")}
        if look:
            result["files"] = look(state + "/files")
    finally:
        if not os.environ.get("NEXMARK_KEEP"):
            shutil.rmtree(state, ignore_errors=True)
    for line in output["out"].splitlines():
        if not line.startswith("{"):
            continue
        told = json.loads(line)
        if "seconds" in told:
            result.update(told)
        elif "output" in told and "checksum" in told:
            result.update(rows=told["rows"], changes=told["rows_in"], checksum=told["checksum"])
    if "checksum" not in result or "seconds" not in result:
        raise Failure(f"the run did not tell its checksum: {output['out'][-500:]}")
    windows = [step["rows_out"] for step in result["steps"] if step["verb"] in ("aggregate", "top", "join", "rebatch", "latest")]
    result["windows"] = windows[0] if windows else 0
    return result


def flink(home, classes, query, events, side, work, core=None, limit=1800, look=None):
    """Runs a query by Flink in a process of its own, the cluster within it; `look` as above."""
    place = os.path.join(work, f"flink-{query}")
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place + "/tmp")
    opens = [
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in ("java.lang", "java.util", "java.time", "java.net", "java.nio", "java.util.concurrent")
    ]
    command = [
        *placed(core), "java", "-Xmx4g", *opens,
        f"-Dlog4j.configurationFile={ROOT}/scripts/flink/log4j2.properties", f"-DWORK={place}",
        f"-DEVENTS={events}", f"-DSIDE_INPUT={side}", "-cp", f"{classes}:{home}/lib/*", "FlinkQuery",
        SETTINGS, f"{folder(query)}/flink/tables.sql",
        f"{folder(query)}/flink/{query}.sql",
    ]
    sizes = {"state": 0}
    done = threading.Event()

    def watch():
        while not done.wait(1):
            sizes["state"] = max(sizes["state"], size(place + "/checkpoints"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        output, cpu, resident = finish(command, dict(os.environ), limit)
        files = look(place + "/files") if look else None
    finally:
        done.set()
        watcher.join()
        shutil.rmtree(place, ignore_errors=True)
    lines = [line for line in output["out"].splitlines() if line.startswith("{")]
    if not lines:
        raise Failure((output["err"] + output["out"])[-2000:])
    result = json.loads(lines[-1])
    result["cpu_seconds"] = cpu
    result["peak_rss_mb"] = max(resident, result["peak_rss_mb"])
    result["state_bytes"] = sizes["state"]
    if look:
        result["files"] = files
    return result
