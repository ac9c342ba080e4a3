"""Metrics that are made of events: declared by Sigma's conditions, by CloudWatch's embedded metric format, and by lines in files."""
import json
import os
import time
import urllib.parse

import kit
from kit import Server, now, test, wait_for

CONFIG = """metrics:
  enabled: true
  emf: true
  from_events:
    - name: cache_rejection_count
      type: counter
      help: Values over the limit that the cache refused
      detection: {selection: {message|re: 'Error setting cache key.*exceeds maximum'}, condition: selection}
    - name: ttl_error_count
      type: counter
      detection: {a: {message|contains: 'TTL must be at least'}, b: {message|re: 'TTL.*exceeds maximum'}, condition: a or b}
    - name: redis_scan_duration_ms
      type: histogram
      value: {field: message, pattern: 'SCAN duration: (\\d+)'}
      detection: {selection: {message|contains: 'SCAN duration:'}, condition: selection}
    - name: log_codes_total
      type: counter
      labels: {code: code}
      detection: {selection: {code: [REDACTION_FAILED, AUTH_INVALID_TOKEN, POLICY_VIOLATION_BLOCKED_AUTOMATION, DLQ_PUBLISH]}, condition: selection}
    - name: queue_depth
      type: gauge
      value: depth
      labels: {queue: queue, owner: owner}
      detection: {selection: {event_type: queue}, condition: selection}
    - type: lines
      detection: {selection: {tocsin.format: lines}, condition: selection}
"""
LINES = ["Error setting cache key user:1: value exceeds maximum size", "TTL 90000 exceeds maximum", "TTL must be at least 1", "SCAN duration: 250 ms",
         "SCAN duration: 4 ms", "all is well", "code DLQ_PUBLISH in free text"]


def query(server, expression):
    status, body, _ = server.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    assert status == 200, body
    return {tuple(sorted((k, v) for k, v in r["metric"].items() if k != "__name__")): float(r["value"][1])
            for r in json.loads(body)["data"]["result"]}


def value(server, expression):
    return next(iter(query(server, expression).values()), None)


@test("A-07 A-08 B-08 B-09 counters, gauges and histograms of events; a kill -9 and a restart add nothing and lose nothing")
def declared():
    with Server(config=CONFIG) as server:
        wait_for("counters begin at 0", lambda: value(server, "cache_rejection_count") == 0)
        for round_ in range(1, 4):
            events = [{"message": line, "@timestamp": now()} for line in LINES]
            events += [{"code": code, "@timestamp": now()} for code in ("REDACTION_FAILED", "DLQ_PUBLISH", "OTHER")]
            events += [{"event_type": "queue", "queue": "in", "depth": round_, "@timestamp": now()},
                       {"event_type": "queue", "queue": "in", "depth": 9, "owner": "x", "@timestamp": now()}]
            server.send(*events)
            wait_for("the round is counted", lambda n=round_: value(server, 'log_codes_total{code="DLQ_PUBLISH"}') == n)
            expect = {"cache_rejection_count": round_, "ttl_error_count": 2 * round_, 'log_codes_total{code="REDACTION_FAILED"}': round_,
                      'queue_depth{owner=""}': round_, 'queue_depth{owner="x"}': 9, "histogram_count(redis_scan_duration_ms)": 2 * round_,
                      "histogram_sum(redis_scan_duration_ms)": 254 * round_, "count(log_codes_total)": 2}
            for expression, wanted in expect.items():
                assert value(server, expression) == wanted, (round_, expression, value(server, expression))
            if round_ == 1:
                server.kill()
                server.start()
            elif round_ == 2:
                server.stop()
                server.start()
        server.send({"event_type": "queue", "queue": "in", "depth": "7:8", "@timestamp": now()})
        wait_for("a text with a colon is no number", lambda: 'tocsin_event_metrics_refused_total{reason="value"} 1' in server.get("/metrics")[1])
        assert value(server, 'queue_depth{owner=""}') == 3
        assert abs(value(server, "histogram_quantile(0.99, redis_scan_duration_ms)") - 250) < 25


