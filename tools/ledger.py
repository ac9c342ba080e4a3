#!/usr/bin/env python3
"""Counts the rows of the requirements ledger that a test names, and those that none does, per area.

A test names a row by its id in its name: C_80 in a C function, C-80 in a rule test or an end-to-end test."""
import collections
import os
import re
import subprocess
import sys

LEDGER = "../shared/requirements.md"
if not os.path.exists(LEDGER):
    print(f"{LEDGER} is not here: nothing to count")
    sys.exit(0)
rows = re.findall(r"^\| ([A-Z]-\d+) \|", open(LEDGER, encoding="utf-8").read(), re.M)
files = subprocess.run(["git", "ls-files", "src", "test", "packs"], capture_output=True, text=True, check=True).stdout.split()
named = collections.defaultdict(set)
for path in files:
    is_c_test = path.endswith("_test.c")
    if not (is_c_test or path.startswith("test/e2e/") or "/tests/" in path):
        continue
    for line in open(path, encoding="utf-8", errors="replace"):
        if is_c_test and not re.search(r"\btest_", line):
            continue
        if not is_c_test and not re.search(r"name:|def test|@test|check\(", line):
            continue
        for area, number in re.findall(r"(?<![A-Za-z0-9])([A-Z])[-_](\d+)(?!\d)", line):
            named[f"{area}-{number}"].add(path)
areas = collections.OrderedDict()
for row in rows:
    areas.setdefault(row[0], [[], []])[0 if row in named else 1].append(row)
print(f"{'area':5} {'tested':>6} {'not':>5}")
for area, (tested, missing) in areas.items():
    print(f"{area:5} {len(tested):6} {len(missing):5}   {' '.join(tested)}")
tested = sum(len(t) for t, _ in areas.values())
print(f"{'all':5} {tested:6} {len(rows) - tested:5}")
