#!/usr/bin/env python3
"""Measures, and writes bench/RESULTS.md: parse only, scan with the auth pack, scan with all Sigma rules, HTTP ingest durable, the lanes of
Sigma engines beside rsigma (sigma_lanes.py), growth with rules, threads, and correlations (engine.py).

    ./dev bench             everything
    ./dev bench PART...     files, http, pack, journal, lanes, lane:NAME (as in lanes.py), traps, engine, metrics; prints, and leaves the page alone

Inputs are made from a seed. Each figure is the median of five runs (three for the slow ones). Peers run beside it in the same run,
where they can be installed: SEC for brute force over sshd lines, jq for JSON. Ratios mean something; absolute figures belong to the
machine that is named at the top of the page.
"""
import datetime
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import engine
import journal
import metrics
import sigma_lanes
import traps
from inputs import make_json, make_sshd
from measure import SCALE, SIGMA, TOCSIN, add, install, rows, tables, timed

sys.path.insert(0, "test/e2e")
import kit  # noqa: E402

SEC_RULE = """type=SingleWithThreshold
ptype=RegExp
pattern=sshd\\[\\d+\\]: Failed \\S+ for (?:invalid user )?.* from (\\S+) port
desc=brute force $1
action=write - brute force $1
window=300
thresh=6
"""


