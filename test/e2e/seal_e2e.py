"""The journal judged by others than the program that wrote it: tools/jdump, which knows docs/format/ and nothing else; an auditor with
sha256sum and openssl, by the very commands of docs/evidence.md; a witness that kept the checkpoints."""
import base64
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


def fill(data, hook, more="", env=None):
    """A journal with records of every type, left by an orderly stop and a second life."""
    logs = os.path.join(data, "logs")
    os.makedirs(logs, exist_ok=True)
    with open(f"{logs}/app.log", "wb") as file:
        file.write(b"a line of a file\nnot utf-8: \xff\xfe\nquotes \" and \\ and \x01\n")
    config = ("channels:\n  - name: security\n    type: slack\n    url: env:HOOK\n    min_severity: P4\n"
              f"files:\n  - name: app\n    paths: [\"{logs}/app.log\"]\n    start: beginning\n" + more)
    with Server(data=data, config=config, env={"HOOK": hook.url, **(env or {})}) as server:
        server.send(*({"n": i, "event_type": "login_failed", "source.ip": "10.0.0.1", "user.name": "eve", "text": "é\u2028\U0001f514",
                       "@timestamp": kit.now()} for i in range(40)))
        alert = wait_for("an alert", server.alerts)[0]
        wait_for("the receipt", lambda: any(e["type"] == "receipt" for e in server.query("--all")))
        wait_for("the file", lambda: any(e["raw"] == "a line of a file" for e in server.query()))
        status, text, _ = server.post(f"/v1/alerts/{alert['id']}/ack", json.dumps({"by": "ann"}))
        assert status == 200, text
        server.stop()
    with Server(data=data, config=config, env={"HOOK": hook.url, **(env or {})}) as server:
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


SEAL = "seal:\n  key: {0}/seal.key\n  interval: 1s\n  witness_file: {0}/witness\n"


def new_key(folder):
    code, out, err = tocsin("seal", "init", f"{folder}/seal.key", "--name", "tocsin.example.org/test")
    assert code == 0 and out.startswith("tocsin.example.org/test+"), err
    assert os.stat(f"{folder}/seal.key").st_mode & 0o077 == 0
    return f"{folder}/seal.key.pub"


def verify(data, *args):
    code, out, err = tocsin("verify", data, "--format", "json", *args)
    return code, json.loads(out) if out else None, err


@test("J-07 checkpoints are signed while it runs and at its end, jdump finds the same roots, --key judges them")
def checkpoints():
    with temporary() as folder, Receiver() as hook:
        data = f"{folder}/data"
        key = new_key(folder)
        with Receiver() as witness:
            fill(data, hook, SEAL.format(folder) + "  witness_url: env:WITNESS\n  witness_log: true\n",
                 {"WITNESS": witness.url})
            posted = [body for _, _, body, _ in witness.requests]
        assert posted and "".join(posted) == open(f"{data}/seal/checkpoints", encoding="utf-8").read()
        for more in ([], ["--checkpoints", f"{folder}/witness"]):
            code, report, err = verify(data, "--key", key, *more)
            assert code == 0 and report["checkpoints"]["state"] == "agree", (report, err)
            assert report["checkpoints"]["agreed"] == report["checkpoints"]["count"] >= 2
            assert report["checkpoints"]["signer"] == "tocsin.example.org/test"
        summary = json.loads(jdump("--summary", data)[1])
        assert summary["checkpoints"] == report["checkpoints"]["count"], (summary, report)
        other = f"{folder}/other"
        tocsin("seal", "init", other)
        code, report, err = verify(data, "--key", other + ".pub")
        assert code == 1 and report["checkpoints"]["state"] == "fail" and "no trusted key" in err, err


@test("J-07 docs/evidence.md: its commands prove a record with sha256sum and openssl, and fail on a changed byte")
def auditor():
    with temporary() as folder, Receiver() as hook:
        data = f"{folder}/data"
        key = new_key(folder)
        fill(data, hook, SEAL.format(folder))
        page = open("docs/evidence.md", encoding="utf-8").read()
        script = "set -e\n" + "".join(re.findall(r"```bash\n(.*?)```", page, re.S))
        public = open(key, encoding="utf-8").read().split("+", 2)[2]
        wanted = base64.b64encode(base64.b64decode(public)[-32:]).decode()

        def run():
            done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout

        records = [r for r in kit.lines(jdump(data)[1]) if r["type"] == "event"]
        for record in (records[0], records[17], records[-1]):
            shutil.rmtree(f"{folder}/proof", ignore_errors=True)
            code, _, err = tocsin("verify", data, "--key", key, "--prove", record["id"], "--proof", f"{folder}/proof")
            assert code == 0, err
            code, out = run()
            assert code == 0 and "the record is in the tree" in out and "Verified Successfully" in out and wanted in out, out
            assert open(f"{folder}/proof/record", "rb").read().endswith(record["raw"].encode())
        for name in ("record", "path", "checkpoint", "signature"):
            with open(f"{folder}/proof/{name}", "r+b") as file:
                file.seek(40)
                byte = file.read(1)
                file.seek(40)
                file.write(b"0" if byte != b"0" else b"1")
            code, out = run()
            assert code != 0 or "the record is in the tree" not in out, (name, out)
            with open(f"{folder}/proof/{name}", "r+b") as file:
                file.seek(40)
                file.write(byte)
        code, _, err = tocsin("verify", data, "--key", key, "--prove", "0000000000000001-audit-1")
        assert code == 1 and "no such record" in err, err


