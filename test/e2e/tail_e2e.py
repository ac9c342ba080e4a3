"""Files and the journal of systemd: what a program writes to its log arrives once, over rotations, truncations, kills and stops; an
attack that stands in a log is told."""
import collections
import gzip
import json
import os
import random
import shutil
import threading
import time

import kit
from kit import Server, test, wait_for
from peers import write_journal

CONFIG = """files:
  - name: app
    paths: ["{folder}/app.log"]
    start: beginning
"""


class Writer:
    """A logger that rotates by size as winston and logrotate do: app.log becomes app.log.1, and so on."""

    def __init__(self, folder, keep=5, tailable=True):
        self.folder, self.keep, self.tailable, self.count = folder, keep, tailable, 0
        self.rotations = 0
        self.open()

    def path(self, number=0):
        return f"{self.folder}/app.log" + (f".{number}" if number else "")

    def open(self):
        self.file = open(self.path(), "ab", buffering=0)

    def line(self, extra=""):
        event = {"timestamp": kit.now(), "level": "error", "message": f"number {self.count}", "n": self.count,
                 "stack": "Error: no\n    at f (/srv/app.js:1:2)\n    at g" + extra}
        self.count += 1
        return json.dumps(event).encode() + b"\n"

    def write(self, lines):
        for _ in range(lines):
            self.file.write(self.line())

    def rotate(self):
        self.file.close()
        for number in range(self.keep, -1, -1):
            if os.path.exists(self.path(number)):
                if number == self.keep:
                    os.unlink(self.path(number))
                else:
                    os.rename(self.path(number), self.path(number + 1))
        self.rotations += 1
        self.open()


def events(server, source="file:"):
    """From the journal itself, so it works while the server is down, too."""
    return [e for e in server.query("--limit", "1000000") if e.get("source", "").startswith(source)]


def once_each(server, count, first=0):
    found = collections.Counter()
    for event in events(server):
        at = event["raw"].find('"n": ')
        if at >= 0:
            found[int(event["raw"][at + 5:].split(",")[0].rstrip("}"))] += 1
    missing = [n for n in range(first, count) if n not in found]
    doubled = [n for n, times in found.items() if times > 1]
    assert not missing and not doubled, (count, missing[:5], len(missing), doubled[:5], len(doubled))


def parsed(event, form):
    """The fields of an event, as the verb shows them."""
    code, out, err = kit.tocsin("parse", "--input", form, "-", stdin=event["raw"].encode() + b"\n")
    assert code == 0, err
    return kit.lines(out)[0]["fields"]


def read_up(server, seconds=60):
    """All that is in the files is durable."""
    seen = []

    def quiet():
        text = server.get("/metrics")[1]
        values = [line for line in text.splitlines() if line.startswith(("tocsin_tail_lines_total", "tocsin_tail_behind_bytes",
                                                                         "tocsin_tail_batches_in_flight"))]
        seen.append((time.monotonic(), values))
        still = [at for at, v in seen if v == values]
        behind = server.metric("tocsin_tail_behind_bytes") + server.metric("tocsin_tail_batches_in_flight")
        return behind == 0 and time.monotonic() - still[0] > 2.5 and len(seen) > 3 and seen[-2][1] == values
    wait_for("all lines are read", quiet, seconds)


@test("A-05: each line once over six rotations of 5,242,880 bytes")
def six_rotations():
    with kit.temporary() as folder:
        writer = Writer(folder)
        with Server(config=CONFIG.format(folder=folder)) as server:
            pad = "x" * 2000
            while writer.rotations < 6:
                writer.file.write(b"".join(writer.line(pad) for _ in range(100)))
                if writer.file.tell() >= 5242880:
                    writer.rotate()
            writer.write(10)
            read_up(server)
            once_each(server, writer.count)
            one = events(server)[0]
            assert one["source"] == "file:app" and parsed(one, "json")["stack"].startswith("Error: no\n    at f"), one
            assert server.metric("tocsin_tail_lost_bytes_total") == 0


