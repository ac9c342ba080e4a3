#!/usr/bin/env python3
"""`tocsin alertmanager` beside an Alertmanager, in one run: notifications with a group for each alert, the same alerts posted again,
memory for each alert, the time to the first notification, and 10,000 active silences against none.

Per core means per CPU second of the process that is measured, by /proc/PID/stat; the sink, the poster and the disk's own time are
apart. The peer is Debian's package, or what TOCSIN_ALERTMANAGER names. `--json` prints one object a row.
"""
import argparse
import json
import os
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, "test/e2e")
import kit  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
CONFIG = """
route: {receiver: sink, group_by: [%s], group_wait: %s, group_interval: 1h, repeat_interval: 24h}
receivers:
- name: sink
  webhook_configs: [{url: '%s'}]
"""


class Sink:
    """A web server that says 200 to everything, as cheaply as Python can: it must not be what is measured."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.count, self.stopped, self.first = 0, False, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        poll, open_sockets, waiting = select.epoll(), {}, {}
        poll.register(self.listener, select.EPOLLIN)
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        while not self.stopped:
            for fd, _ in poll.poll(0.2):
                if fd == self.listener.fileno():
                    try:
                        while True:
                            peer, _ = self.listener.accept()
                            peer.setblocking(False)
                            open_sockets[peer.fileno()], waiting[peer.fileno()] = peer, b""
                            poll.register(peer, select.EPOLLIN)
                    except BlockingIOError:
                        continue
                try:
                    data = waiting[fd] + open_sockets[fd].recv(1 << 18)
                except OSError:
                    data = b""
                if not data:
                    poll.unregister(fd)
                    open_sockets.pop(fd).close()
                    waiting.pop(fd)
                    continue
                while True:
                    end = data.find(b"\r\n\r\n")
                    head = data[:end].lower()
                    at = head.find(b"content-length:")
                    if end < 0 or at < 0:
                        break
                    need = end + 4 + int(head[at + 15:].split(b"\r\n", 1)[0])
                    if len(data) < need:
                        break
                    data = data[need:]
                    self.first = self.first or time.monotonic()
                    self.count += 1
                    open_sockets[fd].send(reply)
                waiting[fd] = data

    def close(self):
        self.stopped = True
        self.thread.join()


class Process:
    def __init__(self, binary, folder, config, args=()):
        self.port = kit.free_port()
        path = os.path.join(folder, "am.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        with open(os.path.join(folder, "log"), "ab") as log:
            self.process = subprocess.Popen([*binary, f"--config.file={path}", f"--storage.path={folder}/data", "--cluster.listen-address=",
                                             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error", *args], stdout=log, stderr=log)
        self.connection = None
        kit.wait_for("ready", self.ready)

    def ready(self):
        try:
            return kit.Server.request(self, "GET", "/-/ready")[0] == 200
        except OSError:
            return False

    def post(self, path, body):
        import http.client
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        self.connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text[:500]

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(300)


def alerts(first, count, names=100):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 36000))
    return json.dumps([{
        "labels": {"alertname": f"HighLatency{i % names}", "cluster": "eu-central-1", "namespace": f"shop-{i % 40}", "job": "node",
                   "instance": f"10.0.{i // 250}.{i % 250}:9100", "severity": "warning"},
        "annotations": {"summary": f"Latency of instance {i} is above its objective", "runbook_url": "https://runbooks.example/latency"},
        "startsAt": now, "endsAt": later, "generatorURL": "http://prometheus.example/graph?g0.expr=latency&g0.tab=1"}
        for i in range(first, first + count)]).encode()


def post_alerts(process, total, batch=1000):
    for first in range(0, total, batch):
        process.post("/api/v2/alerts", alerts(first, min(batch, total - first)))


def silence(i, now=None):
    at = now or time.time()
    stamp = lambda t: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))
    return json.dumps({"matchers": [{"name": "alertname", "value": f"Other{i}", "isRegex": False, "isEqual": True},
                                    {"name": "instance", "value": f"10.9.{i % 250}.*", "isRegex": True, "isEqual": True}],
                       "startsAt": stamp(at), "endsAt": stamp(at + 36000), "createdBy": "bench", "comment": "bench"}).encode()


def notifications(binary, total, silences=0, wait="6s"):
    """(notifications a CPU second, a wall second)"""
    sink, folder = Sink(), tempfile.mkdtemp(prefix="bench-am-")
    try:
        with Process(binary, folder, CONFIG % ("'...'", wait, sink.url)) as process:
            for i in range(silences):
                process.post("/api/v2/silences", silence(i))
            post_alerts(process, total)
            assert sink.count < total // 10, "posting took longer than group_wait: take a longer one"
            before = process.cpu()
            kit.wait_for("all notifications", lambda: sink.count >= total, 300)
            wall = time.monotonic() - sink.first
            kit.wait_for("rest", lambda: rests(process), 30)
            return total / (process.cpu() - before), total / wall
    finally:
        sink.close()
        shutil.rmtree(folder, ignore_errors=True)


def rests(process):
    before = process.cpu()
    time.sleep(0.3)
    return process.cpu() - before < 0.03


def repeated_posts(binary, distinct, rounds):
    """Alerts taken a CPU second where all of them are known already; and bytes of memory an alert."""
    sink, folder = Sink(), tempfile.mkdtemp(prefix="bench-am-")
    try:
        with Process(binary, folder, CONFIG % ("alertname", "1h", sink.url)) as process:
            process.post("/api/v2/alerts", alerts(0, 1))
            empty = process.rss()
            bodies = [alerts(first, 1000) for first in range(0, distinct, 1000)]
            for body in bodies:
                process.post("/api/v2/alerts", body)
            kit.wait_for("rest", lambda: rests(process), 30)
            memory = (process.rss() - empty) / distinct
            before = process.cpu()
            for _ in range(rounds):
                for body in bodies:
                    process.post("/api/v2/alerts", body)
            kit.wait_for("rest", lambda: rests(process), 30)
            return distinct * rounds / (process.cpu() - before), memory
    finally:
        sink.close()
        shutil.rmtree(folder, ignore_errors=True)


def first_notification(binary, tries):
    """Milliseconds from the post to the webhook, with group_wait 0s."""
    sink, folder, times = Sink(), tempfile.mkdtemp(prefix="bench-am-"), []
    try:
        with Process(binary, folder, CONFIG % ("'...'", "0s", sink.url)) as process:
            for i in range(tries):
                body, count = alerts(i, 1), sink.count
                sink.first, start = None, time.monotonic()
                process.post("/api/v2/alerts", body)
                while sink.count == count and time.monotonic() < start + 10:
                    time.sleep(0.0002)
                times.append(1000 * (sink.first - start))
        return statistics.median(times), max(times)
    finally:
        sink.close()
        shutil.rmtree(folder, ignore_errors=True)


def peer():
    for path in (os.environ.get("TOCSIN_ALERTMANAGER"), os.path.abspath("build/peers/prometheus-alertmanager/usr/bin/prometheus-alertmanager"),
                 shutil.which("prometheus-alertmanager")):
        if path and os.path.exists(path):
            return path
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--scale", type=float, default=float(os.environ.get("BENCH_SCALE", "1")))
    parser.add_argument("--only", choices=("ours", "theirs"))
    parser.add_argument("--what", default="notifications,silences,posts,first")
    args = parser.parse_args()
    who = {"ours": [kit.TOCSIN, "alertmanager"]}
    if peer():
        who["theirs"] = [peer()]
    else:
        print("no Alertmanager is here: only tocsin is measured", file=sys.stderr)
    count = int(20000 * args.scale) // 1000 * 1000
    for name, binary in who.items():
        if args.only not in (None, name):
            continue
        rows = {}
        if "notifications" in args.what:
            rows["notifications/s/core"], rows["notifications/s"] = notifications(binary, count)
        if "silences" in args.what:
            rows["notifications/s/core, 10,000 silences"], _ = notifications(binary, count, 10000)
        if "posts" in args.what:
            rows["repeated alerts/s/core"], rows["bytes/alert"] = repeated_posts(binary, int(50000 * args.scale) // 1000 * 1000, 4)
        if "first" in args.what:
            rows["first notification ms, median"], rows["first notification ms, worst"] = first_notification(binary, 21)
        if args.json:
            print(json.dumps({"who": name, "binary": binary[0], **rows}))
        else:
            print(f"{name} ({' '.join(binary)})")
            for what, value in rows.items():
                print(f"  {what:45} {value:14,.1f}")


if __name__ == "__main__":
    main()
