"""scan, parse and test on real files: counts are checked against ones obtained another way."""
import gzip
import json
import os
import re
import subprocess

import kit
from kit import lines, shared, test, tocsin

AUTH = "packs/auth"


def findings(*args, **kwargs):
    code, out, err = tocsin("scan", "--format", "json", *args, **kwargs)
    assert code == 0, (code, err)
    return lines(out)


def write(folder, name, content):
    path = os.path.join(folder, name)
    with open(path, "wb" if isinstance(content, bytes) else "w") as file:
        file.write(content)
    return path


def brute_force_by_hand(attempts, window=300, threshold=5):
    """Episodes per address, the slow and plain way: attempts = [(second, address, times)] in order."""
    episodes = []
    by_address = {}
    for at, address, times in attempts:
        seen = by_address.setdefault(address, {"times": [], "firing": False})
        seen["times"] = [t for t in seen["times"] if t >= at - window]
        if len(seen["times"]) <= threshold:
            seen["firing"] = False
        for _ in range(times):
            seen["times"].append(at)
        if len(seen["times"]) > threshold and not seen["firing"]:
            seen["firing"] = True
            episodes.append((address, at))
    return episodes


@test("C-80 OpenSSH log: the same episodes as a plain recount")
def openssh():
    path = shared("loghub/OpenSSH/OpenSSH_2k.log")
    attempts = []
    for line in open(path, encoding="utf-8", errors="replace"):
        found = re.match(r"^Dec +(\d+) (\d+):(\d+):(\d+) \S+ sshd\[\d+\]: (message repeated (\d+) times: \[ )?Failed \S+ for .* from (\S+) port", line)
        if found:
            day, hour, minute, second = (int(found[i]) for i in range(1, 5))
            attempts.append(((day * 24 + hour) * 3600 + minute * 60 + second, found[7], int(found[6] or 1)))
    expected = brute_force_by_hand(attempts)
    assert len(expected) > 5
    got = [f for f in findings("--rules", AUTH, "--year", "2015", path) if f["rule"]["title"] == "BRUTE_FORCE_ATTACK"]
    assert [f["group"] for f in got] == [{"source.ip": address} for address, _ in expected], (len(got), len(expected))
    assert all(f["severity"] == "P2" and f["kind"] == "correlation" for f in got)


@test("every failed login of the OpenSSH log is counted once, as grep counts")
def openssh_count():
    path = shared("loghub/OpenSSH/OpenSSH_2k.log")
    text = open(path, encoding="utf-8", errors="replace").read()
    plain = len(re.findall(r"sshd\[\d+\]: Failed \S+ for ", text))
    repeated = sum(int(n) for n in re.findall(r"message repeated (\d+) times: \[ Failed ", text))
    code, out, err = tocsin("parse", "--year", "2015", path)
    assert code == 0, err
    got = sum(e["repeat"] for e in lines(out) if e["fields"].get("event_type") == "login_failed")
    assert got == plain + repeated, (got, plain, repeated)


@test("a rule over the Mac log finds what grep finds")
def mac():
    path = shared("loghub/Mac/Mac_2k.log")
    expected = int(subprocess.run(["grep", "-ic", "airport", path], capture_output=True, text=True).stdout)
    with kit.temporary() as folder:
        rule = write(folder, "airport.yml", "title: airport\nlogsource: {}\ndetection:\n  keywords:\n    - airport\n  condition: keywords\nlevel: low\n")
        got = findings("--rules", rule, "--year", "2017", path)
    assert len(got) == expected > 0, (len(got), expected)


