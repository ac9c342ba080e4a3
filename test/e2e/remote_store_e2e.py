"""A remote store in place of ours: Debian's Prometheus and VictoriaMetrics get all that came in by our doors, and answer what is asked here."""
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

import kit
from kit import Receiver, Server, test, wait_for
from peers import prometheus_server, victoria_metrics
from remote_write import PROTOBUF, write_request

RULES = """
groups:
  - name: load
    interval: 1s
    rules:
      - {record: 'job:load:sum', expr: 'sum by (job) (load)'}
      - {alert: Loaded, expr: 'job:load:sum > 5', labels: {severity: page}, annotations: {summary: 'load is {{ $value }} at {{ $labels.job }}'}}
      - {alert: Waiting, expr: 'job:load:sum > 5', for: 1h, labels: {severity: page}}
"""


def ask(base, path, parameters=(), method="GET"):
    data = urllib.parse.urlencode(parameters, doseq=True)
    url = base + path + ("?" + data if data and method == "GET" else "")
    request = urllib.request.Request(url, data=data.encode() if method == "POST" else None, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def result(base, query, at=None):
    status, text = ask(base, "/api/v1/query", {"query": query, **({} if at is None else {"time": at})})
    return json.loads(text)["data"]["result"] if status == 200 else None


def config(remote, more=""):
    return (f"metrics:\n  enabled: true\n  evaluation_interval: 1s\n  remote_store:\n    query_url: {remote.base}\n"
            f"    write_url: {remote.base}/api/v1/write\n{more}")


def write(server, *series):
    status, text, headers = server.post("/api/v1/write", write_request(*series), PROTOBUF)
    return status, text, headers


def here(server):
    return f"http://127.0.0.1:{server.port}"


def counted(base, name, at):
    """How many samples of that name the store has, by value."""
    got = result(base, f"{name}[2h]", at)
    return sorted(float(v[1]) for series in got or [] for v in series["values"])


def doors_and_answers(remote):
    now = int(time.time())
    statsd = kit.free_port()
    with Server(config=config(remote, f"  statsd: {{udp: '127.0.0.1:{statsd}', flush_interval: 1s}}\n")) as server:
        assert write(server, *[({"__name__": "requests", "job": job, "path": '/a"b\\c'}, [(i, (now - 600 + 15 * i) * 1000) for i in range(41)])
                               for job in ("api", "web")])[0] == 204
        assert server.post("/v1/metrics", json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
            {"name": "heat", "gauge": {"dataPoints": [{"asDouble": 21.5, "timeUnixNano": str((now - 5) * 10**9)}]}}]}]}]}))[0] == 200
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"visits:3|c", ("127.0.0.1", statsd))
        wait_for("all of it is there", lambda: len(counted(remote.base, "requests", now + 5)) == 82 and result(remote.base, "heat[1h]", now + 5)
                 and result(remote.base, "visits[1h]", int(time.time()) + 5), 60)
        for path, parameters in (("/api/v1/query", {"query": "requests", "time": now}), ("/api/v1/query", {"query": "sum(rate(requests[5m]))", "time": now}),
                                 ("/api/v1/query", {"query": "requests[1m]", "time": now}), ("/api/v1/query", {"query": "1 + 1", "time": now}),
                                 ("/api/v1/query_range", {"query": "rate(requests[5m])", "start": now - 600, "end": now, "step": "30s"}),
                                 ("/api/v1/series", {"match[]": ["requests", "heat"], "start": now - 3600, "end": now + 60}),
                                 ("/api/v1/labels", {"start": now - 3600, "end": now + 60}),
                                 ("/api/v1/query", {"query": "rate(requests["}), ("/api/v1/series", {"match[]": "{"})):
            for method in ("GET", "POST"):
                direct, through = (ask(base, path, parameters, method) for base in (remote.base, here(server)))
                for status, text in (direct, through):
                    assert text.startswith("{"), (status, text)
                direct, through = ((status, {k: v for k, v in json.loads(text).items() if k not in ("stats", "trace")}) for status, text in (direct, through))
                assert direct == through, (path, parameters, direct, through)
        path = "/api/v1/label/job/values"
        assert ask(remote.base, path, {"start": now - 3600, "end": now + 60}) == ask(here(server), path, {"start": now - 3600, "end": now + 60})
        text = ask(here(server), "/federate", {"match[]": '{__name__="requests"}'})[1]
        assert 'requests{job="api",path="/a\\"b\\\\c",instance=""} 40 ' in text, text
        assert server.metric("tocsin_remote_write_samples_failed_total") == 0


