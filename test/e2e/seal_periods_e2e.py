"""Sealing by keys that evolve: what an intruder can do who takes the machine, with every key on it, is played with the program itself as his
tool; an auditor checks with sha256sum and openssl, and tools/jdump with an Ed25519 of its own."""
import base64
import json
import os
import re
import shutil
import subprocess
import sys

import kit
from kit import Server, temporary, test, tocsin, wait_for

JDUMP = os.path.abspath("tools/jdump")
SEAL = "seal:\n  period_key: {0}/period.key\n  period: 1s\n  interval: 1s\n  witness_file: {0}/witness\n"


def new_series(folder, name="period.key"):
    code, out, err = tocsin("seal", "evolve", f"{folder}/{name}", "--name", "tocsin.example.org/test", "--periods", 250)
    assert code == 0 and out.startswith("tocsin.example.org/test+") and len(out.splitlines()) == 1, err
    assert out == open(f"{folder}/{name}.pub", encoding="utf-8").read()
    assert os.stat(f"{folder}/{name}").st_mode & 0o077 == 0
    assert "is there already" in tocsin("seal", "evolve", f"{folder}/{name}")[2]
    return f"{folder}/{name}.pub"


def checkpoints(server):
    """Signed so far; 0 before sealing has begun."""
    found = re.search(r"^tocsin_seal_checkpoints_total (.*)$", server.get("/metrics")[1], re.M)
    return float(found[1]) if found else 0.0


def live(data, config, periods, word):
    """Serves until so many more periods have begun."""
    with Server(data=data, config=config) as server:
        wait_for("a checkpoint", lambda: checkpoints(server), 60)
        end = server.metric("tocsin_seal_period") + periods
        n = 0
        while server.metric("tocsin_seal_period") < end:
            n += 1
            server.send({"n": n, "word": word})
            was = checkpoints(server)
            wait_for("another checkpoint", lambda: checkpoints(server) > was, 60)
        assert server.metric("tocsin_seal_failures_total") == 0
        assert server.metric("tocsin_seal_period_start_timestamp_seconds") > 1e9
        left = server.metric("tocsin_seal_periods_left") + server.metric("tocsin_seal_period")
        assert left == 255, left
        server.stop()


def verify(data, *args):
    code, out, err = tocsin("verify", data, "--format", "json", *args)
    return code, json.loads(out) if out else None, err


