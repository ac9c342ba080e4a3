"""Prometheus' HTTP API: the same samples and rules in Debian's Prometheus and in Tocsin give the same answers, and promtool asks both."""
import atexit
import functools
import gzip
import json
import os
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import kit
from kit import Server, test, wait_for
from peers import prometheus_server, prometheus_tool
from remote_write import PROTOBUF, write_request

RULES = """
groups:
  - name: requests
    interval: 1s
    rules:
      - {record: 'job:requests:rate1m', expr: 'sum by (job) (rate(http_requests_total[1m]))', labels: {team: web}}
      - alert: ManyRequests
        expr: job:requests:rate1m > 0
        for: 1h
        labels: {severity: page}
        annotations: {summary: 'at {{ $value }}'}
  - name: other
    interval: 1s
    limit: 5
    rules:
      - {alert: Down, expr: up == 0, keep_firing_for: 5m, labels: {severity: warning}}
      - {alert: Broken, expr: 'label_replace(up, "x", "(", "job", "(")'}
"""


def ask(base, path, parameters=(), method="GET"):
    data = urllib.parse.urlencode(parameters, doseq=True)
    url = base + path + ("?" + data if data and method == "GET" else "")
    request = urllib.request.Request(url, data=data.encode() if method == "POST" else None, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def prometheus_with_rules(folder, more=""):
    """Debian's Prometheus with the same rules, taking remote write."""
    return prometheus_server(folder, "global: {evaluation_interval: 1s, external_labels: {cluster: eu}}\nrule_files: [rules.yml]\n" + more,
                             ["--enable-feature=exemplar-storage"])


class Pair:
    """Both, with the same samples: ten minutes of a few series, and one that has ended."""

    def __init__(self):
        self.folder = kit.temporary()
        with open(os.path.join(self.folder.name, "rules.yml"), "w", encoding="utf-8") as file:
            file.write(RULES)
        self.peer = prometheus_with_rules(self.folder.name)
        self.server = Server(config="metrics:\n  enabled: true\n  evaluation_interval: 1s\n  external_labels: {cluster: eu}\n"
                                    f"  rule_files: ['{self.folder.name}/rules.yml']\n")

    def __enter__(self):
        self.peer.__enter__()
        self.server.__enter__()
        self.base = f"http://127.0.0.1:{self.server.port}"
        self.now = int(time.time())
        series = []
        for job in ("api", "web"):
            for code in ("200", "500"):
                labels = {"__name__": "http_requests_total", "job": job, "code": code, "path": '/a"b\\c'}
                traces = [({"trace_id": f"{job}-{i}", "span": "é"}, i / 4, (self.now - 300 + i * 60) * 1000 + 250) for i in range(4)]
                series.append((labels, [(i * (3 if code == "200" else 1), (self.now - 600 + i * 15) * 1000) for i in range(41)],
                               traces if code == "500" else []))
            series.append(({"__name__": "up", "job": job}, [(1, (self.now - 15 * i) * 1000) for i in range(40, -1, -1)]))
        series.append(({"__name__": "old", "job": "gone"}, [(1.5, (self.now - 500) * 1000)]))
        body = write_request(*series)
        for base in (self.peer.base, self.base):
            request = urllib.request.Request(base + "/api/v1/write", data=body, headers=PROTOBUF, method="POST")
            with urllib.request.urlopen(request, timeout=20) as answer:
                assert answer.status in (200, 204), answer.status
        return self

    def __exit__(self, *_):
        self.server.__exit__()
        self.peer.__exit__()
        self.folder.cleanup()

    @staticmethod
    @functools.cache
    def started():
        """One pair serves all tests: none of them changes anything."""
        pair = Pair().__enter__()
        atexit.register(pair.__exit__)
        return pair

    def both(self, path, parameters=(), method="GET"):
        return [ask(base, path, parameters, method) for base in (self.peer.base, self.base)]


def same(pair, path, parameters=(), method="GET", words=True):
    """The same status and the same JSON; `words`: the error's text, too."""
    (status, text), (own_status, own_text) = pair.both(path, parameters, method)
    where = (path, parameters, method, text, own_text)
    assert status == own_status, (status, own_status, *where)
    if not text:
        assert not own_text, where
        return
    theirs, ours = json.loads(text), json.loads(own_text)
    for answer in (theirs, ours):
        result = answer["data"].get("result") if isinstance(answer.get("data"), dict) else None
        if isinstance(result, list) and "topk" not in str(parameters):
            result.sort(key=str)  # the order of series is not promised
    for answer in (theirs, ours):  # what 2.42 begins with a capital, 3 does not
        answer["error"] = answer.get("error", "").lower() if words else ""
    assert theirs == ours, where


@test("A-11 queries, series, labels and errors are those of Debian's Prometheus")
def queries():
    pair = Pair.started()
    at = pair.now + 3  # no sample lies where a range begins: Prometheus 3 leaves such out, 2 does not
    window = {"start": at - 600, "end": at}
    for query in ("http_requests_total", "sum by (job) (rate(http_requests_total[5m]))", "1 + 1", '"text"', "up[1m]", "old",
                  "absent(nothing)", "topk(1, http_requests_total)", "http_requests_total offset 5m", "count(up) > bool 1"):
        for method in ("GET", "POST"):
            same(pair, "/api/v1/query", {"query": query, "time": at}, method)
        if not query.startswith(("up[", '"')):
            same(pair, "/api/v1/query_range", {"query": query, "step": "30s", **window})
    for parameters in ({"query": "up", "time": "never"}, {"query": "rate(up)", "time": at}, {"query": "up{", "time": at},
                       {"query": "up", "timeout": "long"}):
        same(pair, "/api/v1/query", parameters)
    for parameters in ({"query": "up", "start": at, "end": at - 1, "step": 1}, {"query": "up", "step": 1, **window, "start": ""},
                       {"query": "up", "step": 0, **window}, {"query": "up", "step": "", **window}, {"query": "up", "step": 1, "start": 0, "end": at},
                       {"query": "up[1m]", "step": 60, **window}):
        same(pair, "/api/v1/query_range", parameters, words="[1m]" not in parameters["query"])
    same(pair, "/api/v1/query", {"query": 'label_replace(up, "x", "(", "job", "(")', "time": at}, words=False)
    for parameters in ({"match[]": "old"}, {"match[]": ["up", '{job="api",code="500"}']}, {"match[]": "up", **window}, {}, {"match[]": "nothing"}):
        (_, theirs), (_, ours) = pair.both("/api/v1/series", parameters)
        by_text = lambda answer: sorted(map(json.dumps, answer.get("data", []))) + [answer.get("error")]
        assert by_text(json.loads(theirs)) == by_text(json.loads(ours)), (theirs, ours)
    series = {"match[]": "http_requests_total"}
    for path in ("labels", "label/job/values", "label/code/values", "label/none/values"):
        same(pair, f"/api/v1/{path}", series)
        same(pair, f"/api/v1/{path}", {**series, **window})
    same(pair, "/api/v1/labels", {"match[]": "up{"})
    for query in ("up", "sum(rate(http_requests_total[5m])) / on () up", 'http_requests_total{job="web"}', "1 + 1", "up{"):
        same(pair, "/api/v1/query_exemplars", {"query": query, **window})
    same(pair, "/api/v1/query_exemplars", {"query": "http_requests_total", "start": pair.now - 250, "end": pair.now - 200}, "POST")
    assert "web-1" in ask(pair.base, "/api/v1/query_exemplars", {"query": "http_requests_total", **window})[1]
    same(pair, "/api/v1/format_query", {"query": "sum(rate(up[5m]))by(job)/on(job)group_left max by(job)(up offset 5m)"})
    long = "sum by (job) (rate(http_requests_total{job='api',code=~'5..'}[5m])) / on (job) group_left () sum by (job) (rate(http_requests_total[5m])) > bool 0.1"
    same(pair, "/api/v1/format_query", {"query": long}, "POST")
    same(pair, "/api/v1/format_query", {"query": "sum("})


@test("A-11 very small and large values are written as Prometheus writes them; match[] is a selector and nothing else")
def words():
    pair = Pair.started()
    for query in ("vector(1e300)", "vector(1e21)", "vector(1e20)", "vector(-1e-7)", "vector(1e-6)", "1e300", "1e-9", "vector(0)", "vector(-Inf)"):
        same(pair, "/api/v1/query", {"query": query, "time": pair.now})
    for match in ("up[1m]", "rate(up[1m])", "1", '"up"', "up offset 1m", '{job=~".*"}', "{}", "sum", "up{job=\"api\"} 1", "{__name__=~'up|old',}"):
        for path in ("series", "labels", "label/job/values"):
            where = {"match[]": match}
            (status, theirs), (own, ours) = pair.both(f"/api/v1/{path}", where)
            assert status == own, (match, path, theirs, ours)
            assert status == 200 or json.loads(theirs)["error"].removeprefix('invalid parameter "match[]": ') == \
                json.loads(ours)["error"].removeprefix('invalid parameter "match[]": '), (match, path, theirs, ours)


@test("A-11 long answers are packed for clients that take gzip")
def packed():
    pair = Pair.started()
    def get(encoding, path="/api/v1/query_range?query=http_requests_total&step=1&start=%d&end=%d" % (pair.now - 300, pair.now)):
        request = urllib.request.Request(pair.base + path, headers={"Accept-Encoding": encoding} if encoding else {})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.headers.get("Content-Encoding"), answer.read()
    coding, plain = get(None)
    assert coding is None and json.loads(plain)["status"] == "success" and len(plain) > 10000
    for encoding in ("gzip", "deflate, gzip;q=1.0", "br, GZIP ; q=0.5"):
        coding, body = get(encoding)
        assert coding == "gzip" and gzip.decompress(body) == plain and len(body) < len(plain) / 4, (encoding, coding, len(body))
    for encoding in ("identity", "gzip;q=0", "br", ""):
        assert get(encoding) == (None, plain), encoding
    assert get("gzip", "/api/v1/query?query=1")[0] is None, "a short answer"
    coding, body = get("gzip", "/metrics")
    assert coding == "gzip" and b"tocsin_http_requests_total" in gzip.decompress(body)
    assert get("gzip", "/")[0] is None, "the page holds a secret"


@test("C-112 rules and alerts are shown as Debian's Prometheus shows them")
def rules():
    pair = Pair.started()
    def evaluated():
        groups = json.loads(ask(base, "/api/v1/rules")[1])["data"]["groups"]
        return all(r["health"] != "unknown" for g in groups for r in g["rules"]) and json.loads(ask(base, "/api/v1/alerts")[1])["data"]["alerts"]
    for base in (pair.peer.base, pair.base):
        wait_for("evaluations", evaluated)
    shown = [json.loads(text)["data"]["groups"] for _, text in pair.both("/api/v1/rules")]
    for groups in shown:
        for group in groups:
            for timed in (group, *group["rules"]):
                assert timed.pop("evaluationTime") >= 0 and timed.pop("lastEvaluation").startswith("20"), timed
            for rule in group["rules"]:
                rule["lastError"] = bool(rule.get("lastError"))
                for alert in rule.get("alerts", ()):
                    assert float(alert.pop("value")) > 0 and alert.pop("activeAt").startswith("20"), alert
                    assert alert["annotations"].pop("summary", "at 1").startswith("at "), alert
                if "alerts" in rule:
                    rule["alerts"].sort(key=json.dumps)
    assert shown[0] == shown[1], shown
    for parameters, names in (({"type": "alert"}, {"ManyRequests", "Down", "Broken"}), ({"type": "record"}, {"job:requests:rate1m"}),
                              ({"rule_name[]": ["Down", "Broken"]}, {"Down", "Broken"}), ({"rule_group[]": "other"}, {"Down", "Broken"}),
                              ({"file[]": pair.folder.name + "/rules.yml", "type": "record"}, {"job:requests:rate1m"}), ({"file[]": "none"}, set()),
                              ({"match[]": '{severity=~"page|warning"}'}, {"ManyRequests", "Down"}),
                              ({"match[]": ['{team="web"}', '{severity="page"}']}, {"job:requests:rate1m", "ManyRequests"})):
        groups = json.loads(ask(pair.base, "/api/v1/rules", parameters)[1])["data"]["groups"]
        assert {r["name"] for g in groups for r in g["rules"]} == names, (parameters, groups)
    first = json.loads(ask(pair.base, "/api/v1/rules", {"group_limit": 1})[1])["data"]
    second = json.loads(ask(pair.base, "/api/v1/rules", {"group_limit": 1, "group_next_token": first["groupNextToken"]})[1])["data"]
    assert [g["name"] for d in (first, second) for g in d["groups"]] == ["other", "requests"] and "groupNextToken" not in second, (first, second)
    plain = json.loads(ask(pair.base, "/api/v1/rules", {"exclude_alerts": "true", "type": "alert"})[1])["data"]["groups"]
    assert all(r["alerts"] is None for g in plain for r in g["rules"]), plain
    for parameters, word in (({"type": "both"}, "not supported value"), ({"group_limit": "0"}, "greater than 0"), ({"group_next_token": "x"}, "group_limit"),
                             ({"group_limit": 1, "group_next_token": "x"}, "were rule groups changed"), ({"exclude_alerts": "maybe"}, "ParseBool"),
                             ({"match[]": "{}"}, "non-empty matcher")):
        status, text = ask(pair.base, "/api/v1/rules", parameters)
        assert status == 400 and word in json.loads(text)["error"], (parameters, status, text)
    same(pair, "/api/v1/alertmanagers")


@test("the status pages, the newest parameters, and what is not offered")
def status():
    pair = Pair.started()
    for path in ("runtimeinfo", "buildinfo", "tsdb", "walreplay", "config", "flags"):
        (_, theirs), (status, ours) = pair.both(f"/api/v1/status/{path}")
        theirs, ours = json.loads(theirs)["data"], json.loads(ours)["data"]
        assert status == 200 and (path == "flags" or theirs.keys() <= ours.keys()), (path, theirs, ours)
        assert all(isinstance(v, type(ours[k])) for k, v in theirs.items() if k in ours), (path, theirs, ours)
    status, text = ask(pair.base, "/api/v1/status/config")
    assert "evaluation_interval: 1s" in json.loads(text)["data"]["yaml"] and '"cluster": "eu"' in json.loads(text)["data"]["yaml"], text
    same(pair, "/api/v1/metadata")
    assert json.loads(ask(pair.base, "/api/v1/scrape_pools")[1])["data"] == {"scrapePools": []}
    assert json.loads(ask(pair.base, "/api/v1/notifications")[1])["data"] == []
    assert json.loads(ask(pair.base, "/api/v1/targets/metadata", {"limit": -1})[1])["data"] == []
    features = json.loads(ask(pair.base, "/api/v1/features")[1])["data"]
    assert features["promql_functions"]["rate"] and not features["promql_functions"]["info"] and not features["promql_operators"]["limitk"], features
    assert features["promql"]["anchored"] and not features["promql"]["fill"], features
    for verb in ("delete_series", "snapshot", "clean_tombstones"):
        (status, _), (own, text) = [ask(base, f"/api/v1/admin/tsdb/{verb}", {"match[]": "up"}, "POST") for base in (pair.peer.base, pair.base)]
        assert own == 500 and json.loads(text)["errorType"] == "unavailable", (status, own, text)
    now = pair.now
    status, text = ask(pair.base, "/api/v1/query", {"query": "http_requests_total", "time": now, "limit": 2, "stats": "all"})
    answer = json.loads(text)
    assert len(answer["data"]["result"]) == 2 and answer["warnings"] == ["results truncated due to limit"], answer
    assert answer["data"]["stats"]["samples"]["seriesTouched"] == 4 and "execTotalTime" in answer["data"]["stats"]["timings"], answer
    assert json.loads(ask(pair.base, "/api/v1/query", {"query": "old", "time": now, "lookback_delta": "10m"})[1])["data"]["result"]
    assert "limit must be non-negative" in ask(pair.base, "/api/v1/labels", {"limit": -1})[1]
    assert json.loads(ask(pair.base, "/api/v1/labels", {"limit": 1})[1])["warnings"] == ["results truncated due to limit"]
    tree = json.loads(ask(pair.base, "/api/v1/parse_query", {"query": 'sum by (job) (rate(up{job!="x"}[5m] offset 1m)) * 2'})[1])["data"]
    assert tree["type"] == "binaryExpr" and tree["lhs"]["grouping"] == ["job"] and tree["matching"] is None, tree
    assert tree["lhs"]["expr"]["args"][0] == {
        "anchored": False, "matchers": [{"name": "job", "type": "!=", "value": "x"}, {"name": "__name__", "type": "=", "value": "up"}],
        "name": "up", "offset": 60000, "offsetExpr": None, "range": 300000, "rangeExpr": None, "smoothed": False, "startOrEnd": None, "timestamp": None,
        "type": "matrixSelector"}, tree


@test("C-112 the API has Prometheus 3's defaults, and its feature flags by configuration and command line")
def feature_flags():
    asked = (('limitk(1, up)', "limitk() is experimental"), ('vector(min_of(1, 2))', 'function "min_of" is not enabled'), ("a + fill(0) b", "fill modifiers"))
    with kit.temporary() as folder:
        rules = os.path.join(folder, "rules.yml")
        with open(rules, "w", encoding="utf-8") as file:
            file.write("groups: [{name: g, interval: 1s, rules: [{record: least, expr: 'vector(min_of(1, 2))'}]}]")
        with Server(config="metrics: {enabled: true}\n") as server:
            base = f"http://127.0.0.1:{server.port}"
            for query, word in asked:
                for path, more in (("query", {}), ("query_range", {"start": 0, "end": 1, "step": 1}), ("query_exemplars", {"start": 0, "end": 1}),
                                   ("format_query", {}), ("parse_query", {})):
                    status, text = ask(base, f"/api/v1/{path}", {"query": query, **more})
                    assert status == 400 and json.loads(text)["errorType"] == "bad_data" and word in json.loads(text)["error"], (path, status, text)
        with_rules = f"metrics:\n  enabled: true\n  rule_files: [{rules}]\n"
        server = Server(config=with_rules).start(ready=False)
        assert server.process.wait(20) == 2 and 'function \\"min_of\\" is not enabled' in server.output(), server.output()
        server.__exit__()
        with Server(config=with_rules + "  enable_features: [promql-experimental-functions]\n", args=["--enable-feature", "promql-binop-fill-modifiers"]) as server:
            base = f"http://127.0.0.1:{server.port}"
            for query, _ in asked:
                assert ask(base, "/api/v1/query", {"query": query})[0] == 200, query
            wait_for("the rule", lambda: json.loads(ask(base, "/api/v1/query", {"query": "least"})[1])["data"]["result"])
            flags = json.loads(ask(base, "/api/v1/status/flags")[1])["data"]
            assert flags["enable-feature"] == "promql-experimental-functions,promql-binop-fill-modifiers", flags
            assert server.post("/-/reload", "")[0] == 200


@test("federation gives another Prometheus what Debian's gives it")
def federation():
    pair = Pair.started()
    parameters = {"match[]": ["http_requests_total", 'up{job="api"}', "old"]}
    (status, theirs), (own_status, ours) = pair.both("/federate", parameters)
    assert status == own_status == 200
    assert sorted(theirs.splitlines()) == sorted(ours.splitlines()), (theirs, ours)
    assert ask(pair.base, "/federate")[1] == "" and ask(pair.base, "/federate", {"match[]": "up{"})[0] == 400


@test("Y-13 Prometheus scrapes Tocsin's own metrics as OpenMetrics")
def scraped():
    with Server(config="metrics: {enabled: true}\n") as server, kit.temporary() as folder:
        status, text, headers = server.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
        assert status == 200 and headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"), headers
        assert text.endswith("# EOF\n") and "# TYPE tocsin_events_accepted counter\n" in text and "tocsin_events_accepted_total 0\n" in text
        assert server.get("/metrics")[2]["Content-Type"].startswith("text/plain; version=0.0.4")
        with prometheus_with_rules(folder, "scrape_configs: [{job_name: tocsin, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:%d']}]}]\n" % server.port) as peer:
            def up():
                return json.loads(ask(peer.base, "/api/v1/query", {"query": "up == 1 and on () tocsin_metric_rules"})[1])["data"]["result"]
            wait_for("a scrape", up)
            described = json.loads(ask(peer.base, "/api/v1/metadata", {"metric": "tocsin_events_accepted"})[1])["data"]
            assert described["tocsin_events_accepted"][0]["type"] == "counter", described


@test("queries that take long hold up nobody else, and not the end for long")
def long_queries():
    with Server(config="metrics: {enabled: true}\n") as server:
        long, got = "sum_over_time((sum_over_time(vector(1)[1h:1s]))[12h:1s])", []

        def put():
            try:
                got.append(ask(f"http://127.0.0.1:{server.port}", "/api/v1/query", {"query": long})[0])
            except OSError:  # the end came first
                got.append(503)
        askers = [threading.Thread(target=put) for _ in range(3)]
        for asker in askers:
            asker.start()
        wait_for("all are under way", lambda: server.metric("tocsin_http_metric_queries") == 3)
        assert server.get("/-/healthy")[0] == 200 and server.send({"event_type": "ok"}) is not None
        assert server.metric("tocsin_http_metric_queries") > 0 and not got, "answered beside them"
        server.process.terminate()
        assert server.process.wait(20) == 0
        for asker in askers:
            asker.join()
        assert len(got) == 3 and set(got) <= {200, 503}, got


@test("promtool asks Tocsin as it asks Prometheus")
def promtool():
    tool = prometheus_tool("promtool")
    pair = Pair.started()
    at, started = str(pair.now), str(pair.now - 300)
    for arguments in (["instant", "--time", at, None, "sum by (job) (http_requests_total)"], ["range", "--start", started, "--end", at, "--step", "1m", None, "up"],
                      ["series", "--match", "http_requests_total", None], ["labels", None, "code"]):
        outputs = []
        for base in (pair.peer.base, pair.base):
            done = subprocess.run([tool, "query", *(base if a is None else a for a in arguments)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, (arguments, done.stderr)
            outputs.append(sorted(done.stdout.splitlines()))
        assert outputs[0] == outputs[1] and outputs[0], (arguments, outputs)


kit.main()
