"""Metrics: remote write over HTTP, PromQL answers, and what kill -9 leaves."""
import json
import time
import urllib.parse

import kit
from kit import Server, test
from remote_write import PROTOBUF, VERSION_2, field, sample, snappy, write_request, write_request_2

CONFIG = "metrics:\n  enabled: true\n"


def api(server, path, **parameters):
    status, body, _ = server.get(f"/api/v1/{path}?" + urllib.parse.urlencode(parameters, doseq=True))
    return status, json.loads(body)


def config():
    return CONFIG


@test("A-11 remote write is answered by PromQL, and survives kill -9")
def remote_write():
    now = int(time.time()) * 1000
    with Server(config=config()) as server:
        for i in range(20):
            body = write_request(({"__name__": "http_requests_total", "job": "web", "code": "200"}, [(i * 10, now - 300000 + i * 15000)]),
                                 ({"__name__": "up", "job": "web"}, [(1, now - 300000 + i * 15000)]))
            status, answer, _ = server.post("/api/v1/write", body, PROTOBUF)
            assert status == 204, (status, answer)
        for _ in range(2):
            at = now / 1000 - 10
            status, answer = api(server, "query", query="rate(http_requests_total[2m])", time=at)
            assert status == 200 and answer["status"] == "success", answer
            result = answer["data"]["result"]
            assert len(result) == 1 and result[0]["metric"] == {"code": "200", "job": "web"}, result
            assert abs(float(result[0]["value"][1]) - 10 / 15) < 1e-9, result
            status, answer = api(server, "query_range", query="up", start=at - 120, end=at, step="60s")
            assert [v[1] for v in answer["data"]["result"][0]["values"]] == ["1", "1", "1"], answer
            assert api(server, "labels")[1]["data"] == ["__name__", "code", "job"]
            assert api(server, "label/__name__/values")[1]["data"] == ["http_requests_total", "up"]
            assert api(server, "series", **{"match[]": ["up", 'http_requests_total{code="200"}']})[1]["data"] == [
                {"__name__": "up", "job": "web"}, {"__name__": "http_requests_total", "code": "200", "job": "web"}]
            server.kill()
            server.start()
        assert server.metric("tocsin_tsdb_head_series") == 2


@test("A-11 remote write 2.0 says what was written; what cannot be taken is 400 and the rest is kept")
def version_2_and_refusals():
    now = int(time.time()) * 1000
    with Server(config=config()) as server:
        labels = {"__name__": "x", "job": "b"}
        status, answer, headers = server.post("/api/v1/write", write_request_2(labels, [(1, now - 2000), (2, now - 1000)]), VERSION_2)
        assert status == 204 and headers["X-Prometheus-Remote-Write-Samples-Written"] == "2", (status, headers, answer)
        status, answer, headers = server.post("/api/v1/write", write_request_2(labels, [(5, now - 2000), (3, now)]), VERSION_2)
        assert status == 400 and "out of order sample" in answer, answer
        assert headers["X-Prometheus-Remote-Write-Samples-Written"] == "1", headers
        assert api(server, "query", query="x", time=now / 1000)[1]["data"]["result"][0]["value"][1] == "3"
        status, answer, _ = server.post("/api/v1/write", write_request((labels, [(1, now + 3600000)])), PROTOBUF)
        assert status == 400 and "out of bounds" in answer, answer
        assert server.post("/api/v1/write", b"\x05\x10hello", PROTOBUF)[0] == 400
        assert server.post("/api/v1/write", snappy(b""), PROTOBUF | {"Content-Encoding": "gzip"})[0] == 415
        assert server.post("/api/v1/write", snappy(b""), PROTOBUF | {"Content-Type": "application/x-protobuf;proto=other"})[0] == 415
        assert api(server, "query", query="rate(x")[0] == 400
        assert api(server, "query", query="rate(x")[1]["errorType"] == "bad_data"
        status, answer = api(server, "query_range", query="x", start=0, end=now / 1000, step=1)
        assert status == 400 and "11,000 points" in answer["error"], answer


@test("H-01 remote write: a label with an e-mail address is refused and counted, its value told nowhere")
def personal():
    now = int(time.time()) * 1000
    with Server(config=config()) as server:
        status, answer, _ = server.post("/api/v1/write", write_request(({"__name__": "x", "user": "jane.doe@example.com"}, [(1, now)]),
                                                                       ({"__name__": "x", "user": "7"}, [(1, now)])), PROTOBUF)
        assert status == 400 and "personal data" in answer and "jane" not in answer, answer
        assert [r["metric"]["user"] for r in api(server, "query", query="x")[1]["data"]["result"]] == ["7"]
        assert server.metric("tocsin_redaction_rejected_total") == 1
        assert "jane" not in server.output()


@test("A-11 remote write: metadata is kept, of 1.0 and 2.0")
def metadata():
    now = int(time.time()) * 1000
    described = field(3, field(1, 1) + field(2, b"x_total") + field(4, b"What x is") + field(5, b"bytes"))
    symbols = [b"", b"__name__", b"y_seconds_bucket", b"le", b"1", b"How long", b"seconds", b"y_seconds_count", b"z", b"What z is"]
    def series(kind, refs, help_ref, unit_ref=0):
        told = field(5, field(1, kind) + field(3, help_ref) + field(4, unit_ref)) if kind or help_ref else b""
        return field(5, told + field(1, bytes(refs)) + field(2, sample(1, now)))
    body = b"".join(field(4, s) for s in symbols) + series(3, [1, 2, 3, 4], 5, 6) + series(3, [1, 7], 5, 6) + series(2, [1, 8], 9) + \
        series(2, [3, 4, 1, 8], 9) + series(0, [1, 5], 0) + series(2, [1, 8], 200)
    with Server(config=config()) as server:
        assert server.post("/api/v1/write", snappy(described), PROTOBUF)[0] == 204
        assert api(server, "metadata")[1]["data"] == {"x_total": [{"type": "counter", "help": "What x is", "unit": "bytes"}]}
        status, text, _ = server.post("/api/v1/write", snappy(body), VERSION_2)
        assert status in (204, 400), text  # of z there are samples that repeat
        assert api(server, "metadata")[1]["data"] == {
            "x_total": [{"type": "counter", "help": "What x is", "unit": "bytes"}],
            "y_seconds": [{"type": "histogram", "help": "How long", "unit": "seconds"}],
            "z": [{"type": "gauge", "help": "", "unit": ""}, {"type": "gauge", "help": "What z is", "unit": ""}]}


@test("metrics are off by default, and say so")
def off():
    with Server() as server:
        status, answer, _ = server.post("/api/v1/write", snappy(b""), PROTOBUF)
        assert status == 404 and "metrics.enabled" in answer, answer
        assert api(server, "query", query="up")[0] == 404


kit.main()
