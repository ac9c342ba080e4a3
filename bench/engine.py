"""The engine's own figures: growth with the number of rules, a second core, loading, correlations (corr_bench.c)."""
import json
import os
import random
import subprocess

import lanes
from measure import SCALE, SIGMA, TOCSIN, add_table, timed

RULES_OF_GROWTH = (1000, 10000, 30000)


def write_rules(folder, count):
    """Rules of the shape that is the most frequent one: a program by the end of its path, and texts of its command line. A thousand a file."""
    chance = random.Random(5)
    os.makedirs(folder)
    for first in range(0, count, 1000):
        with open(f"{folder}/{first}.yml", "w", encoding="utf-8") as file:
            for i in range(first, min(first + 1000, count)):
                texts = "".join(f"            - '{lanes.word(chance, 5, 12)}'\n" for _ in range(chance.randrange(1, 5)))
                file.write(f"title: made {i}\nid: {i:032x}\nlogsource:\n    product: windows\n    category: process_creation\ndetection:\n    selection:\n"
                           f"        Image|endswith: '\\{lanes.word(chance, 4, 10)}.exe'\n        CommandLine|contains:\n{texts}"
                           f"    other:\n        ParentImage|endswith: '\\{lanes.word(chance, 4, 10)}.exe'\n    condition: selection and not other\n---\n")


def scan(rules, path, threads=1):
    words = [word for folder in rules for word in ("--rules", folder)]
    return [TOCSIN, "scan", *words, "--threads", str(threads), "--format", "json", "--progress", "never", path]


def growth(folder, path, one, count):
    cells, first = [], None
    for number in RULES_OF_GROWTH:
        rules = os.path.join(folder, f"made-{number}")
        write_rules(rules, number)
        _, load, _ = timed(scan([rules], one), 3)
        _, cpu, _ = timed(scan([rules], path), 3)
        each = (cpu - load) / count * 1e6
        first = first or each
        cells.append([f"{number:,} rules", f"{each:.2f} µs an event", f"{each / first:.2f} times the first; loading {load:.2f} s"])
    return cells


def threads(path, one, count):
    rules, cells, first = [folder for folder in SIGMA[:1] if os.path.exists(folder)], [], None
    for number in (1, 2) if rules else ():
        load, _, _ = timed(scan(rules, one, number), 3)
        wall, _, _ = timed(scan(rules, path, number), 5)
        rate = count / (wall - load)
        first = first or rate
        cells.append([f"`distinct`, {number} thread{'s' * (number > 1)}", f"{rate:,.0f} events/s", f"{rate / first:.2f} times one, by wall time"])
    return cells


def loading(one):
    cells = []
    for rules in [folder for folder in SIGMA[:1] if os.path.exists(folder)]:
        wall, cpu, memory = timed(scan([rules], one), 5)
        cells.append(["loading the public rules, and one event", f"{cpu * 1e3:.0f} ms CPU, {wall * 1e3:.0f} ms", f"{memory:.0f} MiB resident"])
    return cells


def correlations():
    subprocess.run(["make", "-s", "build/bench/corr_bench"], check=True)
    cells = []
    for workload in ("count", "distinct", "groups"):
        said = json.loads(subprocess.run(["build/bench/corr_bench", workload], capture_output=True, text=True, check=True).stdout)
        note = f"{said['groups']:,} groups"
        if workload == "groups":
            note += f", {said['bytes'] / said['groups']:.0f} bytes a group with one time, {said['bytes_of_times'] / said['times']:.1f} a further time"
        cells.append([f"correlation: {workload}", f"{said['events'] / said['cpu_s']:,.0f} events/s", note])
    return cells


def bench(folder):
    path, one = os.path.join(folder, "distinct.jsonl"), os.path.join(folder, "distinct-one.jsonl")
    count, _ = lanes.write("distinct", path, int(200_000 * SCALE), "")
    with open(path, "rb") as file, open(one, "wb") as first:
        first.write(file.readline())
    cells = growth(folder, path, one, count) + threads(path, one, count) + loading(one) + correlations()
    for row in cells:
        print(" | ".join(row), flush=True)
    add_table("The engine", "Lane `distinct` (lanes.py) but for correlations, which take events that are parsed already.", ["what", "figure", "note"], cells)
