"""Metrics by StatsD, Graphite lines, Datadog's and CloudWatch's protocols: with the clients that people use, where there are some."""
import base64
import json
import os
import socket
import subprocess
import time
import urllib.parse
import zlib

import kit
from kit import Server, Skip, free_port, test, wait_for
from remote_write import field

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
            # Each door has a thread, and each flush takes what has come: all of it is there in the end, in whatever order.
            for name, wanted in (("cache_value_rejection_count", {(("env", "production"),): 1, (("env", "production"), ("reason", "too_big")): 1}),
                                 ("plain_count", {(): 3}), ("plain_piped", {(): 2}), ("plain_gauge", {(): 6}),
                                 ("histogram_sum(latency)", {(("a", "b"), ("env", "production")): 2.5})):
                wait_for(f"{name}: {wanted}", lambda name=name, wanted=wanted: query(server, name) == wanted)
            wait_for("the histogram", lambda: query(server, "redis_scan_duration_ms"))
            assert abs(query(server, "histogram_quantile(0.5, redis_scan_duration_ms)")[()] - 250) < 250 * 0.09
            for reason, count in (("malformed", 3), ("event", 1), ("service_check", 1), ("personal_data", 1)):
                wait_for(f"{count} {reason}", lambda r=reason, c=count: f'tocsin_statsd_refused_total{{reason="{r}"}} {c}\n' in server.get("/metrics")[1])
            assert server.metric("tocsin_redaction_rejected_total") == 1 and not query(server, "personal")
        assert not os.path.exists(path)
    code, _, err = check(CONFIG + "  statsd:\n    udp: nowhere\n")
    assert code == 2 and "tocsin.yml:4:10" in err, err


@test("B-09 B-10 B-11 a name and its aliases are one series, whatever the door; Y-10 a source's limit refuses and counts")
def aliases():
    port, now = free_port(), int(time.time())
    config = (CONFIG + f"  source_series_limit: 3\n  graphite:\n    tcp: 127.0.0.1:{port}\n  aliases:\n"
              "    cache_rejection_count: cache.value.rejection.count\n    ttl_error_count: cache_ttl_invalid_count\n")
    with Server(config=config) as server:
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall("".join(f"{name} {i} {now - 30 + i}\n" for i, name in enumerate(
                ("cache_rejection_count", "cache.value.rejection.count", "ttl_error_count", "third", "fourth", "fifth", "third"))).encode())
        wait_for("the last line", lambda: query(server, "third") == {(): 6})
        assert query(server, "cache_value_rejection_count") == {(): 1} and not query(server, "cache_rejection_count")
        assert query(server, "cache_ttl_invalid_count") == {(): 2} and not query(server, "fourth") and not query(server, "fifth")
        text = server.get("/metrics")[1]
        assert 'tocsin_tsdb_source_refused_total{source="graphite"} 2' in text and 'tocsin_tsdb_source_series{source="graphite"} 3' in text
    code, _, err = check(CONFIG + "  aliases: {a: b, b: c}\n")
    assert code == 2 and "no alias itself" in err, err


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


BOTO3 = """
import sys, datetime, boto3
c = boto3.client("cloudwatch", endpoint_url=sys.argv[1], region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
now = datetime.datetime.now(datetime.timezone.utc)
c.put_metric_data(Namespace="Tocsin/Test", MetricData=[
    {"MetricName": "QueueDepth", "Dimensions": [{"Name": "QueueName", "Value": "in"}], "Value": 7.5, "Unit": "Count", "Timestamp": now},
    {"MetricName": "requests_total", "Value": 2}, {"MetricName": "requests_total", "Value": 3},
    {"MetricName": "Latency", "Values": [1.0, 4.0], "Counts": [3.0, 1.0], "Unit": "Milliseconds"},
    {"MetricName": "Set", "StatisticValues": {"SampleCount": 2, "Sum": 10, "Minimum": 4, "Maximum": 6}}])
c.put_metric_data(Namespace="Tocsin/Test", MetricData=[{"MetricName": f"m{i}", "Value": i} for i in range(900)])
try:
    c.put_metric_data(Namespace="Tocsin/Test", MetricData=[{"MetricName": "bad", "Dimensions": [{"Name": "who", "Value": "jane@example.com"}], "Value": 1}])
except c.exceptions.ClientError as e:
    print("refused", e)
try:
    c.put_metric_data(Namespace="Tocsin/Test", MetricData=[{"MetricName": "nothing"}])
except c.exceptions.ClientError as e:
    print("refused", e)
"""