def rules(remote):
    with kit.temporary() as folder, Receiver() as receiver:
        with open(os.path.join(folder, "rules.yml"), "w", encoding="utf-8") as file:
            file.write(RULES)
        channel = "channels:\n  - {name: hook, type: webhook, url: env:HOOK_URL}\n"
        own = config(remote, f"  rule_files: ['{folder}/rules.yml']\n")
        with Server(config=own, env={"HOOK_URL": receiver.url}) as server:
            def loaded():
                assert write(server, ({"__name__": "load", "job": "a"}, [(7, int(time.time() * 1000))]))[0] in (204, 400)
                return [a["labels"] for a in json.loads(ask(here(server), "/api/v1/alerts")[1])["data"]["alerts"] if a["state"] == "firing"]
            firing = wait_for("the rule fires", loaded, 60)
            assert firing == [{"alertname": "Loaded", "job": "a", "severity": "page"}], firing
            assert any(a["title"] == "Loaded" or a["rule_id"].endswith("Loaded") for a in wait_for("an alert", server.alerts)), server.alerts()
            wait_for("what rules record is there", lambda: result(remote.base, "job:load:sum") and result(remote.base, 'ALERTS{alertname="Loaded"}')
                     and result(remote.base, 'ALERTS_FOR_STATE{alertname="Waiting"}'), 60)

            def active_at():
                found = [a["activeAt"] for a in json.loads(ask(here(server), "/api/v1/alerts")[1])["data"]["alerts"] if a["labels"]["alertname"] == "Waiting"]
                return found[0] if found else None
            before = active_at()
            server.kill()
            server.start()
            write(server, ({"__name__": "load", "job": "a"}, [(7, int(time.time() * 1000))]))
            after = wait_for("it is active again", lambda: loaded() is not None and active_at(), 60)
            assert after[:17] == before[:17] or after < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 1)), (before, after)
        assert channel


def nothing_is_lost(remote):
    now = int(time.time())
    sent = []
    with Server(config=config(remote)) as server:
        def take(count, name="kept"):
            for _ in range(count):
                value = len(sent)
                status, text, _ = write(server, ({"__name__": name, "job": "a"}, [(value, (now - 3000 + value) * 1000)]))
                assert status == 204, (status, text)
                sent.append(value)
        take(300)
        remote.stop()
        take(300)
        wait_for("it is tried again", lambda: server.metric("tocsin_remote_write_retries_total") > 0)
        assert ask(here(server), "/api/v1/query", {"query": "kept"})[0] == 503
        assert server.metric("tocsin_remote_write_queue_bytes") > 0
        server.kill()  # while the remote is down
        server.start()
        take(300)
        remote.start()
        take(300)
        server.kill()  # while it catches up
        server.start()
        take(300)
        wait_for("all is there", lambda: counted(remote.base, "kept", now + 3000) == [float(v) for v in sent], 90)
        wait_for("nothing waits", lambda: server.metric("tocsin_remote_write_queue_bytes") == 0)


def with_both(check):
    with kit.temporary() as folder, prometheus_server(folder) as remote:
        check(remote)


def with_victoria(check):
    with kit.temporary() as folder, victoria_metrics(folder) as remote:
        check(remote)


@test("remote store, Prometheus: what comes in by our doors is there, and answers here are those there")
def prometheus_answers():
    with_both(doors_and_answers)


@test("remote store, VictoriaMetrics: what comes in by our doors is there, and answers here are those there")
def victoria_answers():
    with_victoria(doors_and_answers)


@test("remote store, Prometheus: rules ask it, fire, and are recorded there")
def prometheus_rules():
    with_both(rules)


@test("remote store, VictoriaMetrics: rules ask it, fire, and are recorded there")
def victoria_rules():
    with_victoria(rules)


@test("remote store, Prometheus: down for a while, and kill -9 of ours: nothing that was acknowledged is lost")
def prometheus_loses_nothing():
    with_both(nothing_is_lost)


@test("remote store, VictoriaMetrics: down for a while, and kill -9 of ours: nothing that was acknowledged is lost")
def victoria_loses_nothing():
    with_victoria(nothing_is_lost)


kit.main()