def bench_files(folder):
    count = int(500_000 * SCALE)
    logs, sshd = os.path.join(folder, "logs.jsonl"), os.path.join(folder, "auth.log")
    make_json(logs, count)
    make_sshd(sshd, count * 2)
    size, sshd_size = os.path.getsize(logs), os.path.getsize(sshd)
    for threads in (1, 2):
        t = ["--threads", str(threads)]
        w, c, m = timed([TOCSIN, "parse", "--count", *t, logs])
        add(f"parse only, JSON, {threads} thread{'s' * (threads > 1)}", count, size, w, c, m)
        parse_wall = w if threads == 1 else parse_wall
        w, c, m = timed([TOCSIN, "scan", "--rules", "packs/auth", *t, logs])
        add(f"scan, auth pack, JSON, {threads} thread{'s' * (threads > 1)}", count, size, w, c, m)
    w, c, m = timed([TOCSIN, "parse", "--count", "--threads", "1", "--year", "2026", sshd])
    add("parse only, sshd lines, 1 thread", count * 2, sshd_size, w, c, m)
    w, c, m = timed([TOCSIN, "scan", "--rules", "packs/auth", "--year", "2026", "--threads", "1", sshd])
    add("scan, auth pack, sshd lines, 1 thread", count * 2, sshd_size, w, c, m)
    scan_rate = count * 2 / c
    if install("sec"):
        rule = os.path.join(folder, "sec.conf")
        with open(rule, "w", encoding="utf-8") as file:
            file.write(SEC_RULE)
        version = subprocess.run(["sec", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
        part = os.path.join(folder, "part.log")
        with open(sshd, "rb") as whole, open(part, "wb") as file:
            file.writelines(line for _, line in zip(range(count // 2), whole))
        w, c, m = timed(["sec", f"--conf={rule}", f"--input={part}", "--notail"], 3)
        add(f"peer: {version}, one rule, sshd lines", count // 2, os.path.getsize(part), w, c, m,
            f"tocsin's scan does {scan_rate / (count // 2 / c):.1f} times as many lines per CPU second, in event time")
    if install("jq"):
        version = subprocess.run(["jq", "--version"], capture_output=True, text=True, check=False).stdout.strip()
        part = os.path.join(folder, "part.jsonl")
        with open(logs, "rb") as whole, open(part, "wb") as file:
            file.writelines(line for _, line in zip(range(count // 10), whole))
        w, c, m = timed(["jq", "-c", 'select(.level == "never")', part], 3)
        add(f"peer: {version}, select on one field", count // 10, os.path.getsize(part), w, c, m,
            f"tocsin's parse does {count / parse_wall / (count // 10 / w):.1f} times as many records per second")
    have = [d for d in SIGMA if os.path.exists(d)]
    if have:
        part = os.path.join(folder, "some.jsonl")
        few = max(count // 2, 1000)
        with open(logs, "rb") as whole, open(part, "wb") as file:
            file.writelines(line for _, line in zip(range(few), whole))
        rules = [word for d in have for word in ("--rules", d)]
        empty = os.path.join(folder, "empty.jsonl")
        with open(empty, "w", encoding="utf-8") as file:
            file.write("{}\n")
        load = timed([TOCSIN, "scan", *rules, "--threads", "1", empty], 3)[0]
        for threads in (1, 2):
            w, c, m = timed([TOCSIN, "scan", *rules, "--threads", str(threads), part], 3)
            if w < load * 1.2: # nothing can be said of what is left
                print(f"scan, all Sigma rules, {threads} threads: the run is too short beside the loading; give a larger BENCH_SCALE")
                continue
            add(f"scan, all Sigma rules, JSON, {threads} thread{'s' * (threads > 1)}", few, os.path.getsize(part), w - load, c - load, m,
                f"loading the rules ({load:.2f} s) left out")


def post_all(port, bodies, latencies):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for body in bodies:
            started = time.monotonic()
            s.sendall(b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n" % (port, len(body)) + body)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += s.recv(65536)
            head, rest = answer.split(b"\r\n\r\n", 1)
            length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            while len(rest) < length:
                rest += s.recv(65536)
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise RuntimeError(head + rest[:200])
            latencies.append(time.monotonic() - started)


def bench_http(folder):
    path = os.path.join(folder, "http.jsonl")
    for batch, count in ((1, int(20_000 * SCALE)), (100, int(200_000 * SCALE)), (1000, int(400_000 * SCALE))):
        make_json(path, count)
        with open(path, "rb") as file:
            lines = file.readlines()
        bodies = [b"".join(lines[i:i + batch]) for i in range(0, len(lines), batch)]
        connections = 8 if batch == 1 else 4
        with kit.Server(data=os.path.join(folder, f"data{batch}")) as server:
            ticks = os.sysconf("SC_CLK_TCK")

            def cpu():
                fields = open(f"/proc/{server.process.pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
                return (int(fields[11]) + int(fields[12])) / ticks
            before, started, latencies = cpu(), time.monotonic(), []
            workers = [threading.Thread(target=post_all, args=(server.port, bodies[i::connections], latencies)) for i in range(connections)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            wall = time.monotonic() - started
            used = cpu() - before
            memory = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{server.process.pid}/status", encoding="ascii").read())[1]) / 1024
            latencies.sort()
            add(f"HTTP ingest durable, batches of {batch}, {connections} connections", count, sum(map(len, bodies)), wall, used, memory,
                f"acknowledged p50 {latencies[len(latencies) // 2] * 1e3:.1f} ms, p99 {latencies[int(len(latencies) * 0.99)] * 1e3:.1f} ms; the sender shares the processors")
        shutil.rmtree(os.path.join(folder, f"data{batch}"))


def bench_pack(folder):
    """Lines into the journal and cold segments, on the same disk; zstd over the same lines and grep for the same needle beside it."""
    subprocess.run(["make", "-s", "build/bench/journal_bench"], check=True)
    for name, make, count in (("JSON", make_json, 300_000), ("sshd lines", make_sshd, 1_000_000)):
        path, count = os.path.join(folder, "journal.log"), int(count * SCALE)
        make(path, count)
        size = os.path.getsize(path)
        with open(path, encoding="utf-8", errors="replace") as file:
            words = re.findall(r"[A-Za-z0-9.:-]{12,}", [line for line, _ in zip(file, range(count // 2))][-1])
        needle = max(words, key=len)
        done = subprocess.run(["build/bench/journal_bench", os.path.join(folder, "journal"), path, needle], capture_output=True, check=True)
        f = json.loads(done.stdout)
        packed = len(subprocess.run(["zstd", "-9", "-c", path], capture_output=True, check=True).stdout) / size if shutil.which("zstd") else None
        started = time.monotonic()
        subprocess.run(["grep", "-cF", "--", needle, path], capture_output=True, check=False)
        grep_ms = (time.monotonic() - started) * 1e3
        add(f"Journal: parse and append durable, {name}, batches of 500", count, size, count / f["events_per_s"], size / f["raw_mb_per_cpu_s"] / 1e6,
            f["peak_mib"], f"a segment takes {f['segment_per_raw']:.2f} bytes a byte of raw text")
        note = f"{f['cold_per_raw']:.3f} bytes a byte of raw text (chunks {f['chunks_per_raw']:.3f}, filters {f['filters_per_raw']:.3f})"
        note += f"; zstd -9 of the bare lines {packed:.3f}" if packed else ""
        seconds = size / f["pack_raw_mb_per_cpu_s"] / 1e6
        add(f"Journal: segments become cold, {name}", count, size, seconds, seconds, f["peak_mib"], note)
        seconds = size / f["verify_raw_mb_per_s"] / 1e6
        add(f"Journal: verify cold segments, {name}", count, size, seconds, None, f["peak_mib"],
            f"needle {f['needle_ms']:.1f} ms ({f['needle_found']} found, warm); grep -F over the bare lines {grep_ms:.0f} ms")
        shutil.rmtree(os.path.join(folder, "journal"))


def machine(folder):
    cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo", encoding="ascii").read())
    device = subprocess.run(["df", "--output=source,fstype", folder], capture_output=True, text=True, check=False).stdout.splitlines()[-1]
    with open(os.path.join(folder, "sync"), "wb") as file:
        times = []
        for _ in range(200):
            started = time.monotonic()
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - started)
    times.sort()
    return (f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}, Linux {platform.release()}, storage {' '.join(device.split())} "
            f"(4 KiB write + fdatasync: p50 {times[100] * 1e6:.0f} us, p99 {times[197] * 1e6:.0f} us)")


def write_results(where):
    lines = ["# Results", "", f"Made by `{'' if SCALE == 1 else f'BENCH_SCALE={SCALE:g} '}./dev bench` on {datetime.date.today()}: {where}.", "",
             "Inputs are generated (bench/bench.py): JSON records of about 600 bytes and 15 to 20 fields, sshd lines of about 100 bytes. Medians of 5 runs",
             "(3 for peers and for all Sigma rules), page cache warm. Events/s are per wall second, the next column per CPU second of the process.", "",
             "| workload | events/s | events/s/core | MB/s | peak MiB | note |", "|---|---|---|---|---|---|"]
    for name, rate, per_core, speed, memory, note in rows:
        lines.append(f"| {name} | {rate:,.0f} | {per_core:,.0f} | {speed:,.0f} | {memory:,.0f} | {note} |" if per_core else
                     f"| {name} | {rate:,.0f} | - | {speed:,.0f} | {memory:,.0f} | {note} |")
    for title, words, head, cells in tables:
        lines += ["", f"## {title}", "", words, "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in cells]
    tail = "bench/limits.md"
    text = "\n".join(lines) + "\n"
    if os.path.exists(tail):
        text += "\n" + open(tail, encoding="utf-8").read()
    with open("bench/RESULTS.md", "w", encoding="utf-8") as file:
        file.write(text)


PARTS = {"files": bench_files, "http": bench_http, "pack": bench_pack, "journal": journal.bench, "lanes": sigma_lanes.bench, "traps": traps.bench, "engine": engine.bench,
         "metrics": metrics.bench}


def main():
    wanted = sys.argv[1:]
    unknown = [part for part in wanted if part not in PARTS and not part.startswith("lane:")]
    if unknown:
        sys.exit(f"bench: no part {unknown[0]}; there are {', '.join(PARTS)} and lane:NAME")
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-", dir="build") as folder:
        where = machine(folder)
        print(where)
        for name, part in PARTS.items():
            if not wanted or name in wanted:
                part(folder)
        for part in wanted:
            if part.startswith("lane:"):
                sigma_lanes.bench(folder, part[5:])
    if not wanted:
        write_results(where)


main()
