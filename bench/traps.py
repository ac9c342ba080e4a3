"""Where tocsin and rsigma differ: one rule and its events a case, what the Sigma specification (2.1) says of it, and what each engine matches.

The lanes (lanes.py) hold none of these, so that there both engines do the same work.
"""
import json
import os
import subprocess

import sigma_lanes
from measure import TOCSIN, add_table

# what is tried; the selection; events, those first that match by the specification, and how many do; where it says so
CASES = [
    ("base64offset: all three alignments", "CommandLine|base64offset|contains: foobar",
     [{"CommandLine": "x Zm9vYmFy y"}, {"CommandLine": "x Zvb2Jhc y"}, {"CommandLine": "x mb29iYX y"}, {"CommandLine": "foobar"}], 3,
     "modifiers appendix, base64offset: the value may stand at three offsets of the encoded text"),
    ("windash: a slash in the rule", "CommandLine|contains|windash: ' /enc '", [{"CommandLine": "x /enc y"}, {"CommandLine": "x -enc y"}, {"CommandLine": "x enc y"}], 2,
     "modifiers appendix, windash: all permutations of -, /, en dash, em dash, horizontal bar"),
    ("a wildcard across lines", "Script: 'begin*end'", [{"Script": "begin x end"}, {"Script": "begin\nx end"}, {"Script": "begin"}], 2,
     "rules, wildcard usage: * stands for any characters, none left out"),
    ("startswith with a wildcard inside", "Path|startswith: 'C:\\a*b'", [{"Path": "C:\\axxb\\more"}, {"Path": "C:\\axx"}], 1,
     "modifiers appendix, startswith: the value stands at the beginning"),
    ("a number as keyword", None, [{"text": "code 4711"}, {"code": 4711}, {"code": 4712}], 2,
     "rules, keywords: a list of values, numbers among them, searched in the whole event"),
]


def write(folder):
    """The rules and the events of all cases; an event names its case, so that others' rules are not asked of it."""
    rules, events = os.path.join(folder, "traps.yml"), os.path.join(folder, "traps.jsonl")
    with open(rules, "w", encoding="utf-8") as file:
        for i, (title, line, _, _, _) in enumerate(CASES):
            selection = f"        {line}" if line else "        - 4711"
            file.write(f"title: '{title}'\nid: {i:08x}-0000-4000-8000-000000000000\nlogsource:\n    product: case{i}\ndetection:\n    s:\n{selection}\n    condition: s\n---\n")
    with open(events, "w", encoding="utf-8") as file:
        for i, (_, _, cases, _, _) in enumerate(CASES):
            for event in cases:
                file.write(json.dumps({**event, "logsource": {"product": f"case{i}"}}) + "\n")
    return rules, events


def matched(command, stdin, number):
    """By case, how many events match."""
    with open(stdin, "rb") as file:
        lines = subprocess.run(command, stdin=file, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [int(number(json.loads(line))[:8], 16) for line in lines]
    return [found.count(i) for i in range(len(CASES))]


def bench(folder):
    rules, events = write(folder)
    ours = matched([TOCSIN, "scan", "--rules", rules, "--format", "json", "--progress", "never", events], events, lambda found: found["rule"]["id"])
    version = sigma_lanes.install_rsigma()
    theirs = ["-"] * len(CASES)
    if version:
        command = sigma_lanes.rsigma_command()
        command[command.index("-r") + 1] = rules
        theirs = matched(command, events, lambda found: found["rule_id"])
    cells = [[title, expected, ours[i], theirs[i], where] for i, (title, _, _, expected, where) in enumerate(CASES)]
    for row in cells:
        print(" | ".join(str(cell) for cell in row), flush=True)
    add_table(f"Where {version or 'rsigma'} says otherwise", "Events that match, of those tried.",
              ["what is tried", "by the specification", "tocsin", "rsigma", "where it says so"], cells)