def jdump(*args):
    done = subprocess.run([sys.executable, JDUMP, *map(str, args)], capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def periods_of(path):
    return [int(n) for n in re.findall(r"^period [0-9a-f]{8} (\d+)", open(path, encoding="utf-8").read(), re.M)]


@test("J-07 a key that evolves: periods follow one another over a restart, verify and jdump agree, the old key's text is gone, backups hold none")
def evolves():
    with temporary() as folder:
        data, seal, keys = f"{folder}/data", f"{folder}/data/seal/checkpoints", f"{folder}/data/seal"
        key = new_series(keys)  # where docs/evidence.md puts it
        config = SEAL.format(folder).replace(f"{folder}/period.key", f"{keys}/period.key")
        first = open(f"{keys}/period.key", encoding="utf-8").read()
        live(data, config, 2, "one")
        live(data, config, 2, "two")
        seen = periods_of(seal)
        assert seen == sorted(seen) and set(seen) == set(range(seen[-1] + 1)) and seen[-1] >= 3, seen
        now = open(f"{keys}/period.key", encoding="utf-8").read()
        assert now != first and int(now.split("+")[4]) >= seen[-1], now
        assert not os.path.exists(f"{keys}/period.key.next")
        for more in ([], ["--checkpoints", f"{folder}/witness"]):
            code, report, err = verify(data, "--key", key, *more)
            seals = report["checkpoints"]
            assert code == 0 and seals["state"] == "agree" and seals["agreed"] == seals["count"] == len(seen), (report, err)
            assert seals["period"]["number"] == seen[-1] and seals["period"]["periods"] == seen[-1] + 1, seals
            assert 0 < seals["period"]["sealed_records"] <= seals["proven_records"] and seals["period"]["sealed_until"] < seals["proven_time"], seals
        code, out, err = tocsin("verify", data, "--key", key)
        assert code == 0 and "by keys that are erased" in out and f"the key of period {seen[-1]} signs since 20" in out, out
        code, out, err = jdump("--key", key, "--summary", data)
        summary = json.loads(out)
        assert code == 0 and summary["period"] == seen[-1] and summary["periods"] == seen[-1] + 1 and summary["checkpoints"] == len(seen), (summary, err)

        assert tocsin("verify", data, "--key", key, "--sealed-within", "1d")[0] == 0
        code, _, err = tocsin("verify", data, "--key", key, "--sealed-within", "1ms")
        assert code == 1 and "no seal since 20" in err, err
        assert tocsin("verify", data, "--sealed-within", "1h")[0] == 2

        code, _, err = tocsin("backup", "--data", data, "--to", f"{folder}/backup")
        assert code == 0, err
        names = [os.path.join(at, name) for at, _, found in os.walk(f"{folder}/backup") for name in found]
        assert names and not any("seal" in name or "period" in name for name in names), names


@test("J-07 an intruder has the present key and rewrites: another history, a rewritten record, a cut end sealed on, seals left out; each is told")
def intruder():
    with temporary() as folder:
        data, forged, early = f"{folder}/data", f"{folder}/forged", f"{folder}/early"
        key = new_series(folder)
        config = SEAL.format(folder)
        live(data, config, 2, "truth")
        shutil.copytree(data, early)
        live(data, config, 3, "truth")
        stolen = periods_of(f"{data}/seal/checkpoints")[-1] + 1
        theirs = SEAL.format(forged)  # he has the machine: the key as it is now, and the program
        os.makedirs(forged)
        for name in ("period.key", "period.key.tree"):
            shutil.copy(f"{folder}/{name}", f"{forged}/{name}")

        live(f"{forged}/data", theirs, 1, "lie")
        assert verify(f"{forged}/data")[0] == 0  # whole in itself
        code, report, err = verify(f"{forged}/data", "--key", key)
        assert code == 1 and report["intact"] and re.search(r"the seals of periods 0 to \d+ are missing before the checkpoint of 20", err), err
        code, _, err = jdump("--key", key, f"{forged}/data")
        assert code == 1 and "seals are missing" in err, err

        # the true seals before his, over his journal: the first that does not agree is named, with its time
        both = f"{forged}/both"
        with open(both, "wb") as file:
            for name in (f"{data}/seal/checkpoints", f"{forged}/data/seal/checkpoints"):
                file.write(open(name, "rb").read())
        code, report, err = verify(f"{forged}/data", "--key", key, "--checkpoints", both)
        assert code == 1 and report["checkpoints"]["state"] == "fail" and report["checkpoints"]["agreed"] == 0, report
        assert re.search(r"(not those that were sealed by|fewer records than the one before has) the checkpoint of 20", err), err

        # cut where the journal was some time ago, and sealed on by the present key
        for name in ("period.key", "period.key.tree"):
            shutil.copy(f"{folder}/{name}", f"{forged}/{name}")
        cut = periods_of(f"{early}/seal/checkpoints")[-1]
        live(early, theirs, 1, "lie")
        code, report, err = verify(early, "--key", key)
        assert code == 1 and re.search(r"seals? of periods? \d+( to \d+)? (is|are) missing before the checkpoint of 20", err), err
        assert "the last checkpoint that agrees is of 20" in err and report["checkpoints"]["agreed"] > 0, err
        assert report["checkpoints"]["period"]["number"] == cut < stolen, report

        # a note within a period may be lost; one that ends or begins a period may not
        seal = f"{data}/seal/checkpoints"
        notes = re.findall(r".*?\n\n.*?\n\n", open(seal, encoding="utf-8").read(), re.S)
        for i, note in enumerate(notes[:-3]):
            with open(f"{folder}/left-out", "w", encoding="utf-8") as file:
                file.write("".join(notes[:i] + notes[i + 1:]))
            other = [n for n in notes if n is not note and "period-key" in n and re.search(r"^period .*", note, re.M)[0].split()[:3] ==
                     re.search(r"^period .*", n, re.M)[0].split()[:3]]
            matters = bool(re.search(r"^period .* ends$", note, re.M)) or ("period-key" in note and not other)
            # (an end that is left out could be found in DIR/seal/checkpoints, but he has rewritten that one, too)
            shutil.copy(f"{folder}/left-out", seal)
            code, _, err = verify(data, "--key", key)
            judged = jdump("--key", key, "--summary", data)
            assert (code == 1) == matters == (judged[0] == 1), (i, matters, err, judged)
        with open(seal, "w", encoding="utf-8") as file:
            file.write("".join(notes))
        assert verify(data, "--key", key)[0] == 0


@test("J-07 a witness that missed a change of keys is no reason to disbelieve: what it missed stands in the directory, and is judged")
def witness_was_away():
    with temporary() as folder:
        data = f"{folder}/data"
        key = new_series(folder)
        live(data, SEAL.format(folder), 3, "one")
        notes = re.findall(r".*?\n\n.*?\n\n", open(f"{folder}/witness", encoding="utf-8").read(), re.S)
        with open(f"{folder}/witness", "w", encoding="utf-8") as file:
            file.write("".join(n for n in notes if not re.search(r"^period .* [01]( ends)?$", n, re.M)))
        code, report, err = verify(data, "--key", key, "--checkpoints", f"{folder}/witness")
        assert code == 0 and report["checkpoints"]["period"]["number"] >= 2, (report, err)
        shutil.move(f"{data}/seal/checkpoints", f"{folder}/away")
        code, report, err = verify(data, "--key", key, "--checkpoints", f"{folder}/witness")
        assert code == 1 and "the seals of periods 0 to 1 are missing" in err, err


@test("J-07 docs/evidence.md: its commands prove a record whose checkpoint a key that evolves signed, and fail on a changed byte")
def auditor():
    with temporary() as folder:
        data = f"{folder}/data"
        key = new_series(folder)
        live(data, SEAL.format(folder), 2, "one")
        page = open("docs/evidence.md", encoding="utf-8").read()
        script = "set -e\n" + "".join(re.findall(r"```bash\n(.*?)```", page, re.S))
        wanted = base64.b64encode(base64.b64decode(open(key, encoding="utf-8").read().split("+", 2)[2])[-32:]).decode()
        records = [r for r in kit.lines(jdump(data)[1]) if r["type"] == "event"]
        code, _, err = tocsin("verify", data, "--key", key, "--prove", records[0]["id"], "--proof", f"{folder}/proof")
        assert code == 0, err

        def run():
            done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout

        period = re.search(r"^period [0-9a-f]{8} (\d+)", open(f"{folder}/proof/checkpoint", encoding="utf-8").read(), re.M)[1]
        good = f"the key of period {period} of the series {wanted}\n"
        code, out = run()
        assert code == 0 and "the record is in the tree" in out and "Verified Successfully" in out and good in out, out
        for name in ("record", "path", "checkpoint", "signature", "key-path"):
            whole = open(f"{folder}/proof/{name}", "rb").read()
            with open(f"{folder}/proof/{name}", "wb") as file:
                file.write(whole[:40] + (b"0" if whole[40:41] != b"0" else b"1") + whole[41:])
            code, out = run()
            assert code != 0 or "the record is in the tree" not in out or good not in out, (name, out)
            with open(f"{folder}/proof/{name}", "wb") as file:
                file.write(whole)


@test("J-07 a journal that was sealed by a key that stays goes on with one that evolves: both sign, all is proven, the first key alone proves no new seal")
def upgraded():
    with temporary() as folder:
        data = f"{folder}/data"
        assert tocsin("seal", "init", f"{folder}/seal.key", "--name", "tocsin.example.org/test")[0] == 0
        fixed = f"seal:\n  key: {folder}/seal.key\n  interval: 1s\n"
        with Server(data=data, config=fixed) as server:
            server.send({"n": 1})
            server.stop()
        old = open(f"{data}/seal/checkpoints", encoding="utf-8").read()
        key = new_series(folder)
        live(data, fixed + f"  period_key: {folder}/period.key\n  period: 1s\n", 2, "new")
        both = f"{folder}/both.pub"
        with open(both, "w", encoding="utf-8") as file:
            file.write(open(f"{folder}/seal.key.pub", encoding="utf-8").read() + open(key, encoding="utf-8").read())
        for trusted in (both, f"{folder}/seal.key.pub"):
            code, report, err = verify(data, "--key", trusted)
            assert code == 0 and report["checkpoints"]["agreed"] == report["checkpoints"]["count"], (report, err)
            assert ("period" in report["checkpoints"]) == (trusted == both), report
            code, _, err = jdump("--key", trusted, "--summary", data)
            assert code == 0, err
        assert verify(data, "--key", key)[0] == 1  # the series did not sign the first ones
        with open(f"{data}/seal/checkpoints", "w", encoding="utf-8") as file:
            file.write(old)
        code, _, err = verify(data, "--key", both)
        assert code == 1 and "its seals are missing" in err, err


@test("J-07 kill -9 at any moment: the key goes on, no period is missing")
def killed():
    with temporary() as folder:
        data = f"{folder}/data"
        key = new_series(folder)
        for i in range(6):
            with Server(data=data, config=SEAL.format(folder)) as server:
                server.send(*({"n": i} for i in range(100)))
                wait_for("checkpoints", lambda: checkpoints(server) >= 1 + i % 3, 60)
                server.kill()
        with Server(data=data, config=SEAL.format(folder)) as server:
            server.stop()
        for more in ([], ["--checkpoints", f"{folder}/witness"]):
            code, report, err = verify(data, "--key", key, *more)
            assert code == 0 and report["checkpoints"]["period"]["number"] >= 2, (report, err)
        assert jdump("--key", key, "--summary", data)[0] == 0


@test("J-07 a clock that jumps over years skips no period and holds none")
def clock_jumps():
    with temporary() as folder:
        data, key = f"{folder}/data", new_series(folder)
        live(data, SEAL.format(folder), 1, "one")
        for since in (0, 4102444800):  # the period in use seems to have begun in 1970, in 2100
            parts = open(f"{folder}/period.key", encoding="utf-8").read().split("+")
            parts[5] = str(since)
            with open(f"{folder}/period.key", "w", encoding="utf-8") as file:
                file.write("+".join(parts))
            live(data, SEAL.format(folder), 1, "two")
        code, report, err = verify(data, "--key", key)
        assert code == 0, err
        seen = periods_of(f"{data}/seal/checkpoints")
        assert set(seen) == set(range(seen[-1] + 1)) and report["checkpoints"]["period"]["number"] == seen[-1] < len(seen), seen


@test("J-07 a key that cannot be replaced signs on, which is told; it evolves when it can")
def stuck():
    with temporary() as folder:
        data = f"{folder}/data"
        key = new_series(folder)
        live(data, SEAL.format(folder), 1, "one")
        os.mkdir(f"{folder}/period.key.next")
        with Server(data=data, config=SEAL.format(folder)) as server:
            wait_for("checkpoints", lambda: checkpoints(server) >= 3, 60)
            assert server.metric("tocsin_seal_failures_total") >= 1
            stuck_at = server.metric("tocsin_seal_period")
            assert "the key cannot evolve" in server.output()
            os.rmdir(f"{folder}/period.key.next")
            wait_for("the next period", lambda: server.metric("tocsin_seal_period") > stuck_at, 60)
            server.stop()
        code, report, err = verify(data, "--key", key)
        assert code == 0 and report["checkpoints"]["period"]["number"] >= stuck_at, (report, err)


@test("J-07 keys of periods: what is wrong with a configuration or a file is told at the start")
def refused():
    with temporary() as folder:
        config = f"{folder}/config.yml"

        def run(text):
            with open(config, "w", encoding="utf-8") as file:
                file.write(text)
            return tocsin("check", "--config", config)

        assert "sealing needs a key" in run("seal:\n  interval: 1m\n")[2]
        assert run(f"seal:\n  period_key: {folder}/k\n  period: 1ms\n")[0] == 2
        new_series(folder)
        code, _, err = tocsin("verify", folder, "--key", f"{folder}/period.key")
        assert code == 2 and "whoever verifies has" in err, err
        code, _, err = tocsin("seal", "evolve", f"{folder}/k", "--periods", "1")
        assert code == 2 and "--periods" in err, err


if __name__ == "__main__":
    kit.main()
