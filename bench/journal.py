"""The journal beside other stores of logs, on the same 2 GB of JSON events in one run: taking in, bytes on disk, a needle, a count by field;
and how long it takes from a POST to the webhook of its alert while 50,000 events a second come in.

Tocsin takes all in by HTTP with redaction, the pack of logins, hashes and seal; each batch is durable before it is acknowledged. The peers
do less, and each row says what. CPU is the server's own by /proc; senders are apart, though they share the processors. A peer that cannot
be had is left out, and said (journal_peers.py).
"""
import datetime
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import journal_peers
from inputs import make_events
from load import bodies, cold_parts, cpu_seconds, disk_bytes, peak_mib, send_all, steady, until_idle, warm_memory
from measure import SCALE, TOCSIN, add_table

sys.path.insert(0, "test/e2e")
import kit  # noqa: E402

BYTES = int(2_000_000_000 * SCALE)
NEEDLE, TIMES = "f3a9c1d27b604e58a1c9d0e7b2c4f618", 17
BATCH_BYTES, CONNECTIONS = 730_000, 4
RATE, RATE_SECONDS, PROBES = 50_000, 20, 150
RULE = """title: Probe
logsource: {category: bench}
detection:
  selection: {event_type: bench_probe}
  condition: selection
level: high
tocsin: {severity: P1, entity: [probe.id], owner: bench, runbook: "https://runbooks.example/probe"}
"""


