"""Operations: metrics, silent sources, the heartbeat, a full disk, slow clients, idempotency keys."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import kit
from kit import Receiver, Server, Skip, now, temporary, test, wait_for

CONFIG = "channels:\n  - name: security\n    type: slack\n    url: env:HOOK\n"
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$')


@test("top rules of a running server: what each has cost, the costliest first; a reload that changes something begins anew")
def top_rules():
    with temporary() as directory:
        path = os.path.join(directory, "rules.yml")
        rules = ("title: Rare\nid: r\nlogsource: {category: authentication}\ndetection:\n    s: {event_type: never_so}\n    condition: s\nlevel: low\n"
                 "---\ntitle: Slow\nid: s\nname: slow\nlogsource: {category: authentication}\ndetection:\n    s: {'user.name|re': '(a|b)+c?'}\n"
                 "    condition: s\nlevel: low\n---\ntitle: Many\nid: m\ncorrelation:\n    type: event_count\n    rules: [slow]\n"
                 "    group-by: [user.name]\n    timespan: 1h\n    condition: {gt: 100}\nlevel: high\n")
        with open(path, "w", encoding="utf-8") as file:
            file.write(rules)
        with Server(config=f"rules: [{path}]\n") as server:
            server.send(*[{"@timestamp": now(), "event_type": "login_failed", "user.name": f"a{n % 3}"} for n in range(30)])

            def all_rules():
                return {rule["title"]: rule for rule in json.loads(server.request("GET", "/v1/rules")[1])}
            wait_for("the counters", lambda: all_rules()["Slow"]["tried"] == 30)
            found = all_rules()
            assert list(found) == ["Slow", "Many", "Rare"], found
            assert found["Slow"]["matched"] == 30 and found["Slow"]["work"] > 0 and found["Slow"]["groups"] == 0, found
            assert found["Many"]["groups"] == 3 and found["Many"]["severity"] == "P2" and found["Many"]["id"] == "m", found
            assert found["Rare"]["tried"] == 0 and found["Rare"]["file"] == path and found["Rare"]["line"] == 1, found
            url = f"http://127.0.0.1:{server.port}"
            code, out, err = kit.tocsin("top", "rules", "--url", url, "--limit", "1")
            assert code == 0 and out.count("\n") == 2 and "Slow" in out and "100.0%" in out, (code, out, err)
            code, out, err = kit.tocsin("top", "rules", "--url", url, "--format", "json")
            assert code == 0 and [json.loads(line)["title"] for line in out.splitlines()] == list(found), (code, out, err)
            assert kit.tocsin("top", "events", "--url", url)[0] == 2
            with open(path, "w", encoding="utf-8") as file:
                file.write(rules.replace("never_so", "nor_so"))
            assert server.request("POST", "/-/reload")[0] == 200
            wait_for("counters from 0", lambda: all_rules()["Slow"]["tried"] == 0)
            assert all_rules()["Many"]["groups"] == 3, all_rules()


def parse(text):
    """Strictly: HELP, TYPE and samples of a family stand together, each family once, values are numbers."""
    families, current, seen = {}, None, set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, help_text = line[7:].partition(" ")
            assert name not in families and help_text, line
            current = families[name] = {"help": help_text, "type": None, "samples": []}
            current["name"] = name
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            assert current and name == current["name"] and current["type"] is None and not current["samples"], line
            assert kind in ("counter", "gauge", "histogram"), line
            current["type"] = kind
        else:
            found = SAMPLE.match(line)
            assert found, line
            base = re.sub("_(bucket|sum|count)$", "", found[1]) if current["type"] == "histogram" else found[1]
            assert base == current["name"], line
            assert (found[1], found[2]) not in seen, line
            seen.add((found[1], found[2]))
            current["samples"].append((found[1], found[2] or "", float(found[3])))
    for name, family in families.items():
        assert family["type"], name
        assert (family["type"] == "counter") == name.endswith("_total"), name
        if family["type"] == "histogram":
            buckets = [v for n, _, v in family["samples"] if n.endswith("_bucket")]
            assert buckets == sorted(buckets) and 'le="+Inf"' in family["samples"][len(buckets) - 1][1], name
            assert buckets[-1] == family["samples"][-1][2], name
    return families


@test("Y-13 metrics are well-formed, every bound has its level, and their page tells of all")
def metrics():
    with Server(args=["--syslog-udp", f"127.0.0.1:{kit.free_port()}", "--tail", "/nowhere/*.log"], config="metrics:\n  enabled: true\n") as server:
        server.send({"event_type": "account_locked", "user.name": "x\"\\", "@timestamp": now()})
        wait_for("an alert", server.alerts)
        wait_for("its message", lambda: server.metric("tocsin_notifications_sent_total") >= 1)
        text = wait_for("the source", lambda: (lambda t: t if 'source="http:default"} 1' in t else None)(server.get("/metrics")[1]))
    families = parse(text)
    for name in families:
        if name.endswith("_limit"):
            assert name[:-6] in families, f"{name} is a bound without a level"
    for name in re.findall(r"^# HELP (\S+) .*of at most [0-9]", text, re.M):
        assert f"{name}_limit" in families, f"{name} is a level without its bound"
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds",
                 "process_virtual_memory_bytes", "tocsin_build_info", "tocsin_outbox_pending", "tocsin_disk_free_bytes", "tocsin_journal_disk_bytes",
                 "tocsin_ingest_to_durable_seconds", "tocsin_receive_to_decision_seconds", "tocsin_decision_to_send_seconds"):
        assert families[name]["samples"], name
    for name in ("tocsin_ingest_to_durable_seconds", "tocsin_receive_to_decision_seconds", "tocsin_decision_to_send_seconds"):
        assert families[name]["samples"][-1][2] >= 1, name
    value = lambda name: families[name]["samples"][0][2]
    assert value("process_open_fds") > 5 and value("process_resident_memory_bytes") > 1e6
    assert abs(value("process_start_time_seconds") - time.time()) < 60
    # limits of the configuration, and the metric that tells how near they are
    levels = {"max_body_bytes": "tocsin_http_body_bytes", "max_per_minute": "tocsin_channel_pending",
              "series_limit": "tocsin_tsdb_head_series", "source_series_limit": "tocsin_tsdb_source_series"}
    with open("docs/configuration.md", encoding="utf-8") as file:
        limits = re.findall(r"^\| `(max_[a-z_]+|[a-z_]+_max|[a-z_]+_limit)` \|", file.read(), re.M)
    assert "max_body_bytes" in limits and [k for k in limits if levels.get(k) not in families] == [], limits
    page = subprocess.run(["python3", "tools/metrics_doc.py"], capture_output=True, text=True, check=True, env={**os.environ, "TOCSIN": kit.TOCSIN}).stdout
    with open("docs/metrics.md", encoding="utf-8") as file:
        assert file.read() == page, "docs/metrics.md is not what /metrics says: run tools/metrics_doc.py >docs/metrics.md"
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed (Debian: prometheus); the checker of our own has passed")
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    assert done.returncode in (0, 3) and b"error" not in done.stderr.lower(), done.stderr


@test("L-05 a watched source stops: SOURCE_SILENT within two intervals, resolved when it is heard, raised again the next time, once each")
def silent():
    config = CONFIG + "watch:\n  - source: http:default\n    interval: 1s\n  - source: never:there\n    interval: 2s\n"
    with Receiver() as hook, Server(config=config, env={"HOOK": hook.url}) as server:
        quiet = lambda state="open": [a for a in server.alerts(state) if a["title"] == "SOURCE_SILENT" and a["labels"]["tocsin_source"] == "http:default"]
        for _ in range(4):
            server.send({"event_type": "ok", "@timestamp": now()})
            assert not quiet(), "it sends"
            time.sleep(0.5)
        last = time.monotonic()
        (alert,) = wait_for("the silence", quiet, 10)
        assert 1 < time.monotonic() - last + 0.6 < 6, time.monotonic() - last
        assert alert["severity"] == "P2" and alert["actions"]
        wait_for("it is told", lambda: any("SOURCE_SILENT" in json.dumps(b) for b in hook.bodies()))
        server.kill()
        server.start()
        assert len(quiet()) == 1, "a restart raises nothing again"
        server.send({"event_type": "ok", "@timestamp": now()})
        wait_for("it resolves", lambda: not quiet() and quiet("ended"))
        wait_for("it is silent again", quiet, 10)
        (other,) = wait_for("the one that never came", lambda: [a for a in server.alerts() if a["labels"].get("tocsin_source") == "never:there"], 10)
        assert other["count"] == 1
        assert server.metric("tocsin_sources_silent") == 2
        # what is said of oneself is no event: nothing follows from it
        assert not [e for e in server.query() if e["source"] == "self"]


@test("L-05 an interval is learned where the configuration says so")
def learned():
    with Server(config="watch:\n  - source: http:default\n    interval: learn\n") as server:
        for _ in range(20):
            server.send({"event_type": "ok", "@timestamp": now()})
        wait_for("the silence", lambda: [a for a in server.alerts() if a["title"] == "SOURCE_SILENT"], 10)


class DeadMan:
    """A dead man's switch: fires where no call came for its window."""

    def __init__(self, hook, window):
        self.hook, self.window = hook, window

    def fired(self):
        return self.last() is not None and time.monotonic() - self.last() > self.window

    def last(self):
        with self.hook.lock:
            count = len(self.hook.requests)
        if count != getattr(self, "count", 0):
            self.count, self.at = count, time.monotonic()
        return getattr(self, "at", None)


