"""The journal read by others than the program that wrote it: tools/jdump, which knows docs/format/journal.md and nothing else."""
import glob
import json
import os
import random
import re
import shutil
import subprocess
import sys

import kit
from kit import Receiver, Server, temporary, test, tocsin, wait_for

JDUMP = os.path.abspath("tools/jdump")
ALL_TYPES = {"event", "tick", "activated", "command", "finding", "decision", "intent", "receipt", "position"}


def jdump(*args):
    done = subprocess.run([sys.executable, JDUMP, *map(str, args)], capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def fill(data, hook, more=""):
    """A journal with records of every type, left by an orderly stop and a second life."""
    logs = os.path.join(data, "logs")
    os.makedirs(logs, exist_ok=True)
    with open(f"{logs}/app.log", "wb") as file:
        file.write(b"a line of a file\nnot utf-8: \xff\xfe\nquotes \" and \\ and \x01\n")
    config = ("channels:\n  - name: security\n    type: slack\n    url: env:HOOK\n    min_severity: P4\n"
              f"files:\n  - name: app\n    paths: [\"{logs}/app.log\"]\n    start: beginning\n" + more)
    with Server(data=data, config=config, env={"HOOK": hook.url}) as server:
        server.send(*({"n": i, "event_type": "login_failed", "source.ip": "10.0.0.1", "user.name": "eve", "text": "é\u2028\U0001f514",
                       "@timestamp": kit.now()} for i in range(40)))
        alert = wait_for("an alert", server.alerts)[0]
        wait_for("the receipt", lambda: any(e["type"] == "receipt" for e in server.query("--all")))
        wait_for("the file", lambda: any(e["raw"] == "a line of a file" for e in server.query()))
        status, text, _ = server.post(f"/v1/alerts/{alert['id']}/ack", json.dumps({"by": "ann"}))
        assert status == 200, text
        server.stop()
    with Server(data=data, config=config, env={"HOOK": hook.url}) as server:
        server.send({"n": 41})
        server.stop()


@test("J-07 jdump: an independent reader finds the same records, head and place of the damage as tocsin query and verify")
def same_records():
    with temporary() as data, Receiver() as hook:
        fill(data, hook)
        code, out, err = jdump(data)
        assert code == 0 and not err, err
        ours, theirs = kit.lines(tocsin("query", "--data", data, "--all")[1]), kit.lines(out)
        assert {r["type"] for r in theirs} == ALL_TYPES, {r["type"] for r in theirs} ^ ALL_TYPES
        assert len(ours) == len(theirs), (len(ours), len(theirs))
        for our, their in zip(ours, theirs):
            for key in our:
                if key != "raw" or "\ufffd" not in their[key]:
                    assert our[key] == their[key], (key, our, their)
        fields = next({f["name"]: f["value"] for f in r["fields"]} for r in theirs if '"n":39' in r["raw"].replace(" ", ""))
        assert fields["user.name"] == "eve" and fields["n"] == "39", fields
        report = json.loads(tocsin("verify", data, "--format", "json")[1])
        summary = json.loads(jdump("--summary", data)[1])
        for key in ("segments", "frames", "records", "head", "torn_bytes"):
            assert report[key] == summary[key], (key, report, summary)

        segment = glob.glob(f"{data}/journal/*.seg")[0]
        whole, chance = open(segment, "rb").read(), random.Random(7)
        for at in [*range(0, 160, 7), *(chance.randrange(144, len(whole) - 400) for _ in range(40))]:
            with open(segment, "r+b") as file:
                file.seek(at)
                file.write(bytes([whole[at] ^ 0x10]))
            code, _, err = jdump(data)
            verify_code, _, verify_err = tocsin("verify", data)
            assert code == 1 and verify_code == 1, (at, code, verify_code, err, verify_err)
            places = [re.search(r"offset (\d+)", text)[1] for text in (err, verify_err)]
            assert at < 144 or places[0] == places[1], (at, err, verify_err)
            with open(segment, "r+b") as file:
                file.seek(at)
                file.write(whole[at:at + 1])
        assert jdump(data)[0] == 0


@test("J-07 jdump: a torn tail is the end and no damage, as for tocsin verify")
def torn_tail():
    with temporary() as data, Receiver() as hook:
        fill(data, hook)
        segment = glob.glob(f"{data}/journal/*.seg")[0]
        copy = data + "/whole"
        shutil.copy(segment, copy)
        size = os.path.getsize(segment)
        for cut in (1, 100, 127, 128 + 30):
            shutil.copy(copy, segment)
            os.truncate(segment, size - cut)
            report = json.loads(tocsin("verify", data, "--format", "json")[1])
            code, out, err = jdump("--summary", data)
            assert code == 0, err
            summary = json.loads(out)
            assert report["torn_bytes"] == summary["torn_bytes"] and report["head"] == summary["head"], (cut, report, summary)


if __name__ == "__main__":
    kit.main()
