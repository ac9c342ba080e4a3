"""A remote store in place of ours: Debian's Prometheus and VictoriaMetrics get all that came in by our doors, and answer what is asked here."""
import calendar
import http.server
import json
import os
import re
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import kit
from kit import Server, test, wait_for
from peers import prometheus_server, victoria_metrics
from remote_write import PROTOBUF, write_request

RULES = """
groups:
  - name: load
    interval: 1s
    rules:
      - {record: 'job:load:sum', expr: 'sum by (job) (load)'}
      - {alert: Loaded, expr: 'job:load:sum > 5', labels: {severity: page}, annotations: {summary: 'load is {{ $value }} at {{ $labels.job }}'}}
      - {alert: Waiting, expr: 'sum by (job) (load) > 5', for: 1h, labels: {severity: page}}
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
    """The samples of that name that the store has, by label set and value; it may have kept one twice."""
    got = result(base, f"{name}[2h]", at)
    return sorted({(json.dumps(series["metric"], sort_keys=True), float(v[1])) for series in got or [] for v in series["values"]})


def doors_and_answers(remote):
    now = int(time.time())
    statsd = kit.free_port()
    with Server(config=config(remote, f"  statsd: {{udp: '127.0.0.1:{statsd}', flush_interval: 1s}}\n")) as server:
        assert write(server, *[({"__name__": "requests", "job": job, "path": '/a"b\\c'}, [(i, (now - 600 + 15 * i) * 1000) for i in range(41)])
                               for job in ("api", "web")])[0] == 204
        assert server.post("/v1/metrics", json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
            {"name": "heat", "gauge": {"dataPoints": [{"asDouble": 21.5, "timeUnixNano": str((now - 5) * 10**9)}]}}]}]}]}))[0] == 200
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
                for _, answer in (direct, through):
                    if isinstance(answer.get("data"), dict) and answer["data"]["resultType"] in ("vector", "matrix"):
                        answer["data"]["result"].sort(key=str)  # which stands in no order
                if direct[0] != 200:  # errors of some tell the time
                    direct, through = ([a[0], a[1]["errorType"], re.sub(r"\d+", "", a[1]["error"])] for a in (direct, through))
                assert direct == through, (path, parameters, direct, through)
        path = "/api/v1/label/job/values"
        assert ask(remote.base, path, {"start": now - 3600, "end": now + 60}) == ask(here(server), path, {"start": now - 3600, "end": now + 60})
        text = ask(here(server), "/federate", {"match[]": '{__name__="requests"}'})[1]
        assert 'requests{job="api",path="/a\\"b\\\\c",instance=""} 40 ' in text, text
        assert server.metric("tocsin_remote_write_samples_failed_total") == 0


def rules(remote):
    now = int(time.time())
    # what an earlier process left there: this alert has been active for half an hour
    state = ({"__name__": "ALERTS_FOR_STATE", "alertname": "Waiting", "job": "a", "severity": "page"}, [(now - 1800, (now - 20) * 1000)])
    load = ({"__name__": "load", "job": "a"}, [(7, (now - 20) * 1000)])
    request = urllib.request.Request(remote.base + "/api/v1/write", data=write_request(state, load), headers=PROTOBUF, method="POST")
    urllib.request.urlopen(request, timeout=20).close()
    wait_for("it is there", lambda: result(remote.base, "ALERTS_FOR_STATE", now) and result(remote.base, "load", now))
    with kit.temporary() as folder:
        with open(os.path.join(folder, "rules.yml"), "w", encoding="utf-8") as file:
            file.write(RULES)
        with Server(config=config(remote, f"  rule_files: ['{folder}/rules.yml']\n")) as server:
            def alerts(name, state):
                assert write(server, ({"__name__": "load", "job": "a"}, [(7, int(time.time() * 1000))]))[0] in (204, 400)
                return [a for a in json.loads(ask(here(server), "/api/v1/alerts")[1])["data"]["alerts"]
                        if a["labels"]["alertname"] == name and a["state"] == state]
            firing = wait_for("the rule fires", lambda: alerts("Loaded", "firing"), 60)
            assert [a["labels"] for a in firing] == [{"alertname": "Loaded", "job": "a", "severity": "page"}], firing
            assert firing[0]["annotations"] == {"summary": "load is 7 at a"}, firing
            assert wait_for("an alert", server.alerts)[0]["message"] == "load is 7 at a", server.alerts()

            def restored():
                found = alerts("Waiting", "pending")
                return found and calendar.timegm(time.strptime(found[0]["activeAt"][:19], "%Y-%m-%dT%H:%M:%S")) < now - 600
            wait_for("since when it is active is taken up", restored, 60)
            wait_for("what rules record is there", lambda: result(remote.base, "job:load:sum") and result(remote.base, 'ALERTS{alertname="Loaded"}')
                     and result(remote.base, 'ALERTS_FOR_STATE{alertname="Loaded"}'), 60)


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
        wait_for("all is there", lambda: [v for _, v in counted(remote.base, "kept", now + 3000)] == [float(v) for v in sent], 90)
        wait_for("nothing waits", lambda: server.metric("tocsin_remote_write_queue_bytes") == 0)


class Peculiar:
    """Takes remote write and answers what it is told to, then 204."""

    def __init__(self, *answers):
        self.answers, self.requests, lock = list(answers), [], threading.Lock()
        peculiar = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    status, headers = peculiar.answers.pop(0) if peculiar.answers else (204, {})
                    peculiar.requests.append((time.monotonic(), dict(self.headers), body, status))
                self.send_response(status)
                for key, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(key, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


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


@test("remote store: Retry-After is waited for, 5xx comes again, what is refused alone is given up and counted; credentials are sent")
def answers_of_a_receiver():
    now = int(time.time() * 1000)
    with kit.temporary() as folder, Peculiar((429, {"Retry-After": "2"}), (500, {}), (503, {}), (200, {})) as remote:
        with open(os.path.join(folder, "token"), "w", encoding="ascii") as file:
            file.write("the-token-of-the-store\n")
        with Server(config=config(remote, f"    authorization: {{credentials_file: '{folder}/token'}}\n")) as server:
            series = [({"__name__": "x", "job": str(i)}, [(i, now)]) for i in range(8)]
            assert write(server, *series)[0] == 204
            wait_for("it is taken", lambda: server.metric("tocsin_remote_write_samples_total") == 8)
            first, second = remote.requests[:2]
            assert second[0] - first[0] >= 2, (first[0], second[0])
            assert [r[3] for r in remote.requests] == [429, 500, 503, 200]
            assert len({r[2] for r in remote.requests}) == 1  # the same message each time
            headers = first[1]
            assert headers["Authorization"] == "Bearer the-token-of-the-store" and headers["Content-Encoding"] == "snappy", headers
            assert headers["Content-Type"] == "application/x-protobuf" and headers["X-Prometheus-Remote-Write-Version"] == "0.1.0", headers
            remote.answers += [(400, {})] * 4  # 8 samples, 4, 2, 1: that one is given up
            assert write(server, *[(labels, [(v, now + 1)]) for labels, [(v, _)] in series])[0] == 204
            wait_for("the others are taken", lambda: server.metric("tocsin_remote_write_samples_total") == 15)
            assert server.metric("tocsin_remote_write_samples_failed_total") == 1
            remote.answers += [(404, {})]
            assert write(server, *[(labels, [(v, now + 2)]) for labels, [(v, _)] in series])[0] == 204
            wait_for("they are given up", lambda: server.metric("tocsin_remote_write_samples_failed_total") == 9)
            assert "the-token" not in server.output(), server.output()


@test("remote store: a Retry-After of nothing does not make us ask without end")
def patience():
    now = int(time.time() * 1000)
    with Peculiar(*[(503, {"Retry-After": "0"})] * 5) as remote, Server(config=config(remote)) as server:
        assert write(server, ({"__name__": "x"}, [(1, now)]))[0] == 204
        wait_for("it is taken", lambda: server.metric("tocsin_remote_write_samples_total") == 1)
        assert remote.requests[5][0] - remote.requests[0][0] >= 0.03 * (1 + 2 + 4 + 8 + 16), remote.requests


@test("remote store: at the bound of the queue samples are refused with 429, and taken again once it is sent")
def bound():
    now = int(time.time() * 1000)
    with kit.temporary() as folder:
        remote = prometheus_server(folder)
        with Server(config=config(remote, "    queue_bytes: 1048576\n")) as server:
            taken = 0
            while True:
                status, text, _ = write(server, *[({"__name__": "x", "job": str(i)}, [(taken, now - 600000 + taken)]) for i in range(500)])
                if status != 204:
                    break
                taken += 1
                assert taken < 2000
            assert status == 429 and "remote store" in text, (status, text)
            assert server.metric("tocsin_remote_write_queue_bytes") >= 1 << 20 == server.metric("tocsin_remote_write_queue_bytes_limit")
            remote.start()
            try:
                wait_for("it is sent", lambda: server.metric("tocsin_remote_write_queue_bytes") == 0, 60)
                assert write(server, ({"__name__": "x", "job": "1"}, [(7, now)]))[0] == 204
                got = wait_for("all is there", lambda: (lambda r: r if r and float(r[0]["value"][1]) == 500 * taken else None)(
                    result(remote.base, "sum(count_over_time(x[1h]))", now / 1000 - 1)), 60)
                assert got
            finally:
                remote.kill()


@test("remote store: what cannot be is said before the start")
def mistakes():
    with kit.temporary() as folder:
        path = os.path.join(folder, "tocsin.yml")
        for text, words in (("metrics: {enabled: true, remote_store: {query_url: 'http://127.0.0.1:1'}}", "write_url"),
                            ("metrics: {enabled: true, remote_store: {query_url: 'ftp://x', write_url: 'http://x'}}", "http://"),
                            ("metrics: {enabled: true, admin_api: true, remote_store: {query_url: 'http://x', write_url: 'http://x'}}", "admin_api"),
                            ("metrics: {remote_store: {query_url: 'http://x', write_url: 'http://x'}}", "enabled"),
                            ("metrics: {enabled: true, remote_store: {query_url: 'http://x', write_url: 'http://x', basic_auth: {user: x}}}", "user")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            code, out, err = kit.tocsin("check", "--config", path)
            assert code == 2 and words in out + err, (text, code, out, err)


kit.main()