@test("a rule over a web log finds what grep finds, in plain, gzip and zstd")
def web():
    path = shared("logs/elastic-examples")
    logs = [os.path.join(d, f) for d, _, fs in os.walk(path) for f in fs if "apache" in f or "nginx" in f]
    logs = [p for p in logs if p.endswith(".zst") and "json" not in p]
    if not logs:
        raise kit.Skip("no compressed web log there")
    packed = sorted(logs)[0]
    raw = subprocess.run(["zstd", "-dc", packed], capture_output=True, check=True).stdout
    expected = sum(b"favicon" in line for line in raw.split(b"\n"))
    with kit.temporary() as folder:
        rule = write(folder, "r.yml", "title: favicon\nlogsource: {}\ndetection:\n  k: ['favicon']\n  condition: k\n")
        plain = write(folder, "web.log", raw)
        zipped = write(folder, "web.log.gz", gzip.compress(raw))
        for name in (packed, plain, zipped):
            got = findings("--rules", rule, "--input", "text", name)
            assert len(got) == expected > 0, (name, len(got), expected)


@test("C-110 the Sigma corpora load; what is refused is refused by construct")
def corpora():
    loaded = 0
    for folder in ("rules", "rules-emerging-threats", "rules-threat-hunting"):
        code, out, err = tocsin("check", shared(f"sigma/{folder}"))
        refused = re.findall(r"refused: .*\[(.*)\]$", err, re.M)
        # what the specification says to refuse: placeholders that nobody gave values
        assert all("expand" in construct for construct in refused), (folder, refused)
        files, good = int(out.split()[0]), int(re.search(r"(\d+) rules loaded", out)[1])
        assert files - good == len(refused), out
        loaded += good
    assert loaded > 3700, loaded
    for folder, construct in (("rules-placeholder", "expand"), ("unsupported", "")):
        path = shared(f"sigma/{folder}")
        code, out, err = tocsin("check", path)
        assert code == 2 and construct in err, (folder, code, err[-800:])
        assert re.search(r"refused: .*\.ya?ml:\d+", err), err[:400]


@test("C-110 CloudTrail: the same matches as an independent evaluator")
def cloudtrail():
    rules = shared("sigma/rules/cloud/aws")
    base = shared("cloudtrail")
    expected = {}
    for line in open(os.path.join(base, "sigma-matches.jsonl"), encoding="utf-8"):
        row = json.loads(line)
        expected.setdefault(row["file"], []).append(row)
    wrong = []
    compared = 0
    for file, rows in sorted(expected.items()):
        path = os.path.join(base, file)
        if not os.path.exists(path):
            continue
        want = sorted((row["i"], rule if isinstance(rule, str) else rule["id"]) for row in rows
                      for rule in (row.get("matches") or row.get("rules") or [row.get("rule_id")]))
        got = sorted((f["index"] if file.endswith(".json") else f["line"] - 1, f["rule"]["id"]) for f in findings("--rules", rules, path))
        compared += len(want)
        if got != want:
            wrong.append((file, sorted(set(want) - set(got))[:3], sorted(set(got) - set(want))[:3]))
    assert compared > 100 and not wrong, (compared, wrong[:5])


@test("the JSON test suite by tocsin parse")
def json_suite():
    folder = shared("json/test_parsing")
    wrong = []
    for name in sorted(os.listdir(folder)):
        code, _, err = tocsin("parse", "--input", "json", os.path.join(folder, name))
        good = {"y": code == 0, "n": code == 2, "i": code in (0, 2)}[name[0]]
        if not good or (code == 2 and not re.search(r":\d+:\d+: ", err)):
            wrong.append((name, code, err[:100]))
    assert not wrong, wrong[:10]


@test("nesting to 512 parses, 513 is refused with a place")
def nesting():
    with kit.temporary() as folder:
        assert tocsin("parse", "--input", "json", write(folder, "a", "[" * 512 + "]" * 512))[0] == 0
        code, _, err = tocsin("parse", "--input", "json", write(folder, "b", "[" * 513 + "]" * 513))
        assert code == 2 and re.search(r":1:513: ", err), err


RULE = """title: six
id: 11111111-1111-1111-1111-111111111111
logsource: {}
detection:
  s:
    a: 6
  condition: s
level: high
"""


