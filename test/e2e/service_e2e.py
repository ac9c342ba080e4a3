"""The server as a service: its own log, its supervisor, its sandbox, and the health verb."""
import json
import os
import signal
import socket
import sqlite3
import subprocess

import kit
from kit import Server, Skip, lines, test, tocsin, wait_for

SANITIZED = any(w in kit.TOCSIN for w in ("asan", "tsan"))


@test("Y-14 the log: an object a line with the stated members, where standard error is no terminal")
def json_log():
    with kit.temporary() as folder:
        with open(os.path.join(folder, "bad.yml"), "w", encoding="utf-8") as file:
            file.write("title: bad\ndetection:\n  x: {a|nonsense: 1}\n  condition: x\n")
        with Server(config="channels: []\n", args=["--rules", folder, "--rules", "packs/auth"]) as server:
            assert server.stop() == 0
            rows = lines(server.output())
    assert len(rows) >= 3
    for row in rows:
        assert set(row) <= {"time", "level", "component", "message", "error", "suppressed"}, row
        assert list(row)[:4] == ["time", "level", "component", "message"] and row["level"] in ("debug", "info", "warn", "error"), row
    (refused,) = [r for r in rows if r["component"] == "rules"]
    assert refused["level"] == "warn" and refused["error"]["file"].endswith("bad.yml") and refused["error"]["line"] == 3, refused
    assert rows[-1]["message"] == "stopping"


@test("the log: text where it is asked for, priorities for the journal of systemd, levels; a failed start is a line of it")
def other_logs():
    with Server(config="channels: []\n", args=["--log-format", "text"]) as server:
        server.stop()
        assert all(line.startswith("tocsin: ") for line in server.output().splitlines()), server.output()
    server = Server(config="channels: []\n", args=["--log-level", "warn"])
    with server:
        server.stop()
        assert "stopping" not in server.output()
    server = Server(config="channels: []\n")
    stat = os.fstat(server.log.fileno())
    server.env["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino}"
    with server:
        server.stop()
        assert all(line[0] == "<" and line[1] in "3467" and line[2] == ">" for line in server.output().splitlines()), server.output()
    with kit.temporary() as folder:
        code, _, err = tocsin("run", "--data", folder, "--listen", "nowhere")
        (row,) = lines(err)
        assert code == 2 and row["level"] == "error" and "nowhere" in row["error"]["text"], (code, row)
        code, _, err = tocsin("run", "--data", folder, "--log-level", "loud")
        assert code == 2 and "debug, info, warn or error" in err


@test("sd_notify: READY once it serves, WATCHDOG while it judges, STOPPING at the end")
def supervisor():
    with kit.temporary() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = os.path.join(folder, "notify")
        notify.bind(path)
        notify.settimeout(30)
        server = Server(config="channels: []\n", env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
        with server:
            assert notify.recv(4096).decode().startswith("READY=1\nSTATUS=")
            assert [notify.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            server.process.send_signal(signal.SIGTERM)
            message = b""
            while message != b"STOPPING=1":
                assert message in (b"", b"WATCHDOG=1")
                message = notify.recv(4096)


@test("the sandbox: on by default with no_new_privs and a filter, nothing refused in daily work, off by configuration with a warning")
def sandbox():
    if SANITIZED:
        raise Skip("the filter is off under a sanitizer")

    def status(server):
        with open(f"/proc/{server.process.pid}/status", encoding="utf-8") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    with Server(config="channels: []\n") as server:
        wait_for("the filter", lambda: status(server)["Seccomp"] == "2")
        assert status(server)["NoNewPrivs"] == "1"
        for task in os.listdir(f"/proc/{server.process.pid}/task"):
            with open(f"/proc/{server.process.pid}/task/{task}/status", encoding="utf-8") as file:
                assert "Seccomp:\t2" in file.read(), task
        server.send({"event_type": "account_locked", "user.name": "a"})
        wait_for("an alert", server.alerts)
        wait_for("its figure", lambda: server.metric("tocsin_sandbox_on") == 1)
        assert server.metric("tocsin_sandbox_refused_calls_total") == 0
    with Server(config="channels: []\nsandbox: false\n") as server:
        assert server.metric("tocsin_sandbox_on") == 0 and status(server)["Seccomp"] == "0"
        wait_for("the warning", lambda: "off by the configuration" in server.output())


@test("L-03 health by HTTP and by exit code: 0 healthy, 1 while the store cannot be written, 3 without an answer")
def health():
    with Server(config="channels: []\n") as server:
        url = f"http://127.0.0.1:{server.port}"

        def verb(*args):
            return tocsin("health", "--url", url, *args)
        code, out, err = verb()
        assert code == 0 and out == "status good\nready true\njudging true\nwritable true\n", (code, out, err)
        code, out, _ = verb("--format", "json")
        assert json.loads(out) == {"status": "good", "ready": True, "judging": True, "writable": True}
        # another holds the store's write lock: to the server it is as a store that is read-only
        holder = sqlite3.connect(os.path.join(server.data, "state.sqlite"), isolation_level=None, timeout=60)
        holder.execute("BEGIN IMMEDIATE")
        server.send({"event_type": "account_locked", "user.name": "a"})
        wait_for("503", lambda: server.get("/health")[0] == 503, 60)
        code, out, _ = verb()
        assert code == 1 and "writable false" in out and "ready true" in out, (code, out)
        assert server.get("/-/healthy")[0] == 200 and verb("--ready", "--quiet") == (0, "", "")
        holder.execute("ROLLBACK")
        holder.close()
        wait_for("healthy again", lambda: verb()[0] == 0, 60)
        server.stop()
        code, _, err = verb("--timeout", "1s")
        assert code == 3 and "cannot reach" in err


@test("every verb has help, takes --help after anything, and refuses an unknown option with exit code 2")
def verbs():
    listed = [line.split()[0] for line in tocsin("--help")[1].split("verbs:")[1].splitlines() if line.startswith("  ")]
    made = tocsin("help", "--man")[1]
    for verb in listed:
        code, out, _ = tocsin(verb, "--help")
        assert code == 0 and f"usage: tocsin {verb}" in out and "exit codes: 0 done" in out, verb
        assert f".SS tocsin {verb} " in made
        for option in [line.split()[0] for line in out.split("options:")[1].splitlines() if line.startswith("  --")]:
            if option != "--help":
                assert "\\-\\-" + option[2:].replace("-", "\\-") in made, (verb, option)
        code, _, err = tocsin(verb, "--no-such-option")
        assert code == 2 and "no-such-option" in err, verb


kit.main()