@test("L-02 the heartbeat calls while all is well; it stops with the server, and with a pipeline that hangs")
def heartbeat():
    config = "channels:\n  - name: out\n    type: stdout\nheartbeat:\n  url: env:DEADMAN\n  interval: 2s\n"
    with Receiver() as hook, Server(config=config, env={"DEADMAN": hook.url}) as server:
        switch = DeadMan(hook, 6)
        wait_for("two calls", lambda: switch.last() and switch.count >= 2, 20)
        assert server.metric("tocsin_heartbeats_total") >= 2
        assert not switch.fired()
        assert not server.alerts(), "a heartbeat is no alert"
        assert hook.url not in server.output() and "secret-of-the-hook" not in server.get("/metrics")[1]
        server.process.send_signal(signal.SIGSTOP)
        wait_for("the switch fires on a hung process", switch.fired, 30)
        server.process.send_signal(signal.SIGCONT)
        wait_for("it calls again", lambda: not switch.fired(), 20)
        server.stop()
        wait_for("the switch fires", switch.fired, 30)


@test("L-02 a heartbeat that nobody takes is counted")
def heartbeat_refused():
    with Receiver(answers=[(500, {})] * 100) as hook, Server(config="heartbeat:\n  url: env:DEADMAN\n  interval: 1s\n  method: POST\n", env={"DEADMAN": hook.url}) as server:
        wait_for("a failure", lambda: server.metric("tocsin_heartbeat_failures_total") >= 1)
        assert server.metric("tocsin_heartbeats_total") == 0