@test("findings as JSON: shape, arrays, Records[], pretty-printed, line and index")
def shapes():
    with kit.temporary() as folder:
        rule = write(folder, "r.yml", RULE)
        files = {
            "nd": ('{"a":5}\n\n{"a":6,"@timestamp":"2026-01-02T03:04:05Z"}\n', (3, 0)),
            "array": ('[{"a":1},\n {"a":6}]', (2, 1)),
            "records": ('{"Records":[{"a":1},{"a":2},\n{"a":"6"}]}', (2, 2)),
            "pretty": ('{\n "a": 5\n}\n{\n "a": 6\n}\n', (4, 0)),
        }
        for name, (text, place) in files.items():
            (f,) = findings("--rules", rule, write(folder, name, text))
            assert (f["line"], f["index"]) == place, (name, f)
            assert f["kind"] == "detection" and f["rule"] == {"id": "11111111-1111-1111-1111-111111111111", "title": "six", "level": "high"}
            assert f["severity"] == "P2" and f["file"] == os.path.join(folder, name) and f["group"] == {}
            assert f["event"] == {"a": "6" if name == "records" else 6}, f
            assert f["time"] == ("2026-01-02T03:04:05Z" if name == "nd" else None)
        counted = RULE.replace("title: six", "name: six\ntitle: six") + """---
title: one
id: 11111111-1111-1111-1111-111111111112
level: high
correlation: {type: event_count, rules: [six], timespan: 1m, condition: {lt: 2}}
"""
        (f,) = findings("--rules", write(folder, "c.yml", counted), write(folder, "window", '{"a":6,"@timestamp":"2026-01-02T03:04:05Z"}\n'))
        assert f["time"] == "2026-01-02T03:05:05Z" and (f["file"], f["line"], f["index"]) == (None, None, None), f


@test("exit codes of scan: refused rules, strict, missing paths, fail-on")
def exits():
    with kit.temporary() as folder:
        os.mkdir(os.path.join(folder, "rules"))
        write(folder, "rules/good.yml", RULE)
        data = write(folder, "data.json", '{"a":6}')
        rules = os.path.join(folder, "rules")
        assert tocsin("scan", "--rules", rules, data)[0] == 0
        assert tocsin("scan", "--rules", rules, "--fail-on", "high", data)[0] == 1
        assert tocsin("scan", "--rules", rules, "--fail-on", "critical", data)[0] == 0
        write(folder, "rules/bad.yml", "title: bad\nlogsource: {}\ndetection:\n  s:\n    a|nonsense: 1\n  condition: s\n")
        code, out, err = tocsin("scan", "--rules", rules, "--format", "json", data)
        assert code == 0 and len(lines(out)) == 1 and re.search(r"bad\.yml:5:\d+: .*nonsense", err), err
        assert tocsin("scan", "--strict", "--rules", rules, data)[0] == 2
        assert tocsin("scan", "--rules", os.path.join(folder, "rules/bad.yml"), data)[0] == 2
        assert tocsin("scan", "--rules", os.path.join(folder, "none"), data)[0] == 2
        assert tocsin("scan", "--rules", rules, os.path.join(folder, "none.json"))[0] == 2
        assert tocsin("scan", "--rules", rules, folder)[0] == 2
        assert tocsin("scan", data)[0] == 2
        assert tocsin("scan", "--nonsense", data)[0] == 2


@test("several files are merged by event time, whatever their order; memory does not grow with the file")
def merged():
    with kit.temporary() as folder:
        a = "".join(json.dumps({"@timestamp": f"2026-01-01T00:{m:02d}:00Z", "event_type": "login_failed", "source.ip": "10.0.0.1"}) + "\n" for m in range(0, 6, 2))
        b = "".join(json.dumps({"@timestamp": f"2026-01-01T00:{m:02d}:30Z", "event_type": "login_failed", "source.ip": "10.0.0.1"}) + "\n" for m in range(0, 6, 2))
        x, y = write(folder, "x", a), write(folder, "y", b)
        first, second = findings("--rules", AUTH, x, y), findings("--rules", AUTH, y, x)
        assert len(first) == 1 and first == second, (first, second)
        assert first[0]["time"] == "2026-01-01T00:04:30Z"
        big = write(folder, "big", "".join('{"a":5,"padding":"%s"}\n' % ("x" * 300) for _ in range(400000)))
        rule = write(folder, "r.yml", RULE)
        done = subprocess.run(["/usr/bin/env", "python3", "-c",
                               "import resource,subprocess,sys\nsubprocess.run(sys.argv[1:],check=True)\nprint(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)",
                               kit.TOCSIN, "scan", "--rules", rule, big], capture_output=True, text=True, check=True)
        assert int(done.stdout.split()[-1]) < 120 * 1024, done.stdout


