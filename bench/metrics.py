"""Tocsin's store of metrics beside Debian's Prometheus and VictoriaMetrics, on the same samples in one run: an hour of 100,000 series at
15 s by remote write, a rate summed over all of them, and a thousand alerting rules while samples go on coming.

What rules cost is a difference: the server's CPU over four rounds with them, less the same without (the newest samples come either way).
BENCH_METRICS=rules leaves out the query, and VictoriaMetrics, which has no rules. CPU is the server's own (/proc/PID/stat); the sender is not counted, though it shares the processors. A peer that cannot be had is left
out, and said.
"""
import glob
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from measure import SCALE, TOCSIN, add_table, install

sys.path.insert(0, "test/e2e")
import kit  # noqa: E402
from remote_write import PROTOBUF, field, varint  # noqa: E402

STEP_S, STEPS, SLICE = 15, 241, 61
SERIES = max(1000, int(100000 * SCALE))
JOBS, PATTERNS, PER_MESSAGE = 50, 200, 500
RULES = max(10, int(1000 * SCALE))
ROUNDS = 4
WHOLE = os.environ.get("BENCH_METRICS") != "rules"
TICKS = os.sysconf("SC_CLK_TCK")
QUERY = "sum by (job) (rate(m[5m]))"


def snappy(raw):
    """A block that is one literal: the sender must cost little."""
    return varint(len(raw)) + bytes([63 << 2]) + struct.pack("<I", len(raw) - 1) + raw


def samples(pattern, begin_ms, first, last):
    """A counter with a slope of its own and a little jitter, as bytes of a series."""
    out = b""
    for i in range(first, last):
        value = float(pattern * 13 + i * (1 + pattern % 17) + i * i % 7)
        out += field(2, field(1, value) + field(2, begin_ms + i * STEP_S * 1000 + pattern * 7))
    return out


def all_labels():
    labels = []
    for i in range(SERIES):
        pairs = {"__name__": "m", "instance": f"10.0.{i >> 8 & 255}.{i & 255}:{9000 + (i >> 16)}", "job": f"job{i % JOBS}", "path": f"/api/v1/items/{i % 97}",
                 "zone": f"eu-{i % 3}"}
        labels.append(b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in pairs.items()))
    return labels


def messages(labels, begin_ms, begin, end):
    """Steps [begin, end) in slices of a quarter of an hour, so that no server sees samples that are too old for it."""
    for first in range(begin, end, SLICE):
        patterns = [samples(p, begin_ms, first, min(first + SLICE, end)) for p in range(PATTERNS)]
        for at in range(0, SERIES, PER_MESSAGE):
            yield snappy(b"".join(field(1, labels[i] + patterns[i % PATTERNS]) for i in range(at, min(at + PER_MESSAGE, SERIES))))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS:"))


def rules(path, count):
    """Thresholds on rates, on sums by label, on extremes; few of them fire."""
    shapes = ["rate(m{{job=\"job{j}\"}}[5m]) > {t}", "sum by (zone, path) (rate(m{{job=\"job{j}\"}}[5m])) > {t}000",
              "max_over_time(m{{job=\"job{j}\",zone=\"eu-1\"}}[10m]) > {t}00000", "quantile by (zone) (0.9, rate(m{{job=\"job{j}\"}}[5m])) > {t}"]
    groups = [{"name": f"g{g}", "interval": "15s",
               "rules": [{"alert": f"A{r}", "expr": shapes[r % len(shapes)].format(j=r % JOBS, t=100 + r % 7), "for": "5m"} for r in range(g, count, 10)]}
              for g in range(10)]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"groups": groups}, file)  # JSON is YAML


