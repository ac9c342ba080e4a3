"""Metrics by StatsD, Graphite lines, Datadog's and CloudWatch's protocols: with the clients that people use, where there are some."""
import json
import os
import socket
import subprocess
import time
import urllib.parse

import kit
from kit import Server, Skip, free_port, test, wait_for

CONFIG = "metrics:\n  enabled: true\n"


def python(script, *args, env=None):
    path = os.path.abspath("build/peers/python/bin/python")
    if not os.path.exists(path):
        raise Skip("the Python peers are not here: ./dev test fetches them")
    done = subprocess.run([path, "-c", script, *map(str, args)], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, **(env or {})})
    assert done.returncode == 0, done.stderr
    return done.stdout


def query(server, expression):
    """Values by labels without the name."""
    status, body, _ = server.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    assert status == 200, body
    return {tuple(sorted((k, v) for k, v in r["metric"].items() if k != "__name__")): float(r["value"][1]) if "value" in r else r["histogram"][1]
            for r in json.loads(body)["data"]["result"]}


def labelled(server, name, **labels):
    wanted = f'{name}{{{",".join(f"{k}={json.dumps(v)}" for k, v in labels.items())}}}'
    return lambda: next(iter(query(server, wanted).values()), None)


STATSD = """
import sys, datadog, statsd
port, path = int(sys.argv[1]), sys.argv[2]
plain = statsd.StatsClient("127.0.0.1", port)
plain.incr("plain.count", 3)
plain.gauge("plain.gauge", 10); plain.gauge("plain.gauge", -4, delta=True)
plain.timing("redis.scan.duration.ms", 250)
with plain.pipeline() as many:
    many.incr("plain.piped"); many.incr("plain.piped")
dog = datadog.DogStatsd(socket_path=path, constant_tags=["env:production"], disable_telemetry=True, disable_buffering=True)
dog.increment("cache.value.rejection.count", tags=["reason:too_big"])
dog.distribution("latency", 0.5, tags=["a:b"]); dog.distribution("latency", 2, tags=["a:b"])
dog.set("users", "u1"); dog.set("users", "u2"); dog.set("users", "u1")
dog.event("title", "text"); dog.service_check("up", 0)
"""


@test("A-12 StatsD and DogStatsD clients over UDP and a socket; malformed packets are counted, not fatal")
def statsd():
    with kit.temporary() as place:
        port, path = free_port(), f"{place}/dsd.sock"
        config = CONFIG + f"  statsd:\n    udp: 127.0.0.1:{port}\n    path: {path}\n    flush_interval: 200ms\n"
        with Server(config=config) as server:
            python(STATSD, port, path)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"cache.value.rejection.count:1|c|#env:production\ngarbage\n:1|c\nx:y|g\npersonal:1|c|#user:jane.doe@example.com", ("127.0.0.1", port))
            wait_for("the flush", labelled(server, "users", env="production"))
            wait_for("the counter", labelled(server, "cache_value_rejection_count", env="production", reason=""))
            assert query(server, "cache_value_rejection_count") == {(("env", "production"),): 1, (("env", "production"), ("reason", "too_big")): 1}
            assert query(server, "plain_count") == {(): 3} and query(server, "plain_piped") == {(): 2}
            assert query(server, "plain_gauge") == {(): 6}
            assert abs(query(server, "histogram_quantile(0.5, redis_scan_duration_ms)")[()] - 250) < 250 * 0.09
            assert query(server, "histogram_sum(latency)") == {(("a", "b"), ("env", "production")): 2.5}
            text = server.get("/metrics")[1]
            for reason, count in (("malformed", 3), ("event", 1), ("service_check", 1), ("personal_data", 1)):
                assert f'tocsin_statsd_refused_total{{reason="{reason}"}} {count}' in text, (reason, [line for line in text.splitlines() if 'statsd_refused' in line])
            assert server.metric("tocsin_redaction_rejected_total") == 1 and not query(server, "personal")
        assert not os.path.exists(path)
    code, _, err = check(CONFIG + "  statsd:\n    udp: nowhere\n")
    assert code == 2 and "tocsin.yml:4:10" in err, err


@test("A-13 three lines NAME VALUE EPOCH over TCP are three gauges with their timestamps; what is no line is counted")
def graphite():
    port, now = free_port(), int(time.time())
    with Server(config=CONFIG + f"  graphite:\n    tcp: 127.0.0.1:{port}\n") as server:
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(f"cpu_usage 12.5 {now - 60}\nmem_usage 70 {now - 60}\nno value\n{'x' * 5000} 1 1\ndisk.usa".encode())
            s.sendall(f"ge;mount=/ 91 {now - 60}\nsys.load 0.5 {now}".encode())
        wait_for("the last line", lambda: query(server, "sys_load"))
        for name, labels, value in (("cpu_usage", (), 12.5), ("mem_usage", (), 70), ("disk_usage", (("mount", "/"),), 91)):
            assert query(server, name) == {labels: value}
            assert query(server, f"timestamp({name})") == {labels: now - 60}
        assert server.metric("tocsin_graphite_malformed_total") == 2 and server.metric("tocsin_graphite_lines_total") == 6


def check(config):
    with kit.temporary() as place:
        with open(f"{place}/tocsin.yml", "w", encoding="utf-8") as file:
            file.write(config)
        return kit.tocsin("check", "--config", f"{place}/tocsin.yml")


kit.main()
