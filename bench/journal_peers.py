"""The peers of bench/journal.py: Debian's ClickHouse and PostgreSQL, Grafana Loki, ripgrep and zstd. Each is a function that gives its
figures; its docstring begins with the name it goes by where it cannot be had.

Loki is built from the Go module registry, once, into build/peers/loki. VictoriaLogs would be, but the registry does not serve its module.
"""
import json
import os
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from load import bodies, cpu_seconds, disk_bytes, peak_mib, send_all, until_idle
from measure import install

sys.path.insert(0, "test/e2e")
import kit  # noqa: E402
from remote_write import field, varint  # noqa: E402

CONNECTIONS, BATCH_BYTES = 4, 730_000


def median_of_five(pid, ask):
    took = []
    for _ in range(5):
        used, started = cpu_seconds(pid), time.monotonic()
        answer = ask()
        took.append((time.monotonic() - started, cpu_seconds(pid) - used))
    return statistics.median(wall for wall, _ in took), statistics.mean(cpu for _, cpu in took), answer


def get(address, data=None):
    with urllib.request.urlopen(urllib.request.Request(address, data=data), timeout=600) as answer:
        return answer.read().decode()


def answers(address):
    try:
        get(address)
        return True
    except (OSError, urllib.error.HTTPError):
        return False


class Running:
    def __init__(self, command, folder, **more):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **more)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def clickhouse(folder, path, count, needle, times):
    """ClickHouse: Debian's; the raw line and three columns that it takes out of it itself, packed by zstd."""
    if not (install("clickhouse-server") or os.path.exists("/usr/sbin/clickhouse-server")):
        raise RuntimeError("Debian's package cannot be had")
    home, port = os.path.join(folder, "clickhouse"), kit.free_port()
    os.makedirs(home)
    ports = "".join(f"<{name}>{kit.free_port()}</{name}>" for name in ("tcp_port", "interserver_http_port"))
    with open(home + "/config.xml", "w", encoding="utf-8") as file:
        file.write(f"<yandex><logger><level>warning</level><log>{home}/server.log</log><errorlog>{home}/error.log</errorlog></logger><http_port>{port}</http_port>"
                   f"{ports}<listen_host>127.0.0.1</listen_host><path>{home}/data/</path><tmp_path>{home}/tmp/</tmp_path><users_config>{home}/users.xml</users_config>"
                   "<default_profile>default</default_profile><default_database>default</default_database><mark_cache_size>5368709120</mark_cache_size>"
                   "<compression><case><method>zstd</method></case></compression></yandex>")
    with open(home + "/users.xml", "w", encoding="utf-8") as file:
        file.write("<yandex><profiles><default><max_memory_usage>8000000000</max_memory_usage></default></profiles><users><default><password></password>"
                   "<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>"
                   "<quotas><default></default></quotas></yandex>")
    base = f"http://127.0.0.1:{port}/"
    with Running([shutil.which("clickhouse-server") or "/usr/sbin/clickhouse-server", f"--config-file={home}/config.xml"], home) as server:
        kit.wait_for("ClickHouse", lambda: answers(base + "ping"), 60)
        version = get(base, b"SELECT version()").strip()
        get(base, b"CREATE TABLE events (raw String, ts DateTime DEFAULT parseDateTimeBestEffortOrZero(visitParamExtractString(raw, '@timestamp')), "
                  b"level String DEFAULT visitParamExtractString(raw, 'level'), service String DEFAULT visitParamExtractString(raw, 'service'), "
                  b"event_type String DEFAULT visitParamExtractString(raw, 'event_type')) ENGINE = MergeTree PARTITION BY tuple() ORDER BY ts")
        used, started = cpu_seconds(server.pid), time.monotonic()
        insert = "/?" + urllib.parse.urlencode({"query": "INSERT INTO events (raw) FORMAT TabSeparated"})
        send_all(port, insert, "text/plain", [(bytes(body).replace(b"\\", b"\\\\") for body in bodies(path, 64 * BATCH_BYTES, i, 2)) for i in range(2)])
        wall, cpu = time.monotonic() - started, cpu_seconds(server.pid) - used
        get(base, b"OPTIMIZE TABLE events FINAL")
        until_idle(server.pid)
        needle_s, needle_cpu, found = median_of_five(server.pid, lambda: get(base, f"SELECT count() FROM events WHERE position(raw, '{needle}') > 0".encode()))
        count_s, count_cpu, by = median_of_five(server.pid, lambda: get(base, b"SELECT service, count() FROM events GROUP BY service"))
        assert int(found) == times and sum(int(line.split("\t")[-1]) for line in by.splitlines()) == count, (found, by)
        parts = int(get(base, b"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'events'"))
        return {"name": f"ClickHouse {version} (Debian)", "rate": count / wall, "speed": os.path.getsize(path) / cpu / 1e6,
                "disk": parts / os.path.getsize(path), "peak": peak_mib(server.pid), "needle": needle_s, "needle_cpu": needle_cpu, "count": count_s,
                "count_cpu": count_cpu, "note": "not durable, no hashes, no rules; batches of 64,000; raw line and 4 columns, zstd; merging is not in the intake"}