@test("the same findings, byte for byte, with 1, 2 and 4 threads")
def threads():
    path = shared("loghub/OpenSSH/OpenSSH_2k.log")
    outputs = {tocsin("scan", "--rules", AUTH, "--format", "json", "--year", "2015", "--threads", n, path)[1] for n in (1, 2, 4)}
    alerts = {tocsin("scan", "--rules", AUTH, "--alerts", "--format", "json", "--year", "2015", "--threads", n, path)[1] for n in (1, 2, 4)}
    assert len(outputs) == 1 and len(alerts) == 1 and len(outputs.pop()) > 100


@test("D-05 D-06 scan --alerts deduplicates and counts")
def alerts():
    with kit.temporary() as folder:
        text = "".join(json.dumps({"@timestamp": f"2026-01-01T00:00:{s:02d}Z", "event_type": "account_locked", "user.name": "bob"}) + "\n" for s in range(9))
        code, out, err = tocsin("scan", "--rules", AUTH, "--alerts", "--format", "json", write(folder, "x", text))
        got = lines(out)
        assert code == 0 and len(got) == 1 and got[0]["count"] == 9, out


@test("--stats tells events, bytes, seconds, events/s, rules and findings; stdout stays clean")
def stats():
    with kit.temporary() as folder:
        data = write(folder, "d", '{"a":1}\n{"a":2}\n')
        code, out, err = tocsin("scan", "--rules", write(folder, "r.yml", RULE), "--format", "json", "--stats", data)
        assert code == 0 and out == ""
        for word in ("events 2", "bytes 16", "seconds ", "events/s ", "rules 1", "findings 0"):
            assert word in err, err


@test("A-32 bad input: cut JSON, bad UTF-8, NUL bytes, deep nesting, a very long line, broken gzip")
def hostile():
    with kit.temporary() as folder:
        rule = write(folder, "r.yml", RULE)
        good = b'{"a":6}\n'
        for name, bad in {"cut": b'{"a":[1,2\n', "utf8": b'{"b":"\xff\xfe\xc0"}\n', "nul": b"\0\0\0\n", "deep": b"[" * 100000 + b"\n",
                          "types": b'"text"\n12\nnull\ntrue\n', "cr": b"\r\n\r\n"}.items():
            got = findings("--rules", rule, "--input", "ndjson", write(folder, name, good + bad + good))
            assert len(got) == 2, (name, got)
        with open(os.path.join(folder, "long"), "wb") as file:
            file.write(good)
            for _ in range(100):
                file.write(b"x" * (1 << 20))
            file.write(b"\n" + good)
        assert len(findings("--rules", rule, "--input", "ndjson", os.path.join(folder, "long"))) == 2
        broken = gzip.compress(good * 1000)[:-20]
        code, out, err = tocsin("scan", "--rules", rule, "--format", "json", write(folder, "b.gz", broken))
        assert code == 2 and "b.gz" in err, (code, err)


@test("hostile event content does not reach the terminal")
def terminal():
    with kit.temporary() as folder:
        rule = write(folder, "r.yml", "title: x\nlogsource: {}\ndetection:\n  s:\n    a|contains: evil\n  condition: s\n")
        code, out, _ = tocsin("scan", "--rules", rule, write(folder, "d", json.dumps({"a": "evil \x1b[2J\x07\n\u202e"})))
        assert code == 0 and "evil" in out and "\x1b" not in out and "\x07" not in out and "\u202e" not in out


kit.main()