@test("A-10 AWS's client sends PutMetricData to our endpoint; JSON and the query protocol do as well")
def put_metric_data():
    with Server(config=CONFIG) as server:
        said = python(BOTO3, f"http://127.0.0.1:{server.port}", env={"AWS_EC2_METADATA_DISABLED": "true"})
        assert said.count("refused") == 1 and "a Value, StatisticValues" in said, said
        space = ("namespace", "Tocsin/Test")
        assert query(server, "QueueDepth") == {(("QueueName", "in"), space): 7.5}
        assert query(server, "requests_total") == {(space,): 5}
        assert [query(server, f"Latency_{part}")[(space,)] for part in ("sum", "count", "min", "max")] == [7, 4, 1, 4]
        assert query(server, "Set_max") == {(space,): 6} and query(server, "m899") == {(space,): 899}
        assert server.metric("tocsin_redaction_rejected_total") == 1 and not query(server, "bad")
        body = {"Namespace": "n", "MetricData": [{"MetricName": "j", "Value": 1.5, "Dimensions": [{"Name": "a", "Value": "b"}]}]}
        status, text, _ = server.post("/", json.dumps(body), {"Content-Type": "application/x-amz-json-1.0",
                                                              "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData"})
        assert status == 200 and text == "{}" and query(server, "j") == {(("a", "b"), ("namespace", "n")): 1.5}, text
        form = urllib.parse.urlencode({"Action": "PutMetricData", "Version": "2010-08-01", "Namespace": "n n", "MetricData.member.1.MetricName": "q",
                                       "MetricData.member.1.Value": "2.5", "MetricData.member.1.Dimensions.member.1.Name": "a",
                                       "MetricData.member.1.Dimensions.member.1.Value": "b/c", "MetricData.member.2.MetricName": "q2",
                                       "MetricData.member.2.Values.member.1": "1", "MetricData.member.2.Values.member.2": "3"})
        status, text, _ = server.post("/", form, {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
        assert status == 200 and "PutMetricDataResponse" in text and query(server, "q") == {(("a", "b/c"), ("namespace", "n n")): 2.5}, text
        assert query(server, "q2_sum") == {(("namespace", "n n"),): 4}
        assert server.post("/", "Action=ListMetrics", {"Content-Type": "application/x-www-form-urlencoded"})[0] == 400
    with Server(config=CONFIG + "sources:\n  - name: aws\n    token: env:KEY\n", env={"KEY": "a-key-of-a-source"}) as server:
        send = BOTO3.split("now =")[0].replace('"k"', "sys.argv[2]") + """
try:
    c.put_metric_data(Namespace="n", MetricData=[{"MetricName": "kept", "Value": 1}])
except c.exceptions.ClientError as e:
    print("refused", e.response["ResponseMetadata"]["HTTPStatusCode"])
"""
        assert python(send, f"http://127.0.0.1:{server.port}", "a-key-of-a-source", env={"AWS_EC2_METADATA_DISABLED": "true"}) == ""
        assert query(server, "kept") == {(("namespace", "n"),): 1}
        said = python(send, f"http://127.0.0.1:{server.port}", "wrong-key-of-a-source", env={"AWS_EC2_METADATA_DISABLED": "true"})
        assert said == "refused 401\n", said


@test("CloudWatch's metric streams by Firehose, JSON and OpenTelemetry 1.0; the access key is a source's token")
def metric_stream():
    now = int(time.time() * 1000)
    with open(kit.shared("aws-samples/cloudwatch-metric-stream/records.jsonl"), encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    for record in records:
        record["timestamp"] = now
    text = "\n".join(json.dumps(r) for r in records).encode()
    point = {"resourceMetrics": [{"resource": {"attributes": []}, "scopeMetrics": [{"metrics": [{"name": "amazonaws.com/AWS/EC2/CPU", "summary": {
        "dataPoints": [{"timeUnixNano": str(now * 10**6), "count": "2", "sum": 3.0, "quantileValues": [{"quantile": 0.0, "value": 1.0}]}]}}]}]}]}
    config = CONFIG + "sources:\n  - name: aws\n    token: env:FIREHOSE\n"
    with Server(config=config, env={"FIREHOSE": "an-access-key-of-firehose"}) as server:
        def send(data, key="an-access-key-of-firehose"):
            body = {"requestId": "r-1", "timestamp": now, "records": [{"data": base64.b64encode(data).decode()}]}
            return server.post("/v1/aws/metric-stream", json.dumps(body), {"X-Amz-Firehose-Request-Id": "r-1", "X-Amz-Firehose-Access-Key": key})
        assert send(text, "another-access-key-of-firehose")[0] == 401
        status, answer, _ = send(text)
        assert status == 200 and json.loads(answer)["requestId"] == "r-1", answer
        labels = {"namespace": "AWS/EBS", "VolumeId": "vol-0679c44f13fe46f14", "account_id": "1234567890", "region": "us-east-1"}
        assert labelled(server, "VolumeWriteBytes_sum", **labels)() == 477184 and labelled(server, "VolumeWriteBytes_count", **labels)() == 92
        message = python("import sys, json; from google.protobuf import json_format as j\n"
                         "from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest as R\n"
                         "b = j.Parse(sys.argv[1], R()).SerializeToString(); print((bytes([len(b)]) + b).hex())", json.dumps(point)).strip()
        assert send(bytes.fromhex(message) * 2)[0] == 200
        assert query(server, 'amazonaws_com_AWS_EC2_CPU{quantile="0"}') == {(("quantile", "0"),): 1}
        assert send(b'{"metric_name": "without a value"}\n' + text)[0] == 200, "Firehose would send good records again and again"
        assert server.metric(r'tocsin_samples_refused_total\{protocol="metric-stream"\}') == 1
        assert "metric-stream:http:aws: 1 samples were not taken; the first: a record of the metric stream lacks its name" in server.output(), server.output()
        status, answer, _ = server.post("/v1/aws/metric-stream", "{}", {"X-Amz-Firehose-Access-Key": "an-access-key-of-firehose"})
        assert status == 400 and "errorMessage" in answer, answer


DATADOG = """
import sys, time, datadog
datadog.initialize(api_key="a-key-of-a-source", app_key="x", api_host=sys.argv[1], mute=False, host_name="h1")
now = time.time()
for attempt in (1, 2):
    print(datadog.api.Metric.send(metrics=[{"metric": "page.views", "points": [(now + attempt, 5)], "type": "count", "tags": ["env:prod", "flag"]},
                                           {"metric": "queue.depth", "points": [(now + attempt, 2.5)], "type": "gauge"},
                                           {"metric": "hits", "points": [(now + attempt, 0.5)], "type": "rate", "interval": 10}]))
"""


@test("Datadog's client sends series, version 1 and 2, an Agent protobuf; /api/v1/series stays Prometheus' query")
def datadog():
    now = int(time.time())
    config = CONFIG + "sources:\n  - name: dd\n    token: env:KEY\n"
    with Server(config=config, env={"KEY": "a-key-of-a-source"}) as server:
        said = python(DATADOG, f"http://127.0.0.1:{server.port}/datadog")
        assert said.count("'status': 'ok'") == 2, said
        wait_for("the last point's time", lambda: query(server, "queue_depth"))
        assert query(server, f"page_views @ {now + 30}") == {(("env", "prod"), ("flag", "true"), ("host", "h1")): 10}
        assert query(server, f"hits @ {now + 30}") == {(("host", "h1"),): 10}
        body = json.dumps({"series": [{"metric": "v2.count", "type": 1, "points": [{"timestamp": now, "value": 4}], "tags": ["a:b"],
                                       "resources": [{"name": "h2", "type": "host"}]}, {"metric": "no.points"}]})
        headers = {"DD-API-KEY": "a-key-of-a-source"}
        status, text, _ = server.request("POST", "/api/v2/series", zlib.compress(body.encode()), headers | {"Content-Encoding": "deflate"})
        assert status == 202 and json.loads(text)["errors"] == ["a series has no metric or no points"], (status, text)
        assert query(server, "v2_count") == {(("a", "b"), ("host", "h2")): 4}
        assert server.request("POST", "/api/v2/series", body, {"DD-API-KEY": "wrong-key-of-a-source"})[0] == 401
        for path in ("/api/v1/validate", "/datadog/api/v1/validate"):
            assert server.get(path, {"DD-API-KEY": "wrong-key-of-a-source"})[0] == 401 and server.get(path, headers)[:2] == (200, '{"valid":true}')
        agent = headers | {"Content-Type": "application/x-protobuf", "Content-Encoding": "deflate"}
        resources = field(1, field(1, b"host") + field(2, b"h3")) + field(1, field(1, b"device") + field(2, b"sda")) + field(1, field(1, b"x") + field(2, b"y"))
        def metric(name, kind, value, *tags, more=b""):
            point = field(4, field(1, float(value)) + field(2, now))
            return field(1, point + resources + field(2, name) + b"".join(field(3, t) for t in tags) + field(5, kind) + field(7, b"System") + more)
        payload = (metric(b"agent.count", 1, 6, b"env:prod", b"flag") + metric(b"agent.rate", 2, 0.5, more=field(8, 10)) + metric(b"agent.gauge", 3, 2.5, more=field(6, b"byte")) +
                   metric(b"agent.user", 3, 1, b"user:jane@example.com") + field(1, field(5, 1)) + metric(b"agent.tag", 3, 1, b":nothing"))
        status, text, _ = server.request("POST", "/api/v2/series", zlib.compress(payload), agent)
        assert status == 202 and "a series has no metric" in text, (status, text)
        host = (("device", "sda"), ("host", "h3"))
        assert query(server, "agent_count") == {(("device", "sda"), ("env", "prod"), ("flag", "true"), ("host", "h3")): 6}
        assert query(server, "agent_rate") == {host: 5} and query(server, "agent_gauge") == {host: 2.5}
        assert not query(server, "agent_user") and not query(server, "agent_tag")
        status, text, _ = server.get("/api/v1/metadata?metric=agent_gauge")
        assert json.loads(text)["data"]["agent_gauge"] == [{"type": "gauge", "unit": "byte", "help": ""}], text
        before = server.metric(r'tocsin_samples_taken_total\{protocol="datadog"\}')
        for bad in (b"x", payload[:-3], field(1, b"\xff")):
            assert server.request("POST", "/api/v2/series", zlib.compress(bad), agent)[0] == 400, bad
        assert server.metric(r'tocsin_samples_taken_total\{protocol="datadog"\}') == before, "what is no such message changes nothing"
        status, text, _ = server.request("POST", "/api/v1/series", "match[]=v2_count", {"Content-Type": "application/x-www-form-urlencoded"})
        assert status == 200 and json.loads(text)["data"] == [{"__name__": "v2_count", "a": "b", "host": "h2"}], text


def check(config):
    with kit.temporary() as place:
        with open(f"{place}/tocsin.yml", "w", encoding="utf-8") as file:
            file.write(config)
        return kit.tocsin("check", "--config", f"{place}/tocsin.yml")


kit.main()