class Sink:
    """A web server that remembers when it read which probe."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.seen = {}
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.listener.accept()
            threading.Thread(target=self.read, args=(peer,), daemon=True).start()

    def read(self, peer):
        data = b""
        while True:
            try:
                got = peer.recv(1 << 18)
            except OSError:
                return
            now = time.monotonic()
            if not got:
                return
            data += got
            while (end := data.find(b"\r\n\r\n")) >= 0:
                need = end + 4 + int(re.search(rb"(?i)content-length: *(\d+)", data[:end])[1])
                if len(data) < need:
                    break
                for probe in re.findall(rb"probe-\d+", data[end:need]):
                    self.seen.setdefault(probe.decode(), now)
                data = data[need:]
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Tocsin:
    def __init__(self, folder, sink):
        self.folder, self.peak = folder, 0
        os.makedirs(folder + "/rules")
        with open(folder + "/rules/probe.yml", "w", encoding="utf-8") as file:
            file.write(RULE)
        subprocess.run([TOCSIN, "seal", "init", folder + "/seal.key", "--name", "bench.example.org/journal"], check=True, capture_output=True)
        self.config = (f"channels: [{{name: hook, type: webhook, url: env:HOOK, reveal: all}}]\nrules: [{os.path.abspath('packs/auth')}, {folder}/rules]\n"
                       f"seal: {{key: {folder}/seal.key}}\n")
        self.sink = sink
        self.server = None

    def start(self, more=""):
        self.server = kit.Server(data=self.folder + "/data", config=self.config + more, env={"HOOK": self.sink.url}).start()
        self.pid, self.port = self.server.process.pid, self.server.port

    def stop(self):
        self.peak = max(self.peak, peak_mib(self.pid))
        self.server.process.terminate()
        self.server.process.wait(120)

    def ask(self, path, **query):
        """Seconds of the middle of five, CPU seconds beside them, the answer."""
        address = f"http://127.0.0.1:{self.port}{path}?" + urllib.parse.urlencode(query)
        took = []
        for _ in range(5):
            used, started = cpu_seconds(self.pid), time.monotonic()
            with urllib.request.urlopen(address, timeout=300) as answer:
                result = json.load(answer)["data"]["result"]
            took.append((time.monotonic() - started, cpu_seconds(self.pid) - used))
        return statistics.median(wall for wall, _ in took), statistics.mean(cpu for _, cpu in took), result


def take_in(tocsin, path):
    used, started = cpu_seconds(tocsin.pid), time.monotonic()
    latencies = send_all(tocsin.port, "/v1/events", "application/x-ndjson", [bodies(path, BATCH_BYTES, i, CONNECTIONS) for i in range(CONNECTIONS)])
    wall = time.monotonic() - started
    until_idle(tocsin.pid)  # what sealing and judging still do is the intake's
    return wall, cpu_seconds(tocsin.pid) - used, latencies


def wait_packed(tocsin):
    """CPU seconds that packing takes; whatever else the server does meanwhile is in it."""
    used = cpu_seconds(tocsin.pid)
    kit.wait_for("all is packed", lambda: all(os.path.getsize(f"{tocsin.folder}/data/journal/{name}") < 1 << 20
                                              for name in os.listdir(tocsin.folder + "/data/journal") if name.endswith(".seg")), 3600)
    return cpu_seconds(tocsin.pid) - used


def alert_latencies(tocsin, path, count):
    """Milliseconds from a POST to the webhook of its alert, sorted; and the events a second that really came beside it."""
    import http.client
    seconds = min(RATE_SECONDS, 0.8 * count / RATE)
    load, pipe = steady(tocsin.port, path, 100, RATE, seconds)
    connection, sent = http.client.HTTPConnection("127.0.0.1", tocsin.port, timeout=60), {}
    time.sleep(seconds / 10)
    for number in range(PROBES):
        probe = f"probe-{number}"
        body = json.dumps({"event_type": "bench_probe", "category": "bench", "logsource": {"category": "bench"}, "probe": {"id": probe}})
        sent[probe] = time.monotonic()
        connection.request("POST", "/v1/events", body, {"Content-Type": "application/x-ndjson"})
        assert connection.getresponse().read() is not None
        time.sleep(seconds * 0.75 / PROBES)
    rate = pipe.recv()
    load.join()
    kit.wait_for("all probes", lambda: len(tocsin.sink.seen) == PROBES, 60)
    return sorted((tocsin.sink.seen[probe] - at) * 1e3 for probe, at in sent.items()), rate


def measure_alerts(folder, path, count):
    """On a server of its own, so that the other one holds each event once."""
    tocsin = Tocsin(folder, Sink())
    tocsin.start()
    latencies, rate = alert_latencies(tocsin, path, count)
    tocsin.stop()
    shutil.rmtree(folder)
    return tocsin.peak, (f"from POST to webhook at {rate:,.0f} events/s: p50 {statistics.median(latencies):.1f} ms, "
                         f"p99 {latencies[int(len(latencies) * 0.99)]:.1f} ms")


def measure_tocsin(folder, path, count, begin, end):
    """The row of the table, and words about what has no peer."""
    tocsin, size = Tocsin(folder, Sink()), os.path.getsize(path)
    tocsin.start()
    wall, cpu, latencies = take_in(tocsin, path)
    words = [f"acknowledged p50 {latencies[len(latencies) // 2] * 1e3:.0f} ms, p99 {latencies[int(len(latencies) * 0.99)] * 1e3:.0f} ms",
             f"{count / cpu:,.0f} events a CPU second"]
    tocsin.stop()
    hot = disk_bytes(folder + "/data/journal")
    tocsin.start("retention: {segment_age: 1m, cold_after: 1s}\n")
    packing, parts = wait_packed(tocsin), cold_parts(folder + "/data")
    tocsin.stop()
    words.append(f"segments before packing {hot / size:.2f} bytes a raw byte; packing {size / packing / 1e6:.0f} MB a CPU second")
    words.append("packed: " + ", ".join(f"{name} {parts[name] / size:.4f}" for name in ("columns", "filters", "rows")) +
                 f", roots and tree of the seal {disk_bytes(folder + '/data/seal') / size:.4f}")
    tocsin.start()
    span = {"start": begin, "end": end}
    needle, needle_cpu, found = tocsin.ask("/loki/api/v1/query_range", query='{source=~"http:.+"} |= "' + NEEDLE + '"', limit=1000, **span)
    lines = sum(len(stream["values"]) for stream in found)
    by_service, count_cpu, result = tocsin.ask("/loki/api/v1/query", time=end, query='sum by (service) (count_over_time({source=~"http:.+"}[30h]))')
    counted = sum(int(series["value"][1]) for series in result)
    tocsin.stop()
    assert lines == TIMES and counted == count, (lines, counted)
    return {"name": "Tocsin", "rate": count / wall, "speed": size / cpu / 1e6, "disk": parts["all"] / size, "peak": tocsin.peak, "needle": needle,
            "needle_cpu": needle_cpu, "count": by_service, "count_cpu": count_cpu, "note": "durable, hashed, sealed, redacted, judged by 13 rules"}, words


def line_of(figures):
    def number(key, form):
        return "-" if figures.get(key) is None else form.format(figures[key])
    return [figures["name"], number("rate", "{:,.0f}"), number("speed", "{:.0f}"), number("disk", "{:.3f}"), number("peak", "{:,.0f}"),
            number("needle", "{:.3f}"), number("needle_cpu", "{:.2f}"), number("count", "{:.3f}"), number("count_cpu", "{:.2f}"), figures["note"]]


def ratios(ours, others):
    words = []
    for peer in others:
        parts = [f"{what} {ours[key] / peer[key]:.2g}" if more else f"{what} {peer[key] / ours[key]:.2g}"
                 for key, what, more in (("speed", "intake", True), ("needle", "needle", False), ("count", "count", False))
                 if peer.get(key) and ours.get(key)]
        if parts:
            words.append(f"{peer['name']}: " + ", ".join(parts))
    return "Tocsin is so many times as fast (intake by CPU): " + "; ".join(words) + "."


def bench(folder):
    folder, path = os.path.abspath(folder), os.path.join(os.path.abspath(folder), "events.jsonl")
    start = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0) - datetime.timedelta(hours=6)
    count = make_events(path, BYTES, start, NEEDLE, TIMES)
    begin = int(start.replace(tzinfo=datetime.timezone.utc).timestamp()) - 60
    end = begin + count // 250 + 600
    print(f"{count:,} events, {os.path.getsize(path) / count:.0f} bytes each", flush=True)
    warm_memory(8 * BYTES)
    ours, words = measure_tocsin(os.path.join(folder, "tocsin"), path, count, begin, end)
    shutil.rmtree(os.path.join(folder, "tocsin"))
    peak, alerts = measure_alerts(os.path.join(folder, "alerts"), path, count)
    ours["peak"] = max(ours["peak"], peak)
    words.append(alerts)
    print("  ".join(line_of(ours)), *words, sep="\n  ", flush=True)
    others = []
    for peer in journal_peers.PEERS:
        try:
            figures = peer(folder, path, count, NEEDLE, TIMES)
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as failure:
            figures = {"name": peer.__doc__.split(":")[0], "note": f"left out: {str(failure)[:160]}"}
        others.append(figures)
        print("  ".join(line_of(figures)), flush=True)
    text = (f"{count:,} JSON events, {os.path.getsize(path) / 1e9:.2f} GB, {os.path.getsize(path) / count:.0f} bytes each; by HTTP in batches of about 1,000 over "
            f"{CONNECTIONS} connections, or as the row says. The needle is a value that occurs {TIMES} times; the count is of all events by `service`. Medians of "
            "five, page cache warm. " + ratios(ours, others) + " Tocsin: " + "; ".join(words) + ".")
    add_table("The journal beside other stores of logs", text,
              ["store", "events/s", "MB per CPU second", "bytes on disk per raw byte", "peak MiB", "needle, s", "CPU s", "count by field, s", "CPU s", "what it did"],
              [line_of(figures) for figures in (ours, *others)])
