"""Drives scripts/load-marketplace: starts the CRM, the producer and the job, watches them, and sums up."""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

MILLRACE = os.environ["MILLRACE"]
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def fetch(url):
    try:
        return urllib.request.urlopen(url, timeout=5).read().decode()
    except OSError:
        return None


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_megabytes(pid):
    with open(f"/proc/{pid}/status") as file:
        found = re.search(r"VmRSS:\s+(\d+)", file.read())
    return int(found.group(1)) // 1024 if found else 0


class Producer(threading.Thread):
    """The generator's lines, as they come."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process = process
        self.last = {"seconds": 0, "records": 0, "late_ms": 0, "topics": {}}
        self.late = 0

    def run(self):
        for line in self.process.stdout:
            self.last = json.loads(line)
            self.late = max(self.late, self.last["late_ms"])


def read_metrics(port):
    """The job's figures: rows in by step, and the single ones."""
    text = fetch(f"http://127.0.0.1:{port}/metrics")
    if text is None:
        return None
    rows, rejected, busy, single = {}, {}, {}, {}
    for line in text.splitlines():
        found = re.match(r'(millrace_\w+)\{[^}]*step="([^"]+)"[^}]*\} (\S+)', line)
        if found:
            name, step, value = found.groups()
            if name == "millrace_rows_in_total":
                rows[step] = float(value)
            elif name == "millrace_rows_rejected_total":
                rejected[step] = float(value)
            elif name == "millrace_step_busy_seconds_total":
                busy[step] = float(value)
        elif line.startswith("millrace_") and "{" not in line:
            name, value = line.split()[:2]
            single[name] = float(value)
    return rows, rejected, busy, single