class Contender:
    def __init__(self, name, command, port, folder):
        self.name, self.base, self.folder = name, f"http://127.0.0.1:{port}", folder
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.pid = self.process.pid
        for _ in range(300):
            try:
                urllib.request.urlopen(self.base + "/-/healthy", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{name} does not start: see {folder}/log")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def write(self, begin, end):
        """Steps [begin, end) of all series."""
        for body in messages(self.labels, self.begin_ms, begin, end):
            request = urllib.request.Request(self.base + "/api/v1/write", data=body, headers=PROTOBUF, method="POST")
            with urllib.request.urlopen(request, timeout=120) as answer:
                assert answer.status in (200, 204), answer.status
        self.next_step = end

    def load(self, begin_ms):
        self.labels, self.begin_ms = all_labels(), begin_ms
        used = cpu_seconds(self.pid)
        self.write(0, STEPS)
        return cpu_seconds(self.pid) - used

    def ask(self, begin_ms):
        """Seconds of the middle of three, CPU seconds beside them, and the sum of the last step."""
        address = self.base + "/api/v1/query_range?" + urllib.parse.urlencode(
            {"query": QUERY, "start": begin_ms / 1000, "end": begin_ms / 1000 + (STEPS - 1) * STEP_S, "step": STEP_S, "nocache": 1})
        took, result = [], []
        deadline = time.monotonic() + 60
        while len(result) < JOBS and time.monotonic() < deadline:  # a server may show samples a little later than it takes them
            with urllib.request.urlopen(address, timeout=300) as answer:
                result = json.load(answer)["data"]["result"]
        for _ in range(3):
            used, started = cpu_seconds(self.pid), time.monotonic()
            with urllib.request.urlopen(address, timeout=300) as answer:
                result = json.load(answer)["data"]["result"]
            took.append((time.monotonic() - started, cpu_seconds(self.pid) - used))
        assert len(result) == JOBS, len(result)
        return sorted(took)[1] + (sum(float(series["values"][-1][1]) for series in result),)

    def rounds(self, count):
        """CPU seconds of so many rounds of a step, its samples written as they would be."""
        used = cpu_seconds(self.pid)
        for _ in range(count):
            self.write(self.next_step, self.next_step + 1)
            until = self.begin_ms / 1000 + self.next_step * STEP_S
            time.sleep(max(0, until - time.time()))
        return cpu_seconds(self.pid) - used

    def evaluate(self, rule_file):
        """CPU seconds of one evaluation of all rules: rounds with them, less rounds without."""
        missing = int((time.time() - self.begin_ms / 1000) // STEP_S)
        self.write(self.next_step, missing)
        self.rounds(1)
        without = self.rounds(ROUNDS)
        rules(rule_file, RULES)
        self.process.send_signal(signal.SIGHUP)
        self.rounds(3)
        return (self.rounds(ROUNDS) - without) / ROUNDS


def victoria_metrics():
    """Debian's, unpacked beside the build."""
    home = "build/peers/victoria-metrics"
    if not os.path.isdir(home):
        os.makedirs("build/peers/download", exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", "victoria-metrics"], cwd="build/peers/download", capture_output=True, check=False)
        found = glob.glob("build/peers/download/victoria-metrics_*.deb")
        if not found:
            return None
        subprocess.run(["dpkg-deb", "-x", found[0], home], check=True)
    return os.path.abspath(home + "/usr/bin/victoria-metrics")


def contenders(folder):
    rule_file = os.path.join(folder, "rules.yml")
    rules(rule_file, 0)
    if shutil.which("prometheus") or install("prometheus"):
        home = os.path.join(folder, "prometheus")
        os.makedirs(home)
        with open(f"{home}/prometheus.yml", "w", encoding="utf-8") as file:
            file.write(f"global: {{evaluation_interval: 15s}}\nrule_files: ['{rule_file}']\n")
        port = kit.free_port()
        version = subprocess.run(["prometheus", "--version"], capture_output=True, text=True, check=False)
        yield Contender("Prometheus " + (version.stdout + version.stderr).split()[2],
                        ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data", f"--web.listen-address=127.0.0.1:{port}",
                         "--web.enable-remote-write-receiver"], port, home)
    else:
        print("Prometheus is left out: it is not installed")
    victoria = victoria_metrics() if WHOLE else None
    if victoria:
        home, port = os.path.join(folder, "victoria"), kit.free_port()
        os.makedirs(home)
        version = subprocess.run([victoria, "-version"], capture_output=True, text=True, check=False).stdout
        yield Contender("VictoriaMetrics " + (version.split("-")[-3] if version.count("-") > 2 else "1.79"),
                        [victoria, f"-storageDataPath={home}/data", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=1", "-search.latencyOffset=0s",
                         "-search.maxUniqueTimeseries=1000000"], port, home)
    elif WHOLE:
        print("VictoriaMetrics is left out: its package cannot be had")
    rules(rule_file, 0)
    home, port = os.path.join(folder, "tocsin"), kit.free_port()
    os.makedirs(home)
    with open(f"{home}/tocsin.yml", "w", encoding="utf-8") as file:
        file.write(f"listen: 127.0.0.1:{port}\nchannels: [{{name: out, type: file, path: {home}/alerts}}]\nshipped_packs: false\n"
                   f"metrics:\n  enabled: true\n  evaluation_interval: 15s\n  rule_files: ['{rule_file}']\n")
    yield Contender("Tocsin", [TOCSIN, "run", "--config", f"{home}/tocsin.yml", "--data", f"{home}/data"], port, home)


def bench(folder):
    lines, sums = [], {}
    for contender in contenders(os.path.abspath(folder)):
        begin_ms = (int(time.time()) - (STEPS - 1) * STEP_S - 60) // STEP_S * STEP_S * 1000
        try:
            intake = contender.load(begin_ms)
            memory = resident_mib(contender.pid)
            wall, used, total = contender.ask(begin_ms) if WHOLE else (0, 0, 1)
            sums[contender.name] = total
            evaluation = None if contender.name.startswith("Victoria") else contender.evaluate(os.path.join(os.path.abspath(folder), "rules.yml"))
        finally:
            contender.stop()
        lines.append((contender.name, f"{SERIES * STEPS / intake:,.0f}", f"{memory:,.0f}", f"{wall:.2f}", f"{used:.2f}",
                      "-" if evaluation is None else f"{evaluation:.3f}"))
        print("  ".join(lines[-1]), flush=True)
        shutil.rmtree(contender.folder, ignore_errors=True)
    most, least = max(sums.values()), min(sums.values())
    words = (f"An hour of {SERIES:,} series at {STEP_S} s by remote write ({PER_MESSAGE} series a message, {SLICE} samples of each); `{QUERY}` over it, {STEPS} steps; "
             f"{RULES:,} alerting rules every 15 s. The answers differ by {(most - least) / most * 100:.2g} % (VictoriaMetrics extrapolates in its own way).")
    add_table("Metrics beside Prometheus and VictoriaMetrics", words,
              ["server", "samples/s per CPU second, intake", "resident MiB after it", "query, s", "query, CPU s", f"{RULES:,} rules once, CPU s"], lines)
