"""Backup under load, restore, and what follows: nothing acknowledged is lost, nothing is sent twice, nothing is sent before a
person has looked."""
import json
import os
import shutil
import stat
import subprocess
import threading

import kit
from kit import Receiver, Server, free_port, now, temporary, test, tocsin, wait_for

CONFIG = "channels:\n  - name: security\n    type: slack\n    url: env:HOOK\n"


class Load(threading.Thread):
    """Posts numbered events until it is told to stop; `acknowledged` only ever grows."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.acknowledged, self.stop, self.wrong = server, 0, False, []

    def run(self):
        while not self.stop:
            first = self.acknowledged
            events = [{"n": first + i, "event_type": "login_success", "user.name": "load", "@timestamp": now()} for i in range(20)]
            body = "\n".join(json.dumps(e) for e in events).encode()
            status, text, _ = self.server.post("/v1/events", body, {"Content-Type": "application/x-ndjson"})
            if status != 200:
                self.wrong.append((status, text))
                return
            self.acknowledged += 20


def lockout(user):
    return {"event_type": "account_locked", "user.name": user, "@timestamp": now()}


def numbers(server):
    return {json.loads(e["raw"])["n"] for e in server.query() if '"n"' in e["raw"]}


def told(hook):
    return [b["attachments"][0]["actions"][0]["url"].rsplit("/", 1)[1] for b in hook.bodies()]


def modes(path):
    return {stat.S_IMODE(os.lstat(os.path.join(folder, name)).st_mode) for folder, _, names in os.walk(path) for name in names}


def restore(backup, data, *args):
    code, out, err = tocsin("restore", "--from", backup, "--data", data, "--format", "json", *args)
    assert code == 0, (code, out, err)
    return json.loads(out)


@test("L-04 a backup under load, as a directory and as an archive: all that was acknowledged is in it, each once")
def under_load():
    with temporary() as place, Server() as server:
        load = Load(server)
        load.start()
        wait_for("some load", lambda: load.acknowledged >= 200)
        for name in ("plain", "packed.tar.zst"):
            before = load.acknowledged
            backup = os.path.join(place, name)
            code, out, err = tocsin("backup", "--data", server.data, "--to", backup, "--format", "json")
            assert code == 0, (out, err)
            assert load.is_alive(), load.wrong
            code, out, err = tocsin("restore", "--from", backup, "--check", "--format", "json")
            assert code == 0 and json.loads(out)["intact"], (out, err)
            data = os.path.join(place, "data-" + name)
            report = restore(backup, data)
            assert report["held"] and report["new_epoch"] != report["backup"]["epoch"], report
            assert tocsin("verify", data)[0] == 0
            with Server(data=data) as again:
                got = sorted(json.loads(e["raw"])["n"] for e in again.query())
                assert got == list(range(len(got))) and len(got) >= before, (len(got), before)
                again.send({"n": -1, "@timestamp": now()})
            assert tocsin("verify", data)[0] == 0
        load.stop = True
        load.join(30)
        assert not load.wrong, load.wrong
        assert modes(os.path.join(place, "plain")) == {0o600}, modes(os.path.join(place, "plain"))
        assert stat.S_IMODE(os.stat(os.path.join(place, "plain")).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(os.path.join(place, "packed.tar.zst")).st_mode) == 0o600
        done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=os.path.join(place, "plain"), check=False)
        assert done.returncode == 0


@test("L-04 after a restore nothing is sent twice, nothing before the release, and nothing is lost")
def released():
    with temporary() as place, Receiver() as hook, Server(config=CONFIG, env={"HOOK": hook.url}) as server:
        server.send(lockout("ada"))
        wait_for("ada's message", lambda: len(hook.bodies()) == 1)
        # the receipt is durable once the store shows it
        wait_for("its receipt", lambda: server.metric("tocsin_notifications_sent_total") == 1)
        wait_for("its row is done", lambda: json.loads(server.get("/api/v1/delivery")[1])["pending"] == 0)
        with hook.lock:
            hook.answers = [(503, {"Retry-After": "3600"})] * 50
        server.send(lockout("bob"))
        wait_for("bob's alert", lambda: len(server.alerts()) == 2)
        wait_for("bob's first try", lambda: any(status == 503 for *_, status in hook.requests))
        backup = os.path.join(place, "b.tar.zst")
        code, out, err = tocsin("backup", "--data", server.data, "--to", backup)
        assert code == 0, err
        server.stop()
        data = os.path.join(place, "restored")
        report = restore(backup, data)
        assert report["pending"] == 1 and len(report["preview"]) == 1, report
        assert "ACCOUNT_LOCKOUT new -> security" in report["preview"][0], report
        with hook.lock:
            hook.answers.clear()
            before = len(hook.requests)
        again = Server(data=data, config=CONFIG, env={"HOOK": hook.url})
        with again:
            assert "held" in again.get("/-/ready")[1] and "delivery is held" in again.output()
            assert again.metric("tocsin_delivery_held") == 1
            again.send(lockout("eve"))
            wait_for("three alerts", lambda: len(again.alerts()) == 3)
            held = wait_for("two rows that wait", lambda: (lambda d: d if d["pending"] == 2 else None)(json.loads(again.get("/api/v1/delivery")[1])))
            assert held["held"] and [n["channel"] for n in held["notifications"]] == ["security", "security"], held
            again.stop()
            again.start()  # held over a restart, too
            assert json.loads(again.get("/api/v1/delivery")[1])["held"]
            assert len(hook.requests) == before, hook.requests[before:]
            code, out, err = tocsin("release", "--url", f"http://127.0.0.1:{again.port}", "--list")
            assert code == 0 and json.loads(out)["pending"] == 2, (out, err)
            code, out, err = tocsin("release", "--url", f"http://127.0.0.1:{again.port}", "--by", "test")
            assert code == 0 and json.loads(out) == {"held": False}, (out, err)
            wait_for("bob's and eve's messages", lambda: len(hook.bodies()) == 3)
            wait_for("nothing waits", lambda: json.loads(again.get("/api/v1/delivery")[1])["pending"] == 0)
            assert len(told(hook)) == len(set(told(hook))) == 3, told(hook)
            assert "held" not in again.get("/-/ready")[1]


@test("L-04 a release that discards sends only what comes after it")
def discarded():
    with temporary() as place, Receiver(answers=[(503, {"Retry-After": "3600"})] * 50) as hook, Server(config=CONFIG, env={"HOOK": hook.url}) as server:
        server.send(lockout("ada"))
        wait_for("a try", lambda: hook.requests)
        backup = os.path.join(place, "b")
        assert tocsin("backup", "--data", server.data, "--to", backup)[0] == 0
        server.stop()
        with hook.lock:
            hook.answers.clear()
        data = os.path.join(place, "restored")
        restore(backup, data)
        with Server(data=data, config=CONFIG, env={"HOOK": hook.url}) as again:
            assert tocsin("release", "--url", f"http://127.0.0.1:{again.port}", "--discard")[0] == 0
            wait_for("nothing waits", lambda: json.loads(again.get("/api/v1/delivery")[1])["pending"] == 0)
            again.send(lockout("eve"))
            wait_for("eve's message", hook.bodies)
            assert "eve" in json.dumps(hook.bodies()) or len(hook.bodies()) == 1
            assert len(hook.bodies()) == 1, hook.bodies()


@test("L-04 restore --check finds every kind of damage, and a damaged backup is not restored")
def damaged():
    with temporary() as place:
        with Server() as server:
            server.send(lockout("ada"))
            wait_for("an alert", server.alerts)
            whole = os.path.join(place, "whole")
            assert tocsin("backup", "--data", server.data, "--to", whole)[0] == 0
            packed = os.path.join(place, "whole.tar.zst")
            assert tocsin("backup", "--data", server.data, "--to", packed)[0] == 0
            assert tocsin("backup", "--data", server.data, "--to", packed)[0] == 2, "a backup is never written over"
        segment = os.path.join("journal", os.listdir(os.path.join(whole, "journal"))[0])

        def flip(path):
            with open(path, "r+b") as file:
                file.seek(os.path.getsize(path) // 2)
                byte = file.read(1)
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte[0] ^ 1]))

        def cut(path):
            os.truncate(path, os.path.getsize(path) - 100)

        def more(path):
            shutil.copy(os.path.join(path, segment), os.path.join(path, "journal", "00000000000009999999.seg"))

        damages = {"a bit of the journal": lambda d: flip(os.path.join(d, segment)), "a cut journal": lambda d: cut(os.path.join(d, segment)),
                   "a bit of an object": lambda d: flip(os.path.join(d, "objects", os.listdir(os.path.join(d, "objects"))[0])),
                   "a missing key": lambda d: os.unlink(os.path.join(d, "redact.key")), "a bit of the sums": lambda d: flip(os.path.join(d, "SHA256SUMS")),
                   "no manifest": lambda d: os.unlink(os.path.join(d, "manifest.json")), "a segment too many": more}
        for what, damage in damages.items():
            copy = os.path.join(place, "copy")
            shutil.copytree(whole, copy)
            damage(copy)
            code, out, err = tocsin("restore", "--from", copy, "--check")
            assert code != 0 and err, (what, out)
            data = os.path.join(place, "data")
            assert tocsin("restore", "--from", copy, "--data", data)[0] != 0 or what == "a segment too many", what
            if what != "a segment too many":  # which is not copied
                assert not os.path.exists(data) and not os.path.exists(data + ".restoring"), what
            shutil.rmtree(data, ignore_errors=True)
            shutil.rmtree(copy)
        flip(packed)
        code, out, err = tocsin("restore", "--from", packed, "--check", "--work", place)
        assert code != 0 and err, out
        assert not [n for n in os.listdir(place) if n.startswith("tocsin-check")]


@test("L-04 an archive with other names, links or paths that lead out is refused")
def hostile():
    with temporary() as place:
        with Server() as server:
            server.send(lockout("ada"))
            wait_for("an alert", server.alerts)
            whole = os.path.join(place, "whole")
            assert tocsin("backup", "--data", server.data, "--to", whole)[0] == 0
        for what, extra in {"up": ["--transform=s,redact.key,../../evil,"], "absolute": ["-P", "--transform=s,redact.key,/tmp/tocsin-evil,"]}.items():
            packed = os.path.join(place, what + ".tar.zst")
            names = ["manifest.json", "SHA256SUMS", "journal", "objects", "redact.key"]
            files = [f for n in names for f in ([n] if os.path.isfile(os.path.join(whole, n)) else sorted(os.path.join(n, x) for x in os.listdir(os.path.join(whole, n))))]
            done = subprocess.run(["tar", "--zstd", *extra, "-cf", packed, "-C", whole, *files], capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            code, _, err = tocsin("restore", "--from", packed, "--check", "--work", place)
            assert code == 1 and "no backup has" in err, (what, code, err)
            assert not os.path.exists(os.path.join(place, "evil")) and not os.path.exists("/tmp/tocsin-evil")


@test("L-04 E-01 keys: pseudonyms stay the same over a restore, and are others where the backup has none; the configuration comes along")
def keys():
    def pseudonym(server):
        server.send({"event_type": "login_success", "mail": "ada@example.org", "@timestamp": now()})
        raw = server.query()[-1]["raw"]
        assert "ada@example.org" not in raw
        return json.loads(raw)["mail"]

    with temporary() as place:
        with Server(config=CONFIG, env={"HOOK": "http://127.0.0.1:1/x"}) as server:
            first = pseudonym(server)
            config = os.path.join(server.data, "tocsin.yml")
            assert tocsin("backup", "--data", server.data, "--to", os.path.join(place, "with"), "--config", config, "--with-vault")[0] == 0
            assert tocsin("backup", "--data", server.data, "--to", os.path.join(place, "without"), "--without-keys")[0] == 0
        for name in ("redact.key", "vault.key", "vault/entries"):
            assert os.path.exists(os.path.join(place, "with", name)) and not os.path.exists(os.path.join(place, "without", name)), name
        for name, same in (("with", True), ("without", False)):
            data = os.path.join(place, "data-" + name)
            restore(os.path.join(place, name), data)
            assert modes(data) == {0o600}, modes(data)
            with Server(data=data) as again:
                assert (pseudonym(again) == first) == same
        with open(os.path.join(place, "data-with", "config", "tocsin.yml"), encoding="utf-8") as file:
            assert file.read() == CONFIG


@test("L-04 through a pipe: the archive on standard output, the restore from standard input; not over what is there")
def piped():
    with temporary() as place:
        with Server() as server:
            server.send(lockout("ada"))
            wait_for("an alert", server.alerts)
            made = subprocess.run([kit.TOCSIN, "backup", "--data", server.data, "--to", "-"], capture_output=True, check=True)
            assert tocsin("restore", "--from", os.path.join(place, "none"), "--data", os.path.join(place, "x"))[0] == 2
            code, _, err = tocsin("restore", "--from", "-", "--data", server.data, stdin=made.stdout)
            assert code == 2 and "not empty" in err, err
        data = os.path.join(place, "data")
        os.mkdir(data)
        code, _, err = tocsin("restore", "--from", "-", "--data", data, "--deliver", stdin=made.stdout)
        assert code == 0, err
        with Server(data=data, port=free_port()) as again:
            assert len(again.alerts()) == 1
            assert not json.loads(again.get("/api/v1/delivery")[1])["held"]


kit.main()