class SmallDisk:
    """A tmpfs, where one may be mounted."""

    def __init__(self, size):
        self.path = os.path.realpath(__import__("tempfile").mkdtemp(prefix="tocsin-disk-"))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.path], capture_output=True, check=False)
        if done.returncode != 0:
            os.rmdir(self.path)
            raise Skip("no file system may be mounted here: " + done.stderr.decode().strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)
        os.rmdir(self.path)

    def fill(self, leave=0):
        free = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_bsize
        with open(os.path.join(self.path, "ballast"), "ab") as file:
            try:
                file.write(b"x" * max(0, free - leave))
                file.flush()
            except OSError:
                pass

    def free(self):
        os.unlink(os.path.join(self.path, "ballast"))


@test("L-07 D-08 the disk fills up: 507 and not ready, the emergency channel is told once, alerts use the reserve, and it recovers by itself")
def full_disk():
    with SmallDisk("64m") as disk, Receiver() as hook:
        server = Server(data=os.path.join(disk.path, "data"), config=CONFIG, env={"HOOK": hook.url})
        said = lambda word: [b for b in hook.bodies() if word in json.dumps(b)]
        with server:
            server.send({"event_type": "ok", "@timestamp": now()})
            assert os.path.getsize(os.path.join(server.data, "reserve")) == 4 << 20
            disk.fill(leave=4 << 20)
            wait_for("the emergency message", lambda: said("TOCSIN_EMERGENCY"))
            status, text, _ = server.get("/-/ready")
            assert status == 503 and "isk" in text, (status, text)
            status, _, headers = server.post("/v1/events", json.dumps({"event_type": "account_locked", "user.name": "no"}))
            assert status == 507 and headers["Retry-After"], status
            disk.fill()
            wait_for("a full disk that gave up its reserve", lambda: server.post("/api/v1/delivery/release", "{}") and not os.path.exists(os.path.join(server.data, "reserve")), 45)
            wait_for("room was made by it", lambda: server.metric("tocsin_journal_failed") == 0 and server.get("/-/healthy")[0] == 200)
            time.sleep(1)
            assert 1 <= len(said("TOCSIN_EMERGENCY")) <= 3, said("TOCSIN_EMERGENCY")  # low, full, low again
            disk.free()
            wait_for("the end of it is told", lambda: said("TOCSIN_RECOVERED"), 20)
            wait_for("ready", lambda: server.get("/-/ready")[0] == 200)
            server.send({"event_type": "account_locked", "user.name": "after", "@timestamp": now()})
            wait_for("an alert as ever", lambda: said("ACCOUNT_LOCKOUT"))
            wait_for("the reserve is made again", lambda: os.path.exists(os.path.join(server.data, "reserve")))
            assert server.metric("tocsin_emergencies_total") == 1
            assert server.metric("tocsin_emergency_messages_total") >= 2
        assert kit.tocsin("verify", server.data)[0] == 0


