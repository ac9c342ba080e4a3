"""All public Sigma rules on one core, beside rsigma and beside a floor, lane by lane (lanes.py); what both match is compared.

rsigma comes from its registry through cargo, newest release that the compiler takes; without cargo or registry its columns are left out,
and that is said. CPU seconds are those of the process, less those of a run with one event, so that loading is no part of them; runs
alternate, the best of each is taken, since other work only ever adds to a run.
"""
import collections
import json
import os
import re
import resource
import subprocess

import lanes
import rule_texts
from measure import DATA, SCALE, TOCSIN, add_table, install

RULES = f"{DATA}/sigma/rules"
PEER = "build/peers/rsigma"
RSIGMA = os.path.abspath(f"{PEER}/bin/rsigma")
ROUNDS, COMPARED = 5, 5000
MAP = "product=logsource.product,category=logsource.category,service=logsource.service"


def quiet(command, **more):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, **more)
    except FileNotFoundError as missing:
        return subprocess.CompletedProcess(command, 127, "", str(missing))


def install_rsigma():
    """Its version, or None."""
    if not os.path.exists(RSIGMA):
        command = ["cargo", "install", "rsigma", "--locked", "--quiet", "--root", PEER, "--target-dir", f"{PEER}/target"]
        done = quiet(command)
        older = re.search(r"`rsigma (\S+)` supports rustc", done.stderr)
        if done.returncode != 0 and older: # the newest wants a newer compiler: the newest that does not
            done = quiet([*command, "--version", older[1]])
        quiet(["rm", "-rf", f"{PEER}/target"])
        if done.returncode != 0 or not os.path.exists(RSIGMA):
            print(f"rsigma: skipped, it cannot be had ({done.stderr.strip().splitlines()[-1:]})")
            return None
    return quiet([RSIGMA, "--version"]).stdout.strip()


def build_floor():
    program = os.path.abspath("build/bench/floor")
    if not os.path.exists(program):
        os.makedirs("build/bench", exist_ok=True)
        quiet(["apt-get", "install", "-qy", "--no-install-recommends", "g++", "libsimdjson-dev", "libhyperscan-dev"])
        done = quiet(["g++", "-O2", "-march=native", "-std=c++17", "-o", program, "bench/floor.cc", "-lsimdjson", "-lhs"])
        if done.returncode != 0:
            print("floor: skipped, it does not build here (libsimdjson-dev, libhyperscan-dev, g++)")
            return None
    return program


def tocsin_command(path):
    return [TOCSIN, "scan", "--rules", RULES, "--threads", "1", "--format", "json", "--progress", "never", path]


def rsigma_command(*more):
    return [RSIGMA, "engine", "eval", "-r", RULES, "--logsource-routing", "--logsource-field-map", MAP, "--quiet", "--output-format", "ndjson", *more]


def cpu_seconds(command, stdin):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(stdin, "rb") as file:
        subprocess.run(command, stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env={**os.environ, "RAYON_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def floor_seconds(program, folder, events, wanted):
    texts = os.path.join(folder, "texts")
    with open(texts, "w", encoding="utf-8") as file:
        file.write("\n".join(rule_texts.texts([RULES], wanted)) + "\n")
    done = quiet([program, texts, events])
    said = json.loads(done.stdout)
    return said["parse_s"], said["scan_s"]


def canonical(event):
    return json.dumps(event, sort_keys=True, separators=(",", ":"))


def differences(folder, path):
    """What one matches and the other does not, on the first events: (event, rule) pairs with their numbers."""
    part = os.path.join(folder, "part.jsonl")
    with open(path, encoding="utf-8") as whole, open(part, "w", encoding="utf-8") as file:
        lines = [line for _, line in zip(range(COMPARED), whole)]
        file.writelines(lines)
    ours, theirs = collections.Counter(), collections.Counter()
    for line in subprocess.run(tocsin_command(part), capture_output=True, text=True, check=True).stdout.splitlines():
        found = json.loads(line)
        ours[canonical(json.loads(lines[found["line"] - 1])), found["rule"]["id"]] += 1
    with open(part, "rb") as file:
        answer = subprocess.run(rsigma_command("--include-event"), stdin=file, capture_output=True, text=True, check=True).stdout
    for line in answer.splitlines():
        found = json.loads(line)
        theirs[canonical(found["event"]), found["rule_id"]] += 1
    return ours, theirs


def say_differences(lane, ours, theirs):
    only = [("tocsin", ours - theirs), ("rsigma", theirs - ours)]
    for name, pairs in only:
        rules = collections.Counter()
        for (_, rule), count in pairs.items():
            rules[rule] += count
        for rule, count in rules.most_common():
            print(f"  {lane}: only {name} matches rule {rule}, {count} times")
    return sum(sum(pairs.values()) for _, pairs in only)


def bench_lane(folder, lane, version, floor):
    path, one = os.path.join(folder, "lane.jsonl"), os.path.join(folder, "one.jsonl")
    count, size = lanes.write(lane, path, int(200_000 * SCALE), f"{DATA}/cloudtrail")
    if count == 0:
        print(f"{lane}: skipped, what it is made from is not there")
        return None
    with open(path, "rb") as file, open(one, "wb") as first:
        first.write(file.readline())
    with open(one, encoding="utf-8") as file:
        wanted = json.load(file)["logsource"]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append((cpu_seconds(tocsin_command(path), path), cpu_seconds(tocsin_command(one), one)))
        if version and len(theirs) < 3: # it is slow, and its runs differ little
            theirs.append((cpu_seconds(rsigma_command(), path), cpu_seconds(rsigma_command(), one)))
    rate = [count / (min(whole for whole, _ in runs) - min(load for _, load in runs)) if runs else None for runs in (ours, theirs)]
    parse, scan = floor_seconds(floor, folder, path, wanted) if floor else (None, None)
    floor_rate = count / (parse + scan) if floor else None
    matched, different = "-", "-"
    if version:
        a, b = differences(folder, path)
        matched, different = f"{sum(a.values()):,}", say_differences(lane, a, b)
    row = [lane, f"{rate[0]:,.0f}", f"{rate[1]:,.0f}" if version else "-", f"{rate[0] / rate[1]:.1f}" if version else "-",
           f"{floor_rate:,.0f}" if floor else "-", f"{100 * rate[0] / floor_rate:.0f} %" if floor else "-",
           f"{parse / count * 1e6:.2f} + {scan / count * 1e6:.2f}" if floor else "-", f"{size / count:.0f}", matched, different]
    print(" | ".join(str(cell) for cell in row), flush=True)
    return row


def bench(folder, only=None):
    if not os.path.exists(RULES):
        print("Sigma lanes: skipped, the public rules are not there")
        return
    install("zstd")
    version, floor = install_rsigma(), build_floor()
    table = [bench_lane(folder, lane, version, floor) for lane in lanes.LANES if only is None or lane == only]
    add_table(f"All Sigma rules, one core, beside {version or 'no peer'}",
              "Events a CPU second without loading; floor: simdjson parses each line, Hyperscan searches it once for the texts of the rules that apply. "
              f"Matches and differences are those of the first {COMPARED:,} events.",
              ["lane", "tocsin", "rsigma", "ratio", "floor", "of the floor", "floor, µs an event", "bytes", "matches", "different"],
              [row for row in table if row])