@test("J-07 a rewritten journal and a cut one are told by the witness: what, where, since when")
def rewritten():
    with temporary() as folder, Receiver() as hook:
        data, other = f"{folder}/data", f"{folder}/other"
        key = new_key(folder)
        fill(data, hook, SEAL.format(folder))
        with Server(data=other) as server:
            server.send(*({"n": i} for i in range(2000)))
            server.stop()
        shutil.rmtree(f"{data}/journal")
        shutil.copytree(f"{other}/journal", f"{data}/journal")
        assert tocsin("verify", data)[0] == 1
        code, report, err = verify(data, "--key", key, "--checkpoints", f"{folder}/witness")
        assert code == 1 and report["intact"] and report["checkpoints"]["state"] == "fail", report
        assert "not those that were sealed by the checkpoint of 20" in err and "no checkpoint before it agrees" in err, err

        fill(f"{folder}/second", hook, SEAL.format(folder).replace("witness\n", "second_witness\n"))
        segment = glob.glob(f"{folder}/second/journal/*.seg")[0]
        os.truncate(segment, os.path.getsize(segment) // 2)
        code, report, err = verify(f"{folder}/second", "--key", key, "--checkpoints", f"{folder}/second_witness")
        assert code == 1 and "are missing" in err and "were sealed by the checkpoint of 20" in err, err


@test("J-07 keys rotate: who trusts the first key trusts what the second signs; a retired key signs no more")
def rotation():
    with temporary() as folder:
        data = f"{folder}/data"

        def live():
            with Server(data=data, config=SEAL.format(folder)) as server:
                server.send({"n": 1})
                server.stop()

        key = new_key(folder)
        first = f"{folder}/first.pub"
        shutil.copy(key, first)
        live()
        code, out, err = tocsin("seal", "rotate", f"{folder}/seal.key")
        assert code == 0 and len(out.splitlines()) == 2, err
        live()
        code, out, err = tocsin("seal", "retire", f"{folder}/seal.key")
        assert code == 0 and len(out.splitlines()) == 1, err
        live()
        code, report, err = verify(data, "--key", first)
        assert code == 0 and report["checkpoints"]["agreed"] == report["checkpoints"]["count"], (report, err)
        second = f"{folder}/second.pub"
        with open(second, "w", encoding="utf-8") as file:
            file.write(out)
        assert verify(data, "--key", second)[0] == 1  # it did not sign the first ones


@test("J-07 kill -9 at any moment leaves checkpoints that verify, and sealing goes on")
def killed():
    with temporary() as folder:
        data = f"{folder}/data"
        key = new_key(folder)
        for i in range(6):
            with Server(data=data, config=SEAL.format(folder)) as server:
                server.send(*({"n": i} for i in range(500)))
                wait_for("a checkpoint", lambda: server.metric("tocsin_seal_checkpoints_total") >= 1)
                server.kill()
            with open(f"{folder}/witness", "ab") as file:
                file.write(b"tocsin.example.org/test\n12"[:i * 5])
        with Server(data=data, config=SEAL.format(folder)) as server:
            server.stop()
        for more in ([], ["--checkpoints", f"{folder}/witness"]):
            code, report, err = verify(data, "--key", key, *more)
            assert code == 0 and report["checkpoints"]["agreed"] >= 7, (report, err)


@test("Y-15 J-07 a person is erased: every checkpoint still agrees, a proof that was made before still holds")
def erased():
    with temporary() as folder:
        data = f"{folder}/data"
        key = new_key(folder)
        config = SEAL.format(folder) + "privacy:\n  officers:\n    - name: ann\n      token: env:OFFICER\n"
        with Server(data=data, config=config, env={"OFFICER": "officer-token-0123456789"}) as server:
            server.send({"event_type": "login_failed", "user": {"email": "alice@example.com"}})
            record = wait_for("the event", server.query)[0]
            assert "alice" not in record["raw"], record
            wait_for("a checkpoint", lambda: server.metric("tocsin_seal_records") >= record["position"])
            before = tocsin("verify", data, "--key", key, "--prove", record["id"], "--proof", f"{folder}/before")
            assert before[0] == 0, before
            code, _, err = tocsin("vault", "erase", "alice@example.com", "--reason", "asked", "--url", f"http://127.0.0.1:{server.port}",
                                  env={"TOCSIN_PRIVACY_TOKEN": "officer-token-0123456789"})
            assert code == 0, err
            server.stop()
        code, report, err = verify(data, "--key", key, "--checkpoints", f"{folder}/witness")
        assert code == 0 and report["checkpoints"]["agreed"] == report["checkpoints"]["count"], (report, err)
        assert tocsin("verify", data, "--key", key, "--prove", record["id"], "--proof", f"{folder}/after")[0] == 0
        read = lambda name: open(name, "rb").read()
        assert read(f"{folder}/before/record") == read(f"{folder}/after/record")


@test("J-07 a restored backup is sealed anew; the witness of the old one tells what is missing")
def restored():
    with temporary() as folder:
        data, copy = f"{folder}/data", f"{folder}/copy"
        key = new_key(folder)
        with Server(data=data, config=SEAL.format(folder)) as server:
            server.send({"n": 1})
            code, _, err = tocsin("backup", "--data", data, "--to", f"{folder}/backup")
            assert code == 0, err
            server.send(*({"n": i} for i in range(300)))
            server.stop()
        code, _, err = tocsin("restore", "--from", f"{folder}/backup", "--data", copy)
        assert code == 0, err
        with Server(data=copy, config=SEAL.format(folder).replace("witness\n", "new_witness\n")) as server:
            server.stop()
        assert verify(copy, "--key", key)[0] == 0
        assert verify(copy, "--key", key, "--checkpoints", f"{folder}/new_witness")[0] == 0
        code, _, err = verify(copy, "--key", key, "--checkpoints", f"{folder}/witness")
        assert code == 1 and "sealed by the checkpoint of" in err, err


if __name__ == "__main__":
    kit.main()
