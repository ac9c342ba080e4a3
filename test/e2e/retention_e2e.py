"""What is kept how long: over a running server, with times of seconds; what others read of it: tools/jdump, a backup, the archive."""
import json
import os
import shutil
import subprocess
import sys

import kit
from kit import Server, temporary, test, tocsin, wait_for

CONFIG = """
seal:
  key: {0}/seal.key
  interval: 1s
retention:
  security: 1h
  audit: 2h
  debug: 2s
  segment_age: 1s
  cold_after: 1s
  archive: {0}/archive
  classes:
    - class: debug
      level: [debug, trace]
    - class: audit
      source: "http:*"
      level: notice
  holds:
    - name: case 7
      class: debug
      text: "held for the court"
"""


def events(data, **wish):
    out = kit.lines(tocsin("query", "--data", data, "--all")[1])
    return [e for e in out if all(e.get(k) == v for k, v in wish.items())]


def jdump(*args):
    done = subprocess.run([sys.executable, os.path.abspath("tools/jdump"), *map(str, args)], capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check_others(data):
    """An independent reader says the same as tocsin of what is left."""
    report = json.loads(tocsin("verify", data, "--format", "json")[1])
    code, out, err = jdump("--summary", data)
    assert code == 0, err
    summary = json.loads(out)
    for key in ("segments", "records", "head", "dropped_records"):
        assert report[key] == summary[key], (key, report, summary)
    ours, theirs = events(data), kit.lines(jdump(data)[1])
    assert [e["id"] for e in ours] == [e["id"] for e in theirs]
    for our, their in zip(ours, theirs):
        assert our["raw"] == their["raw"] and our.get("position", their["position"]) == their["position"], (our, their)
    return report


@test("J-06 X-13 classes at intake, cold segments, drops that are told before, holds, archive; verify, proof, backup, jdump after them")
def retention():
    with temporary() as data:
        code, out, err = tocsin("seal", "init", f"{data}/seal.key", "--name", "tocsin.example.org/test")
        assert code == 0, err
        with Server(data=data, config=CONFIG.format(data)) as server:
            server.send({"n": 1, "message": "stays"}, {"n": 2, "level": "debug", "message": "goes"},
                        {"n": 3, "level": "TRACE", "message": "held for the court"}, {"n": 4, "log": {"level": "notice"}, "message": "audit"})
            classes = {json.loads(e["raw"])["n"]: e["id"].split("-")[1] for e in server.query()}
            assert classes == {1: "security", 2: "debug", 3: "debug", 4: "audit"}, classes
            first, gone = (next(e for e in server.query() if text in e["raw"]) for text in ('"stays"', '"goes"'))
            wait_for("a drop", lambda: server.metric("tocsin_retention_drops_total") >= 1, 30)
            wait_for("the debug event to go", lambda: not any('"goes"' in e["raw"] for e in server.query()), 30)
            raws = [e["raw"] for e in server.query()]
            assert any("held for the court" in r for r in raws) and any('"stays"' in r for r in raws) and any('"audit"' in r for r in raws)
            told = [json.loads(e["raw"]) for e in server.query("--all") if "-audit-" in e["id"] and "retention_drop" in e["raw"]]
            assert told and told[0]["classes"] == ["debug"] and told[0]["first_position"] == 1, told
            policy = [json.loads(e["raw"]) for e in server.query("--all") if "retention_policy" in e["raw"]]
            assert policy and policy[0]["holds"][0]["name"] == "case 7" and policy[0]["debug_seconds"] == 2, policy
            assert server.metric("tocsin_journal_cold_segments") >= 1
            code, out, err = tocsin("backup", "--data", data, "--to", f"{data}/backup")
            assert code == 0, err
            server.stop()
        code, out, err = tocsin("verify", data, "--key", f"{data}/seal.key.pub", "--prove", first["id"], "--proof", f"{data}/proof")
        assert code == 0 and "dropped by retention" in out, (out, err)
        report = check_others(data)
        every = events(data)
        for at in range(0, len(every) - 1, 2):  # a position is a cursor, over cold segments as over others
            behind = kit.lines(tocsin("query", "--data", data, "--all", "--after", every[at]["position"], "--limit", "2")[1])
            assert [e["id"] for e in behind] == [e["id"] for e in every[at + 1:at + 3]], (at, behind)
        assert report["dropped_records"] > 0 and report["cold_segments"] > 0, report
        for name, why in ((gone["id"], "retention dropped until"), (gone["position"], "dropped by retention")):
            code, out, err = tocsin("verify", data, "--key", f"{data}/seal.key.pub", "--prove", str(name), "--proof", f"{data}/no-proof")
            assert code == 1 and why in err and not os.path.exists(f"{data}/no-proof"), (code, err)
        # the archive has what went, and is read as a data directory is
        assert any('"goes"' in e["raw"] for e in events(f"{data}/archive")), "the archive lacks what was dropped"
        assert tocsin("verify", f"{data}/archive")[0] == 0
        # a backup of all this, and a start from it
        code, out, err = tocsin("restore", "--from", f"{data}/backup", "--data", f"{data}/restored")
        assert code == 0, err
        assert tocsin("verify", f"{data}/restored")[0] == 0
        for name in ("state.sqlite", "checkpoint"):
            path = os.path.join(data, name)
            if os.path.exists(path):
                os.remove(path)
        with Server(data=data, config=CONFIG.format(data)) as server:  # the fold over what is left
            server.send({"n": 5, "message": "after"})
            wait_for("the new event", lambda: any('"after"' in e["raw"] for e in server.query()))
            server.stop()
        # damage in a cold segment is told with its file
        name = sorted(n for n in os.listdir(f"{data}/journal") if n.endswith(".cold"))[0]
        path = f"{data}/journal/{name}"
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)
            file.seek(os.path.getsize(path) // 2)
            file.write(bytes([byte[0] ^ 1]))
        code, out, err = tocsin("verify", data)
        assert code == 1 and name in err, (code, err)
        assert jdump(data)[0] == 1
        shutil.rmtree(f"{data}/archive")


if __name__ == "__main__":
    kit.main()
