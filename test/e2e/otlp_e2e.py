"""OTLP metrics: OpenTelemetry's Python SDK as a sender, and bodies of our own."""
import gzip
import json
import os
import subprocess
import time
import urllib.parse

import kit
from kit import Server, Skip, shared, test

CONFIG = "metrics:\n  enabled: true\n"
SDK = r"""
import sys, time
from opentelemetry.sdk.metrics import MeterProvider, Counter, Histogram
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader, AggregationTemporality
from opentelemetry.sdk.metrics.view import View, ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http import Compression

url, temporality = sys.argv[1], sys.argv[2]
prefer = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA} if temporality == "delta" else None
exporter = OTLPMetricExporter(endpoint=url, compression=Compression.Gzip, preferred_temporality=prefer)
reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3600000)
resource = Resource.create({"service.name": "checkout", "service.namespace": "shop", "service.instance.id": temporality, "host.name": "h1"})
provider = MeterProvider(metric_readers=[reader], resource=resource,
                         views=[View(instrument_name="exp.latency", aggregation=ExponentialBucketHistogramAggregation())])
meter = provider.get_meter("test")
requests = meter.create_counter("http.requests", unit="{request}", description="Requests that were answered")
active = meter.create_up_down_counter("http.active", unit="1")
latency = meter.create_histogram("http.duration", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1])
exponential = meter.create_histogram("exp.latency", unit="ms")
meter.create_observable_gauge("disk.usage", unit="1", callbacks=[lambda o: [__import__("opentelemetry.metrics").metrics.Observation(0.25, {"disk.name": "sda"})]])
for round in range(3):
    requests.add(2, {"http.route": "/a", "ok": True})
    active.add(1)
    latency.record(0.05); latency.record(0.5)
    exponential.record(3.0); exponential.record(100.0)
    assert provider.force_flush()
    time.sleep(0.01)
provider.shutdown()
"""


def python():
    path = os.path.abspath("build/peers/python/bin/python")
    if not os.path.exists(path):
        raise Skip("the Python peers are not here: ./dev test fetches them")
    return path


def query(server, expression):
    status, body, _ = server.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    assert status == 200, body
    return {tuple(sorted((k, v) for k, v in r["metric"].items() if k not in ("job", "instance", "__name__"))):
            float(r["value"][1]) if "value" in r else r["histogram"][1] for r in json.loads(body)["data"]["result"]}


@test("OpenTelemetry's SDK sends counters, gauges and histograms, cumulative and as deltas, and PromQL gives the same")
def sdk():
    with Server(config=CONFIG) as server:
        for temporality in ("cumulative", "delta"):
            done = subprocess.run([python(), "-c", SDK, f"http://127.0.0.1:{server.port}/v1/metrics", temporality], capture_output=True, text=True,
                                  timeout=60, check=False)
            assert done.returncode == 0 and not done.stderr, done.stderr
            own = f'{{instance="{temporality}",job="shop/checkout"}}'
            assert query(server, "http_requests_total" + own) == {(("http_route", "/a"), ("ok", "true")): 6}, query(server, "http_requests_total")
            assert query(server, "http_active" + own) == {(): 3}
            assert query(server, "disk_usage_ratio" + own) == {(("disk_name", "sda"),): 0.25}
            assert query(server, "http_duration_seconds_bucket" + own) == {(("le", "0.1"),): 3, (("le", "1"),): 6, (("le", "+Inf"),): 6}
            assert query(server, "http_duration_seconds_count" + own) == {(): 6}
            assert abs(query(server, "http_duration_seconds_sum" + own)[()] - 1.65) < 1e-9
            assert query(server, "histogram_count(exp_latency_milliseconds" + own + ")") == {(): 6}
            assert abs(query(server, "histogram_sum(exp_latency_milliseconds" + own + ")")[()] - 309) < 1e-9
            assert 2.9 < query(server, "histogram_quantile(0.25, exp_latency_milliseconds" + own + ")")[()] < 3.1
            info = query(server, "target_info" + own)
            assert list(info.values()) == [1] and ("host_name", "h1") in next(iter(info)), info
        assert server.metric("tocsin_delta_series") >= 5


@test("OTLP as JSON, the specification's own example, partial success and refusals")
def as_json():
    now = time.time_ns()
    with Server(config=CONFIG) as server:
        with open(shared("otlp/examples/metrics.json"), encoding="utf-8") as file:
            text = file.read().replace("1544712660300000000", str(now)).replace("1544712660000000000", str(now - 10**9))
        status, body, _ = server.post("/v1/metrics", gzip.compress(text.encode()), {"Content-Encoding": "gzip"})
        assert status == 200 and json.loads(body) == {}, (status, body)
        assert query(server, "my_counter_total") == {(("my_counter_attr", "some value"),): 5}
        assert query(server, "my_gauge_ratio") == {(("my_gauge_attr", "some value"),): 10}
        assert query(server, "my_histogram_bucket") == {(("le", "1"), ("my_histogram_attr", "some value")): 1,
                                                        (("le", "+Inf"), ("my_histogram_attr", "some value")): 2}
        point = lambda value, **attributes: {"timeUnixNano": str(now), "asDouble": value,
                                             "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()]}
        gauge = lambda name, *points: {"name": name, "gauge": {"dataPoints": points}}
        send = lambda *metrics: server.post("/v1/metrics", json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).encode())
        status, body, _ = send(gauge("g", point(1, who="jane@example.com"), point(2, who="x")), {"name": "s", "sum": {"dataPoints": [point(1)]}})
        assert status == 200 and json.loads(body)["partialSuccess"]["rejectedDataPoints"] == "2" and "jane" not in body, body
        assert query(server, "g") == {(("who", "x"),): 2}
        assert server.metric("tocsin_redaction_rejected_total") == 1
        status, body, _ = server.post("/v1/metrics", b"{]")
        assert status == 400 and "not JSON" in json.loads(body)["message"], body
        status, body, headers = server.post("/v1/metrics", b"\xff\xff", {"Content-Type": "application/x-protobuf"})
        assert status == 400 and headers["Content-Type"] == "application/x-protobuf" and "ExportMetricsServiceRequest" in body, body
        assert server.post("/v1/metrics", b"{}", {"Content-Type": "text/plain"})[0] == 415


kit.main()