@test("A-01 the same Idempotency-Key with another body is 422 and keeps nothing; with the same body a replay, over a restart too")
def keys():
    with Server() as server:
        key = {"Idempotency-Key": "k1"}
        assert server.post("/v1/events", '{"n":1}', key)[0] == 200
        status, text, _ = server.post("/v1/events", '{"n":2}', key)
        assert status == 422 and "Idempotency-Key" in text, (status, text)
        status, _, headers = server.post("/v1/events", '{"n":1}', key)
        assert status == 200 and headers.get("Idempotent-Replayed") == "true"
        server.kill()
        server.start()
        assert server.post("/v1/events", '{"n":2}', key)[0] == 422
        assert server.post("/v1/events", '{"n":1}', key)[2].get("Idempotent-Replayed") == "true"
        assert [json.loads(e["raw"])["n"] for e in server.query()] == [1]


@test("A-31 a client that sends a byte now and then is cut off after 10 s, and the others are served meanwhile")
def slow_clients():
    with Server() as server:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
        for connection in slow:
            connection.setblocking(False)
        begun = time.monotonic()
        ended = 0

        def drip():
            nonlocal ended
            for connection in list(slow):
                try:
                    connection.send(b"G")
                    if connection.recv(10) == b"":
                        raise ConnectionResetError
                except BlockingIOError:
                    continue
                except OSError:
                    slow.remove(connection)
                    connection.close()
                    ended += 1
            assert server.get("/-/healthy")[0] == 200
            return ended == 50

        wait_for("all slow ones are cut off", drip, 20)
        assert 8 < time.monotonic() - begun < 18
        assert server.metric("tocsin_http_connections_timed_out_total") >= 50


@test("an idle server writes little: ticks that nobody needs are few")
def idle():
    with temporary() as place, Server(data=os.path.join(place, "data")) as server:
        time.sleep(2)
        before = server.metric("tocsin_journal_records_total")
        time.sleep(11)
        written = server.metric("tocsin_journal_records_total") - before
        assert 1 <= written <= 2, written


kit.main()