@test("A-05, D-08: each line once over rotations and kill -9 at random moments")
def kills():
    rng = random.Random(5)
    with kit.temporary() as folder:
        writer, stop = Writer(folder), threading.Event()
        wrote = threading.Lock()

        def write():
            while not stop.is_set():
                with wrote:
                    writer.write(rng.randrange(1, 60))
                stop.wait(0.003)
        writer.write(1)
        server = Server(config=CONFIG.format(folder=folder))
        try:
            server.start()
            wait_for("the first line", lambda: server.metric("tocsin_tail_lines_total") >= 1)
            thread = threading.Thread(target=write)
            thread.start()
            for number in range(12):
                stop.wait(rng.random() * 0.5)
                if number % 3 == 0:
                    with wrote:
                        writer.rotate()
                server.kill()
                if number % 2 == 0:
                    with wrote:
                        writer.rotate()
                server.start()
                # as many as are kept may be rotated unread, no more
                wait_for("nearly all is read", lambda: server.metric("tocsin_tail_behind_bytes") < 100000)
            stop.set()
            thread.join()
            read_up(server)
            once_each(server, writer.count)
        finally:
            stop.set()
            server.stop()
            server.log.close()
            shutil.rmtree(server.data, ignore_errors=True)


@test("A-05: rotations while stopped, one of them compressed")
def while_stopped():
    with kit.temporary() as folder:
        writer = Writer(folder)
        writer.write(50)
        server = Server(config=CONFIG.format(folder=folder))
        with server:
            wait_for("the first lines", lambda: server.metric("tocsin_tail_lines_total") >= 50)
            read_up(server)
            server.stop()
            for number in range(4):
                writer.write(100)
                writer.rotate()
                if number == 2:
                    for name in (writer.path(3), writer.path(2)):  # the one that was being read, and one never seen
                        with open(name, "rb") as plain, gzip.open(name + ".gz", "wb") as packed:
                            packed.write(plain.read())
                        os.unlink(name)
                    for number_ in (3, 2):
                        os.rename(writer.path(number_) + ".gz", writer.path(number_ + 1) + ".gz")
            writer.write(7)
            server.start()
            read_up(server)
            once_each(server, writer.count)
            assert server.metric("tocsin_tail_lost_bytes_total") == 0


@test("truncation: what the copy has is read, what is lost is said")
def truncation():
    with kit.temporary() as folder:
        writer = Writer(folder)
        with Server(config=CONFIG.format(folder=folder)) as server:
            for _ in range(3):
                writer.write(200)
                read_up(server)
                shutil.copyfile(writer.path(), writer.path(1))
                os.truncate(writer.path(), 0)
                writer.write(50)
                read_up(server)
            once_each(server, writer.count)
            assert server.metric("tocsin_tail_truncations_total") == 3
            assert server.metric("tocsin_tail_lost_bytes_total") == 0, server.output()


@test("globs: several patterns, new files from their beginning, permission told and healed")
def globs():
    with kit.temporary() as folder:
        os.makedirs(f"{folder}/one")
        with open(f"{folder}/one/old.log", "w", encoding="utf-8") as file:
            file.write('{"n": 0, "old": true}\n')
        config = f"files:\n  - paths: ['{folder}/*/*.log', '{folder}/*.json']\n"
        with Server(config=config) as server:
            wait_for("the old file is known", lambda: server.metric("tocsin_tail_files") == 1)
            with open(f"{folder}/one/old.log", "a", encoding="utf-8") as file:
                file.write('{"n": 1, "a": 1}\n')
            os.makedirs(f"{folder}/two")
            for number, name in ((2, "two/new.log"), (3, "x.json")):
                with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                    file.write(f'{{"n": {number}, "a": 1}}\n')
            wait_for("all are taken", lambda: server.metric("tocsin_tail_lines_total") == 3)
            read_up(server)
            once_each(server, 4, first=1)
            assert {e["source"] for e in events(server)} == {f"file:{folder}/{n}" for n in ("one/old.log", "two/new.log", "x.json")}
            os.symlink("loop.json", f"{folder}/loop.json")  # what nobody may read, root neither
            wait_for("it is told", lambda: server.metric("tocsin_tail_unreadable") == 1 and "loop.json cannot be" in server.output())
            os.unlink(f"{folder}/loop.json")
            wait_for("it is over", lambda: server.metric("tocsin_tail_unreadable") == 0)
        code, _, err = kit.tocsin("run", "--data", f"{folder}/data", "--tail", "relative.log")
        assert code == 2 and "absolute path" in err, (code, err)