@test("A-09 B-06 documents of CloudWatch's embedded metric format become series")
def embedded():
    names = ("routing.decisions_total", "automation.sent_total", "automation.blocked_total", "policy.tier0_detected_total", "fallback.route_only_total")
    document = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [{
        "Namespace": "app", "Dimensions": [["team", "env"], ["env"]], "Metrics": [{"Name": n, "Unit": "Count"} for n in names]
        + [{"Name": "latency", "Unit": "Milliseconds"}, {"Name": "memory"}]}]}, "team": "core", "env": "prod", "latency": [10, 20.5], "memory": 7.25,
        **{n: i + 1 for i, n in enumerate(names)}, "@timestamp": now()}
    with Server(config=CONFIG) as server:
        server.send(document, document | {"@timestamp": now()})
        labels = (("env", "prod"), ("namespace", "app"))
        wait_for("the counter", lambda: query(server, 'routing_decisions_total{team=""}') == {labels: 2})
        for i, name in enumerate(names):
            assert query(server, name.replace(".", "_")) == {labels: 2 * i + 2, labels + (("team", "core"),): 2 * i + 2}, name
        assert query(server, 'memory{team=""}') == {labels: 7.25}
        assert query(server, 'histogram_sum(latency{team=""})') == {labels: 61}
        server.send({"_aws": {"CloudWatchMetrics": [{"Namespace": "app", "Metrics": [{"Name": "absent"}]}]}, "@timestamp": now()})
        wait_for("what is not right is counted", lambda: 'tocsin_event_metrics_refused_total{reason="value"} 1' in server.get("/metrics")[1])


@test("A-09 documents that Amazon's own libraries write are understood")
def embedded_of_others():
    folder = kit.shared("aws-samples/emf")
    with Server(config=CONFIG) as server:
        names = set()
        for name in sorted(os.listdir(folder)):
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                document = json.load(file)
            if not isinstance(document, dict) or "_aws" not in document:
                continue
            document["_aws"]["Timestamp"] = int(time.time() * 1000)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                names |= {(m["Name"], directive["Namespace"]) for m in directive["Metrics"] if isinstance(document.get(m["Name"]), (int, float))}
            server.send(document | {"@timestamp": now()})
        assert len(names) >= 3, names
        for name, namespace in names:
            wait_for(name, lambda n=name, s=namespace: query(server, f'{{__name__="{n.replace(".", "_")}",namespace="{s}"}}'))


@test("A-13 lines NAME VALUE EPOCH that are appended to a file are gauges with their timestamps")
def lines_in_files():
    with kit.temporary() as place:
        path, at = f"{place}/metrics.log", int(time.time()) - 60
        open(path, "w", encoding="utf-8").close()
        config = CONFIG.replace("{tocsin.format: lines}", "{message|re: '^[a-z_]+ [0-9.]+ [0-9]{10}$'}")
        with Server(config=config + f"files:\n  - paths: [{path}]\n    start: beginning\n") as server:
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"cpu_usage 12.5 {at}\nmem_usage 70 {at}\ndisk_usage 91 {at}\nnot a line\n")
            for name, wanted in (("cpu_usage", 12.5), ("mem_usage", 70), ("disk_usage", 91)):
                wait_for(name, lambda n=name, w=wanted: value(server, n) == w)
                assert value(server, f"timestamp({name})") == at


@test("declarations of metrics are read strictly")
def strict():
    cases = {"a gauge or histogram needs a value": "- {name: a, type: gauge, detection: {s: {a: b}, condition: s}}",
             "counter, gauge, histogram or lines": "- {name: a, type: summary, detection: {s: {a: b}, condition: s}}",
             "did you mean": "- {name: a, type: counter, detektion: {s: {a: b}, condition: s}}",
             "from_events:": "- {name: a, type: counter, detection: {s: {a|nope: b}, condition: s}}",
             "error parsing regexp": "- {name: a, type: counter, value: {field: m, pattern: '('}, detection: {s: {a: b}, condition: s}}"}
    with kit.temporary() as place:
        for words, text in cases.items():
            with open(f"{place}/tocsin.yml", "w", encoding="utf-8") as file:
                file.write(f"metrics:\n  enabled: true\n  from_events:\n    {text}\n")
            code, _, err = kit.tocsin("check", "--config", f"{place}/tocsin.yml")
            assert code == 2 and words in err and f"{os.path.basename(place)}/tocsin.yml:4:" in err, (words, code, err)


kit.main()