def streams_of(path):
    """The topic of each stream, of the file and those it includes."""
    found = {}
    for file in [path] + [
        os.path.join(os.path.dirname(path), name)
        for name in re.findall(r"^\s*- (\S+\.yaml)", open(path).read(), re.M)
    ]:
        stream = None
        for line in open(file):
            named = re.match(r"  (\w+):", line)
            if named:
                stream = named.group(1)
            topic = re.match(r"    from: \{topic: ([\w.]+), connection", line)
            if topic and stream:
                found[stream] = topic.group(1)
    return found


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--burst-from", type=int, default=0)
    options.add_argument("--burst-seconds", type=int, default=0)
    options.add_argument("--percent", type=int, default=100)
    options.add_argument("--bulk", action="store_true", help="all records are there first")
    options.add_argument("--memory", default="8GiB", help="the job's budget")
    options.add_argument("--drain", type=int, default=300, help="seconds to wait at most for the rest")
    options.add_argument("--every", type=float, default=5)
    options = options.parse_args()

    place = os.environ.get("MILLRACE_LOAD", "load")
    if os.path.isdir(place) and not os.path.exists(os.path.join(place, ".load")):
        sys.exit(f"{place}/ is here and not from a load: move it away first")
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(os.path.join(place, "data", "exports"))
    open(os.path.join(place, ".load"), "w").close()
    text = open("pipelines.yaml").read()
    # The producer writes the topics itself: a stream that requests may bring records to has a writer of its own.
    os.makedirs(os.path.join(place, "marketplace"))
    for name in os.listdir("marketplace"):
        with open(os.path.join(place, "marketplace", name), "w") as copy:
            copy.write(re.sub(
                r"^    ingest:.*\n(?:      .*\n)*", "", open(os.path.join("marketplace", name)).read(),
                flags=re.M))
    # A file of counts without counts: the exports' stream reads what is there.
    with open(os.path.join(place, "data", "exports", "s001-0000.csv"), "w") as exports:
        exports.write("store_id,sku,description,on_hand,counted_at\n")
    pipelines = os.path.join(place, "pipelines.yaml")
    open(pipelines, "w").write(text)
    topics = streams_of("pipelines.yaml")

    crm_port, port = free_port(), free_port()
    environment = dict(
        os.environ, CRM_URL=f"http://127.0.0.1:{crm_port}", MILLRACE_PORT=str(port),
        MILLRACE_MEMORY=options.memory)
    children = []

    def start(*words, **more):
        child = subprocess.Popen(words, env=environment, **more)
        children.append(child)
        return child

    try:
        start(
            os.path.join(os.path.dirname(MILLRACE), "mock-crm"), "--port", str(crm_port),
            "--errors", "30", "--torn", "10", "--refused-once", "20", "--refused", "5",
            stdout=subprocess.DEVNULL)
        load = [
            MILLRACE, "generate", "--into", os.path.join(place, "data"), "--load",
            "--seconds", str(options.seconds), "--burst-from", str(options.burst_from),
            "--burst-seconds", str(options.burst_seconds), "--percent", str(options.percent)]
        log = open(os.path.join(place, "job.log"), "w")
        if options.bulk:
            generated = start(*load, stdout=subprocess.PIPE, text=True)
            producer = Producer(generated)
            producer.start()
            generated.wait()
            producer.join()
            job = start(MILLRACE, "run", pipelines, "--json", stdout=log, stderr=log)
            print(f"{producer.last['records']:,} records to read")
        else:
            # Topics first: a second of nothing makes them.
            subprocess.run(
                load[:4] + ["--load", "--seconds", "1", "--percent", "0"],
                env=environment, stdout=subprocess.DEVNULL, check=True)
            job = start(MILLRACE, "run", pipelines, "--json", stdout=log, stderr=log)
            while read_metrics(port) is None:
                if job.poll() is not None:
                    sys.exit("the job ended: " + open(log.name).read()[-2000:])
                time.sleep(0.2)
            generated = start(*load, "--paced", stdout=subprocess.PIPE, text=True)
            producer = Producer(generated)
            producer.start()
        watch(options, job, producer, generated, port, crm_port, topics, place)
    finally:
        for child in reversed(children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(30)
                except subprocess.TimeoutExpired:
                    child.kill()


def watch(options, job, producer, generated, port, crm_port, topics, place):
    began = time.time()
    cpu_before, rows_before, at_before = cpu_seconds(job.pid), 0, began
    lag_most, rss_most, drained = 0, 0, None
    print(f"{'second':>6} {'made':>10} {'read':>10} {'read/s':>8} {'lag rows':>9} {'CPU %':>6} "
          f"{'RSS MB':>7} {'checkpoints':>11}")
    while True:
        time.sleep(options.every if drained is None else 0.1)
        if job.poll() is not None:
            sys.exit("the job ended: " + open(os.path.join(place, "job.log")).read()[-2000:])
        is_over = generated.poll() is not None
        if is_over and generated.returncode != 0:
            sys.exit("the producer failed")
        made = dict(producer.last["topics"])
        figures = read_metrics(port)
        if figures is None:
            continue
        rows, _, busy, single = figures
        read = {stream: int(rows.get(stream, 0)) for stream in topics}
        lag = sum(
            max(0, made[topic]["records"] - read[stream])
            for stream, topic in topics.items() if topic in made)
        total = sum(read[stream] for stream, topic in topics.items() if topic in made)
        now, cpu = time.time(), cpu_seconds(job.pid)
        rss = rss_megabytes(job.pid)
        print(f"{now - began:6.0f} {producer.last['records']:>10,} {total:>10,} "
              f"{(total - rows_before) / (now - at_before):8,.0f} {lag:>9,} "
              f"{(cpu - cpu_before) / (now - at_before) * 100:6.0f} {rss:>7,} "
              f"{single.get('millrace_checkpoints_total', 0):11.0f}", flush=True)
        cpu_before, rows_before, at_before = cpu, total, now
        lag_most, rss_most = max(lag_most, lag), max(rss_most, rss)
        if is_over and lag == 0:
            drained = now - began
            break
        if is_over and now - began > options.seconds + options.drain:
            break
    seconds = time.time() - began
    cpu = cpu_seconds(job.pid)
    # A last checkpoint makes everything visible.
    job.send_signal(signal.SIGTERM)
    stopped = time.time()
    last = None
    while job.poll() is None and time.time() - stopped < 120:
        last = read_metrics(port) or last
        time.sleep(0.2)
    rows, rejected, busy, single = last or figures
    print(f"\n{'topic':24} {'made':>10} {'a second':>9} {'read':>10} {'lost':>6} {'rejected':>9} "
          f"{'malformed':>9}")
    lost = 0
    for topic, count in sorted(producer.last["topics"].items()):
        for stream, of in topics.items():
            if of != topic:
                continue
            missing = count["records"] - int(rows.get(stream, 0))
            lost += missing
            print(f"{topic:24} {count['records']:>10,} {count['records'] / options.seconds:>9,.0f} "
                  f"{int(rows.get(stream, 0)):>10,} {missing:>6,} {int(rejected.get(stream, 0)):>9,} "
                  f"{count['malformed']:>9,}")
    total = max(producer.last["records"], 1)
    print(f"\n{total:,} records in {seconds:.1f} s: {total / seconds:,.0f} a second; "
          + (f"caught up after {drained:.1f} s" if drained else "not caught up")
          + f"; lag at most {lag_most:,}; lost {lost:,}")
    print(f"CPU {cpu:.1f} s, {cpu / total * 1e6:.1f} us a record; RSS at most {rss_most:,} MB; checkpoints "
          f"{single.get('millrace_checkpoints_total', 0):.0f}, the last took "
          f"{single.get('millrace_checkpoint_duration_seconds', 0):.2f} s and held a task "
          f"{single.get('millrace_checkpoint_pause_seconds', 0) * 1000:.0f} ms; producer late by "
          f"{producer.late} ms at most")
    print("steps that work most: " + ", ".join(
        f"{step} {seconds:.1f} s"
        for step, seconds in sorted(busy.items(), key=lambda item: -item[1])[:12]))
    print("the CRM says: " + (fetch(f"http://127.0.0.1:{crm_port}/report") or "nothing"))


main()