def postgresql(folder, path, count, needle, times):
    """PostgreSQL: Debian's; an eighth of the data as jsonb, with a GIN index of paths in place."""
    found = sorted(name for name in os.listdir("/usr/lib/postgresql")) if os.path.isdir("/usr/lib/postgresql") else []
    if not found and not install("postgresql"):
        raise RuntimeError("Debian's package cannot be had")
    binaries = f"/usr/lib/postgresql/{sorted(os.listdir('/usr/lib/postgresql'))[-1]}/bin"
    home, port, part = "/tmp/tocsin-bench-postgresql", kit.free_port(), "/tmp/tocsin-bench-postgresql.txt"
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    shutil.chown(home, "postgres")
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    size, rows, needles = 0, 0, 0
    with open(path, "rb") as whole, open(part, "wb") as file:
        while size < os.path.getsize(path) // 8 and (line := whole.readline()):
            file.write(line.replace(b"\\", b"\\\\"))
            size, rows, needles = size + len(line), rows + 1, needles + (needle.encode() in line)
    os.chmod(part, 0o644)
    try:
        subprocess.run([*as_postgres, f"{binaries}/initdb", "-D", home + "/data", "-A", "trust"], check=True, capture_output=True)
        with Running([*as_postgres, f"{binaries}/postgres", "-D", home + "/data", "-p", str(port), "-k", home, "-c", "listen_addresses=",
                      "-c", "shared_buffers=1GB", "-c", "maintenance_work_mem=512MB", "-c", "max_wal_size=8GB"], os.path.join(folder, "postgresql")) as server:
            def sql(text):
                done = subprocess.run(["psql", "-h", home, "-p", str(port), "-U", "postgres", "-qAt", "-c", text, "postgres"], capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    raise RuntimeError(done.stderr)
                return done.stdout.strip()
            kit.wait_for("PostgreSQL", lambda: subprocess.run([f"{binaries}/pg_isready", "-h", home, "-p", str(port)], capture_output=True, check=False).returncode == 0)
            sql("CREATE TABLE events (doc jsonb); CREATE INDEX events_doc ON events USING gin (doc jsonb_path_ops)")
            used, started = cpu_seconds(server.pid), time.monotonic()
            sql(f"COPY events FROM '{part}'")
            wall, cpu = time.monotonic() - started, cpu_seconds(server.pid) - used
            sql("VACUUM ANALYZE events")
            contained = json.dumps({"request_id": needle})
            needle_s, needle_cpu, got = median_of_five(server.pid, lambda: sql(f"SELECT count(*) FROM events WHERE doc @> '{contained}'"))
            assert int(got) == needles, (got, needles)
            count_s, count_cpu, _ = median_of_five(server.pid, lambda: sql("SELECT doc->>'service', count(*) FROM events GROUP BY 1"))
            disk, version = int(sql("SELECT pg_total_relation_size('events')")), sql("SHOW server_version").split()[0]
            return {"name": f"PostgreSQL {version} (Debian)", "rate": rows / wall, "speed": size / cpu / 1e6, "disk": disk / size, "needle": needle_s,
                    "needle_cpu": needle_cpu, "count": count_s, "count_cpu": count_cpu,
                    "note": f"jsonb with GIN in place, one COPY, durable at its end; {size / 1e6:.0f} MB only, so its queries look at an eighth; psql's start is in them"}
    finally:
        os.remove(part)
        shutil.rmtree(home, ignore_errors=True)


LOKI = """auth_enabled: false
server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {grpc}, log_level: error,
  http_server_read_timeout: 5m, http_server_write_timeout: 5m, grpc_server_max_recv_msg_size: 104857600, grpc_server_max_send_msg_size: 104857600}}
common: {{instance_addr: 127.0.0.1, path_prefix: {home}/data, replication_factor: 1, ring: {{kvstore: {{store: inmemory}}}},
  storage: {{filesystem: {{chunks_directory: {home}/data/chunks, rules_directory: {home}/data/rules}}}}}}
schema_config: {{configs: [{{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: index_, period: 24h}}}}]}}
ingester: {{wal: {{enabled: true, dir: {home}/data/wal}}}}
limits_config: {{ingestion_rate_mb: 10000, ingestion_burst_size_mb: 10000, per_stream_rate_limit: 10GB, per_stream_rate_limit_burst: 10GB,
  reject_old_samples: false, max_entries_limit_per_query: 100000, allow_structured_metadata: true, volume_enabled: false, query_timeout: 5m}}
analytics: {{reporting_enabled: false}}
"""


def build_loki():
    """The binary, built as a module of its own that requires Loki's, since `go install` does not take one that has replacements."""
    home = os.path.abspath("build/peers/loki")
    binary = home + "/loki"
    if os.environ.get("TOCSIN_LOKI"):
        return os.environ["TOCSIN_LOKI"]
    if os.path.exists(binary):
        return binary
    if shutil.which("go") is None:
        return None
    os.makedirs(home, exist_ok=True)
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}

    def go(*words):
        return subprocess.run(["go", *words], cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=3600)
    with open(home + "/go.mod", "w", encoding="utf-8") as file:
        file.write("module peers\n")
    found = go("mod", "download", "-json", "github.com/grafana/loki/v3@latest")
    if found.returncode != 0:
        return None
    module = json.loads(found.stdout)
    with open(module["GoMod"], encoding="utf-8") as file:
        replaced = [line for line in file.read().splitlines() if line.startswith("replace ") and "=> ./" not in line]
    with open(home + "/go.mod", "w", encoding="utf-8") as file:
        file.write(f"module peers\n\ngo 1.26\n\nrequire github.com/grafana/loki/v3 {module['Version']}\n\n" + "\n".join(replaced) + "\n")
    with open(home + "/peers.go", "w", encoding="utf-8") as file:
        file.write('//go:build tools\n\npackage peers\n\nimport _ "github.com/grafana/loki/v3/cmd/loki"\n')
    go("build", "-o", binary, "github.com/grafana/loki/v3/cmd/loki")
    return binary if os.path.exists(binary) else None