@test("an attack in a followed auth.log is told")
def attack():
    with kit.temporary() as folder:
        with Server(config=f"files:\n  - {{paths: ['{folder}/auth.log'], format: sshd, start: beginning}}\n") as server:
            with open(f"{folder}/auth.log", "w", encoding="utf-8") as file:
                for port in range(20):
                    stamp = time.strftime("%b %e %H:%M:%S", time.gmtime())
                    file.write(f"{stamp} web sshd[77]: Failed password for root from 192.0.2.9 port {4000 + port} ssh2\n")
            wait_for("an alert", lambda: "192.0.2.9" in json.dumps(server.alerts()))


# --- the journal of systemd


def failed_login(number):
    return number, {"MESSAGE": f"Failed password for root from 192.0.2.8 port {number} ssh2", "PRIORITY": "6", "_HOSTNAME": "web",
                    "SYSLOG_IDENTIFIER": "sshd", "_PID": "77", "_COMM": "sshd", "_SYSTEMD_UNIT": "ssh.service", "_UID": "0",
                    "SYSLOG_FACILITY": "10"}


@test("journald: each entry once over restarts and kill -9; the auth pack fires on it")
def journald():
    with kit.temporary() as folder:
        journal = f"{folder}/journal"
        write_journal(journal, "a", [failed_login(n) for n in range(1, 31)])
        server = Server(config=f"journald: {{directory: '{journal}', start: beginning}}\n")
        with server:
            wait_for("all entries", lambda: server.metric("tocsin_journald_entries_total") == 30)
            wait_for("an alert", lambda: "192.0.2.8" in json.dumps(server.alerts()))
            wait_for("all are durable", lambda: len(events(server, "journald")) == 30)
            one = parsed(events(server, "journald")[0], "journald")
            assert one["event_type"] == "login_failed" and one["source.ip"] == "192.0.2.8" and one["host.name"] == "web", one
            assert one["_SYSTEMD_UNIT"] == "ssh.service" and one["process.name"] == "sshd", one
            server.kill()
            write_journal(journal, "b", [failed_login(n) for n in range(100, 110)])
            server.start()
            wait_for("the others", lambda: len(events(server, "journald")) == 40)
            server.kill()
            server.start()
            write_journal(journal, "c", [failed_login(200)])
            wait_for("the last", lambda: len(events(server, "journald")) == 41)
            ports = [json.loads(e["raw"])["MESSAGE"] for e in events(server, "journald")]
            assert len(set(ports)) == 41, ports


@test("journald: from the end on, also of a journal that was empty or is there already")
def journald_end():
    for before in (0, 5):
        with kit.temporary() as folder:
            journal = f"{folder}/journal"
            os.makedirs(journal)
            if before:
                write_journal(journal, "a", [failed_login(n) for n in range(before)])
            server = Server(config=f"journald: {{directory: '{journal}'}}\n")
            with server:
                def place():
                    return [e for e in server.query("--all") if e["type"] == "position"]
                wait_for("its place is durable", place)
                server.kill()
                write_journal(journal, "b", [failed_login(n) for n in range(100, 103)])
                server.start()
                wait_for("what came while it was stopped", lambda: len(events(server, "journald")) == 3)
                write_journal(journal, "c", [failed_login(200)])
                wait_for("what came then", lambda: len(events(server, "journald")) == 4)


@test("journald: a machine without one is told of it and served")
def without_journald():
    with kit.temporary() as folder:
        with Server(config=f"journald: {{directory: '{folder}/none'}}\n") as server:
            wait_for("it is told", lambda: "journal of systemd" in server.output())
            assert server.metric("tocsin_journald_up") == 0


kit.main()
