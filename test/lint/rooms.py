#!/usr/bin/env python3
"""Fails on an #include that goes against the table of rooms, on a header that does not compile alone, and on an
unfinished word in the code. The table is docs/rooms.md's; includes go one way only."""
import os
import re
import subprocess
import sys

ALLOWED = {
    "base": [],
    "event": [],
    "store": [],
    "journal": ["event"],
    "ingest": ["event"],
    "template": ["event"],
    "metrics": ["event", "template"],
    "detect": ["event"],
    "alert": ["event", "store", "template"],
    "notify": ["event", "store", "template"],
    "respond": ["event", "store"],
    "query": ["event", "journal", "template"],
    "report": ["journal", "store", "metrics", "alert"],
}
LEFT_OF_API = list(ALLOWED)
ALLOWED["api"] = LEFT_OF_API
ALLOWED["cli"] = LEFT_OF_API
ALLOWED["app"] = LEFT_OF_API + ["api", "cli"]

failures = []
headers = []
for folder, _, names in os.walk("src"):
    for name in sorted(names):
        if not name.endswith((".c", ".h")):
            continue
        path = os.path.join(folder, name)
        room = path.split("/")[1]
        if room not in ALLOWED:
            failures.append(f"{path}: {room}/ is not a room of the house")
            continue
        if name.endswith(".h"):
            headers.append(path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'\s*#include "([^"]+)"', line)
            if found and "/" not in found[1]:
                failures.append(f"{path}:{number}: write the room in \"{found[1]}\"")
            elif found:
                other = found[1].split("/")[0]
                if other not in (room, "base") and other not in ALLOWED[room]:
                    failures.append(f"{path}:{number}: {room}/ may not include {other}/")
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                failures.append(f"{path}:{number}: unfinished: {line.strip()}")
        if not text.lstrip().startswith("/*"):
            failures.append(f"{path}: does not open with what it is for")

if "--headers" in sys.argv:
    for path in headers:
        done = subprocess.run(
            ["cc", "-std=c17", "-D_GNU_SOURCE", "-Isrc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"],
            input=f'#include "{path[4:]}"\n', text=True, capture_output=True, check=False)
        if done.returncode != 0:
            failures.append(f"{path}: does not compile alone: {done.stderr.splitlines()[0]}")

print("\n".join(failures) if failures else f"rooms: {len(headers)} headers, no arrow against the table")
sys.exit(1 if failures else 0)