def pushes(path, part, parts, begin_ns):
    """Loki's protobuf, in a snappy block that is one literal: the sender must cost little. A stream for each connection; one line of four a
    millisecond apart is one of its own, so times rise within a stream."""
    for number, body in enumerate(bodies(path, BATCH_BYTES, part, parts)):
        at_ns = begin_ns + number * parts * 4_000_000_000
        entries = []
        for i, line in enumerate(bytes(body).splitlines()):
            seconds, nanoseconds = divmod(at_ns + i * 4_000_000, 10**9)
            entries.append(field(2, field(1, b"\x08" + varint(seconds) + b"\x10" + varint(nanoseconds)) + field(2, line)))
        raw = field(1, field(1, f'{{job="bench", sender="{part}"}}'.encode()) + b"".join(entries))
        yield varint(len(raw)) + bytes([63 << 2]) + struct.pack("<I", len(raw) - 1) + raw


def loki(folder, path, count, needle, times):
    """Grafana Loki: from the Go module registry; one label and a stream for each connection, its log of writes on."""
    binary = build_loki()
    if binary is None:
        raise RuntimeError("it cannot be built from the Go module registry here")
    home, port = os.path.join(folder, "loki"), kit.free_port()
    os.makedirs(home)
    with open(home + "/loki.yml", "w", encoding="utf-8") as file:
        file.write(LOKI.format(home=home, port=port, grpc=kit.free_port()))
    begin_ns = (int(time.time()) - 6 * 3600) * 10**9
    with Running([binary, f"-config.file={home}/loki.yml"], home, cwd=home) as server:
        base = f"http://127.0.0.1:{port}"
        kit.wait_for("Loki", lambda: answers(base + "/ready"), 120)
        used, started = cpu_seconds(server.pid), time.monotonic()
        send_all(port, "/loki/api/v1/push", "application/x-protobuf", [pushes(path, i, CONNECTIONS, begin_ns) for i in range(CONNECTIONS)])
        wall, cpu = time.monotonic() - started, cpu_seconds(server.pid) - used
        get(base + "/flush", b"")
        until_idle(server.pid)
        end = int(time.time()) + 7200
        search = base + "/loki/api/v1/query_range?" + urllib.parse.urlencode(
            {"query": '{job="bench"} |= "' + needle + '"', "start": begin_ns // 10**9 - 60, "end": end, "limit": 1000})
        needle_s, needle_cpu, got = median_of_five(server.pid, lambda: get(search))
        lines = sum(len(stream["values"]) for stream in json.loads(got)["data"]["result"])
        by = base + "/loki/api/v1/query?" + urllib.parse.urlencode(
            {"query": 'sum by (service) (count_over_time({job="bench"} | json service="service" [30h]))', "time": end})
        count_s, count_cpu, got = median_of_five(server.pid, lambda: get(by))
        counted = sum(int(series["value"][1]) for series in json.loads(got)["data"]["result"])
        version = re.search(r"loki/v3 (v\S+)", open(os.path.join(os.path.dirname(binary), "go.mod"), encoding="utf-8").read())
        chunks = disk_bytes(home + "/data/chunks")
        return {"name": f"Grafana Loki {version[1] if version else ''}", "rate": count / wall, "speed": os.path.getsize(path) / cpu / 1e6,
                "disk": chunks / os.path.getsize(path), "peak": peak_mib(server.pid), "needle": needle_s, "needle_cpu": needle_cpu, "count": count_s,
                "count_cpu": count_cpu, "note": f"log of writes, not synced before the answer; no hashes, no rules; found {lines} of {times}, counted {counted:,}"}


def victoria_logs(*_):
    """VictoriaLogs: today's."""
    raise RuntimeError("the Go module registry does not serve github.com/VictoriaMetrics/VictoriaLogs")


def ripgrep(folder, path, count, needle, times):
    """ripgrep: over the flat file in the page cache."""
    del folder, count
    if not (shutil.which("rg") or install("ripgrep") or shutil.which("rg")):
        raise RuntimeError("Debian's package cannot be had")
    took = []
    for _ in range(6):
        before, started = os.times(), time.monotonic()
        done = subprocess.run(["rg", "-c", "-F", needle, path], capture_output=True, text=True, check=True)
        after = os.times()
        took.append((time.monotonic() - started, after.children_user + after.children_system - before.children_user - before.children_system))
    assert int(done.stdout) == times, done.stdout
    version = subprocess.run(["rg", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return {"name": f"ripgrep {version}", "disk": 1, "needle": statistics.median(wall for wall, _ in took[1:]),
            "needle_cpu": statistics.median(cpu for _, cpu in took[1:]), "note": "the flat file in the page cache"}


def zstd(folder, path, *_):
    """zstd: level 3 over the flat file."""
    del folder
    if not install("zstd"):
        raise RuntimeError("Debian's package cannot be had")
    before = os.times()
    with subprocess.Popen(["zstd", "-3", "-q", "-c", path], stdout=subprocess.PIPE) as process:
        size = sum(len(piece) for piece in iter(lambda: process.stdout.read(1 << 20), b""))
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"name": "zstd -3", "speed": os.path.getsize(path) / cpu / 1e6, "disk": size / os.path.getsize(path), "note": "packs only"}


PEERS = [ripgrep, zstd, clickhouse, loki, victoria_logs, postgresql]
