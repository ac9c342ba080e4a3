"""Loki's API and `tocsin query EXPR` over a running server: what is pushed is found, by its labels, its text and its fields."""
import csv
import json
import os
import signal
import socket
import subprocess
import time
import urllib.parse

import kit
from kit import Server, Skip, now, test, tocsin, wait_for

LINES = ['level=info msg="hello \\"x\\"" took=15ms ip=10.1.2.3', '{"a":{"b":5},"user":"bob"}', "level=warn took=30ms ip=10.9.9.9"]


def push(server, lines, labels, at=None):
    at = at or time.time_ns()
    body = {"streams": [{"stream": labels, "values": [[str(at + i), line] for i, line in enumerate(lines)]}]}
    status, text, _ = server.post("/loki/api/v1/push", json.dumps(body))
    assert (status, text) == (204, ""), (status, text)
    return at


def loki(server, path, method="GET", **params):
    form = urllib.parse.urlencode(params, doseq=True)
    if method == "POST":
        status, text, _ = server.request("POST", f"/loki/api/v1/{path}", form,
                                         {"Content-Type": "application/x-www-form-urlencoded"})
    else:
        status, text, _ = server.get(f"/loki/api/v1/{path}?{form}")
    assert status == 200, (status, text)
    return json.loads(text)


def found(server, query, **params):
    data = loki(server, "query_range", query=query, **params)["data"]
    assert data["resultType"] == "streams"
    return [line for stream in data["result"] for _, line in stream["values"]]


@test("what is pushed comes back as it came, in order, with its labels")
def round_trip():
    with Server() as server:
        at = push(server, LINES, {"app": "web", "env": "prod"})
        data = loki(server, "query_range", query='{app="web"}', direction="forward")["data"]
        assert len(data["result"]) == 1 and "stats" in data, data
        assert data["result"][0]["values"] == [[str(at + i), line] for i, line in enumerate(LINES)], data
        stream = data["result"][0]["stream"]
        assert stream == {"app": "web", "env": "prod", "class": "security", "source": "http:default"}, stream
        assert found(server, '{app="web"}') == LINES[::-1]
        assert found(server, '{app="web"}', limit=1) == LINES[2:]
        assert found(server, '{app="web"} |= "took"', method="POST", direction="forward") == [LINES[0], LINES[2]]
        assert found(server, '{app="other"}') == []


@test("filters, parsers and formats choose lines")
def stages():
    with Server() as server:
        push(server, LINES, {"app": "web"})
        for query, wanted in [
                ('{app="web"} | json a_b="a.b" | a_b > 3', [1]), ('{app="web"} |= "took" | logfmt | took > 20ms', [2]),
                ('{app="web"} | logfmt | ip=ip("10.1.0.0/16")', [0]), ('{app="web"} |~ "b.b"', [1]),
                ('{app="web"} |> "level=warn<_>ip=<_>"', [2]), ('{app="web"} != "took"', [1]), ('{app="web"} | user="bob"', [1]),
                ('{app="web"} | regexp "took=(?P<t>\\\\d+)" | t = 30', [2]), ('{app="web"} | pattern "<a> took=<t> <_>" | t="30ms"', [2])]:
            assert found(server, query) == [LINES[i] for i in wanted], (query, found(server, query))
        formatted = found(server, '{app="web"} | logfmt | level="info" | line_format "{{.level | ToUpper}}: {{.msg}}"')
        assert formatted == ['INFO: hello "x"'], formatted


@test("metric queries give vectors and matrices")
def metrics():
    with Server() as server:
        push(server, LINES, {"app": "web"})
        push(server, LINES[:1], {"app": "db"})

        def vector(query):
            data = loki(server, "query", query=query)["data"]
            assert data["resultType"] == "vector", data
            return {tuple(sorted(r["metric"].items())): float(r["value"][1]) for r in data["result"]}

        assert vector('sum by (app) (count_over_time({app=~".+"}[1h]))') == {(("app", "web"),): 3, (("app", "db"),): 1}
        assert vector('sum(bytes_over_time({app="db"}[1h]))') == {(): len(LINES[0])}
        assert vector('topk(1, sum by (app) (count_over_time({app=~".+"}[1h])))') == {(("app", "web"),): 3}
        average = vector('avg_over_time({app="web"} |= "took" | logfmt | unwrap duration(took) [1h]) by (app)')
        assert abs(average[(("app", "web"),)] - 0.0225) < 1e-9, average
        share = vector('sum by (app) (count_over_time({app=~".+"}[1h])) / on() group_left sum(count_over_time({app=~".+"}[1h]))')
        assert share == {(("app", "web"),): 0.75, (("app", "db"),): 0.25}, share
        assert vector('absent_over_time({app="none"}[1h])') == {(("app", "none"),): 1}
        end = int(time.time())
        data = loki(server, "query_range", query='sum(count_over_time({app="web"}[1h]))', start=end - 60, end=end + 60, step=60)["data"]
        assert data["resultType"] == "matrix" and data["result"][0]["values"][-1] == [end + 60, "3"], data
        data = loki(server, "query", query="1 + 1")["data"]
        assert data["resultType"] == "scalar" and data["result"][1] == "2", data


@test("labels, values, series, statistics, and errors that say where")
def names():
    with Server() as server:
        push(server, LINES, {"app": "web"})
        assert loki(server, "labels") == {"status": "success", "data": ["app", "class", "source"]}
        assert loki(server, "label/app/values")["data"] == ["web"]
        assert loki(server, "series", **{"match[]": '{app="web"}'})["data"] == [
            {"app": "web", "class": "security", "source": "http:default"}]
        assert loki(server, "index/stats", query='{app="web"}')["entries"] == 3
        assert loki(server, "format_query", query='sum by(x)(rate({a="b"}|="x"[5m]))')["data"] == 'sum by (x) (rate({a="b"} |= "x" [5m]))'
        assert "version" in loki(server, "status/buildinfo")
        status, text, _ = server.get("/loki/api/v1/query_range?query=%7Ba%3D%22b%22")
        assert status == 400 and "line 1, col 7" in text, text
        assert server.get("/loki/api/v1/tail?query=x")[0] == 400
        assert server.post("/loki/api/v1/push", '{"streams":3}')[0] == 400


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    return varint(number << 3) + varint(value) if isinstance(value, int) else varint(number << 3 | 2) + varint(len(value)) + value


@test("promtail's push: protobuf in snappy")
def protobuf():
    at = time.time_ns()
    entry = field(1, field(1, at // 10**9) + field(2, at % 10**9)) + field(2, b"over protobuf") + field(
        3, field(1, b"trace_id") + field(2, b"t1"))
    plain = field(1, field(1, b'{app="agent", env="e"}') + field(2, entry))
    assert 60 < len(plain) < 256
    snappy = varint(len(plain)) + bytes([60 << 2, len(plain) - 1]) + plain  # one literal
    with Server() as server:
        status, text, _ = server.request("POST", "/loki/api/v1/push", snappy, {"Content-Type": "application/x-protobuf"})
        assert status == 204, (status, text)
        data = loki(server, "query_range", query='{app="agent"} | trace_id="t1"')["data"]["result"]
        assert data[0]["values"] == [[str(at), "over protobuf"]] and data[0]["stream"]["env"] == "e", data
        for broken in (b"", b"\xff\xff\xff\xff\xff", snappy[:-5], snappy[:9] + b"\xff" * (len(snappy) - 9)):
            assert server.request("POST", "/loki/api/v1/push", broken, {"Content-Type": "application/x-protobuf"})[0] == 400


@test("tocsin query EXPR: lines, CSV, counts by field, and --follow")
def command_line():
    with Server() as server:
        server.send(*[{"time": now(), "user": {"name": f"u{i % 3}"}, "message": f"m{i}"} for i in range(7)])
        query = lambda *args: tocsin("query", "--data", server.data, *args)
        code, out, err = query('{source=~".+"} | user_name="u1"')
        assert code == 0 and [json.loads(json.loads(x)["line"])["message"] for x in out.splitlines()] == ["m1", "m4"], (out, err)
        code, out, err = query("--count-by", "user.name", "--top", "2", "--format", "csv")
        assert code == 0 and [x.split(",", 1)[1] for x in out.splitlines()] == ['"{user_name=""u0""}",3', '"{user_name=""u1""}",2'], (out, err)
        assert query('{source="x"')[0] == 2
        rows = list(csv.reader(query("--format", "csv")[1].splitlines()))
        assert len(rows) == 7 and json.loads(rows[0][-1])["message"] == "m0", rows
        follow = subprocess.Popen([kit.TOCSIN, "query", "--data", server.data, "--follow", "--limit", "2", '{source=~".+"} |= "late"'],
                                  stdout=subprocess.PIPE)
        try:
            sent = []

            def arrived():  # it may begin after the first
                sent.append(server.send({"time": now(), "message": f"late{len(sent)}"}))
                return follow.poll() is not None
            wait_for("two lines", arrived)
            assert len(follow.stdout.read().splitlines()) == 2
        finally:
            if follow.poll() is None:
                follow.send_signal(signal.SIGKILL)
            follow.wait()


@test("tocsin query --histogram: events of each step, named by its begin; by field; what it needs is said")
def histogram():
    with Server() as server:
        stamps = ["2026-11-20T10:00:00Z", "2026-11-20T10:59:59.999999999Z", "2026-11-20T11:00:00Z", "2026-11-20T13:30:00Z"]
        server.send(*[{"@timestamp": stamp, "user": {"name": f"u{i % 2}"}} for i, stamp in enumerate(stamps)])

        def ask(*args):
            return tocsin("query", "--data", server.data, "--from", "2026-11-20T10:00:00Z", "--to", "2026-11-20T14:00:00Z", "--format", "csv", *args)
        code, out, err = ask("--histogram", "1h")
        rows = [(row[0], row[-1]) for row in csv.reader(out.splitlines())]
        assert code == 0 and rows == [("2026-11-20T10:00:00Z", "2"), ("2026-11-20T11:00:00Z", "1"), ("2026-11-20T13:00:00Z", "1")], (out, err)
        code, out, err = ask("--histogram", "2h", "--count-by", "user.name")
        rows = sorted((row[0], row[1], row[-1]) for row in csv.reader(out.splitlines()))
        assert code == 0 and rows == [("2026-11-20T10:00:00Z", '{user_name="u0"}', "2"), ("2026-11-20T10:00:00Z", '{user_name="u1"}', "1"),
                                      ("2026-11-20T12:00:00Z", '{user_name="u1"}', "1")], (out, err)
        code, _, err = tocsin("query", "--data", server.data, "--histogram", "1h")
        assert code == 2 and "--from" in err, err
        assert ask("--histogram", "0s")[0] == 2 and ask("--histogram", "1h", "--top", "3")[0] == 2


@test("volumes and detected labels and fields, as Grafana's pages for looking around ask for them")
def looking_around():
    with Server() as server:
        push(server, ["x" * 100, "y" * 50], {"app": "web", "env": "prod"})
        push(server, ["z" * 10], {"app": "db", "env": "prod"})
        server.send({"n": 1, "took": "15ms", "size": "3KB", "rate": 0.5, "ok": True, "who": "ann"}, {"n": 2, "took": "1s", "who": "bob"})

        def volume(path, **params):
            data = loki(server, path, query='{app=~".+"}', **params)["data"]
            return data["resultType"], [(r["metric"], r.get("value", r.get("values"))) for r in data["result"]]

        kind, got = volume("index/volume", start=now(-600), end=now(600))
        assert kind == "vector" and [(m, float(v[1])) for m, v in got] == [({"app": "web"}, 150), ({"app": "db"}, 10)], got
        kind, got = volume("index/volume", start=now(-600), end=now(600), targetLabels="env", limit=5)
        assert [(m, float(v[1])) for m, v in got] == [({"env": "prod"}, 160)], got
        assert len(volume("index/volume", start=now(-600), end=now(600), limit=1)[1]) == 1
        kind, got = volume("index/volume_range", start=now(-600), end=now(600), step=60, targetLabels="app,env")
        assert kind == "matrix" and {m["app"]: sum(float(v) for _, v in values) for m, values in got} == {"web": 150, "db": 10}, got
        for params in ("targetLabels=a-b&query=%7Bapp%3D%22web%22%7D", "", "query=rate(%7Bapp%3D%22web%22%7D%5B1m%5D)", "query=%7Bapp%3D%22web%22%7D&aggregateBy=labels"):
            status, text, _ = server.get(f"/loki/api/v1/index/volume?{params}")
            assert status == 400, (params, status, text)

        labels = {d["label"]: d["cardinality"] for d in loki(server, "detected_labels")["detectedLabels"]}
        assert labels["app"] == 2 and labels["env"] == 1, labels
        fields = loki(server, "detected_fields", query='{source=~".+"}')
        types = {f["label"]: (f["type"], f["cardinality"]) for f in fields["fields"]}
        assert fields["limit"] == 1000 and types["n"] == ("int", 2) and types["took"] == ("duration", 2) and types["size"] == ("bytes", 1), types
        assert types["rate"] == ("float", 1) and types["ok"] == ("boolean", 1) and types["who"] == ("string", 2) and "labels_app" not in types, types
        assert loki(server, "detected_field/who/values", query='{source=~".+"}') == {"values": ["ann", "bob"], "limit": 1000}
        assert loki(server, "detected_field/who/values", query='{source=~".+"} | n="2"')["values"] == ["bob"]
        assert loki(server, "detected_field/none/values", query='{source=~".+"}')["values"] == []


class WebSocket:
    """A client of RFC 6455, as far as a tail needs one."""

    def __init__(self, server, path, headers="", **params):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        query = urllib.parse.urlencode(params)
        self.socket.sendall((f"GET {path}?{query} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
                             f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n").encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        for line in iter(self.file.readline, b"\r\n"):
            name, value = line.decode().strip().split(": ", 1)
            self.headers[name.lower()] = value

    def send(self, opcode, payload=b""):
        mask = b"\x11\x22\x33\x44"
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def frame(self):
        """opcode, payload; None at the end of the connection."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        n = head[1] & 127
        if n > 125:
            n = int.from_bytes(self.file.read(2 if n == 126 else 8), "big")
        return head[0] & 15, self.file.read(n)

    def lines(self, count):
        """So many (labels, line)."""
        got = []
        while len(got) < count:
            opcode, payload = self.frame()
            if opcode == 1:
                got += [(s["stream"], line) for s in json.loads(payload)["streams"] for _, line in s["values"]]
        return got

    def close(self):
        self.file.close()
        self.socket.close()


@test("the tail of Loki's API: old lines, then each new one once, over a WebSocket; what is no handshake is told; the server stops under it")
def live_tail():
    with Server() as server:
        push(server, [f"old {i}" for i in range(10)], {"app": "web"})
        push(server, ["of another"], {"app": "db"})
        tail = WebSocket(server, "/loki/api/v1/tail", query='{app="web"} |= "o"', limit=3)
        assert tail.status == 101 and tail.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", tail.headers
        assert [line for _, line in tail.lines(3)] == ["old 7", "old 8", "old 9"]
        wait_for("it counts", lambda: server.metric("tocsin_http_tails") == 1)
        for i in range(5):
            push(server, [f"of new {i}", f"filtered {i}"], {"app": "web"})
            push(server, ["of another"], {"app": "db"})
        got = tail.lines(5)
        assert [line for _, line in got] == [f"of new {i}" for i in range(5)] and got[0][0]["app"] == "web", got
        tail.send(9, b"are you there")
        while (frame := tail.frame())[0] == 9:
            pass
        assert frame == (10, b"are you there"), frame
        many = [f"of many {i} " + "x" * 1000 for i in range(3000)]
        push(server, many, {"app": "web"})
        assert [line for _, line in tail.lines(3000)] == many
        tail.send(8, b"\x03\xe8")
        while tail.frame() is not None:
            pass
        tail.close()
        wait_for("it has gone", lambda: server.metric("tocsin_http_tails") == 0)

        gone = WebSocket(server, "/loki/api/v1/tail", query='{app="web"}')
        gone.close()  # without a word
        wait_for("it is noticed", lambda: server.metric("tocsin_http_tails") == 0)
        assert server.get("/loki/api/v1/tail?query=" + urllib.parse.quote('{app="web"}'))[0] == 426
        refused = [({"query": 'rate({app="web"}[1m])'}, "", 400), ({"query": '{app='}, "", 400), ({}, "", 400),
                   ({"query": '{app="web"}'}, "Origin: http://elsewhere.example\r\n", 403)]
        for params, headers, status in refused:
            client = WebSocket(server, "/loki/api/v1/tail", headers, **params)
            assert client.status == status, (params, client.status)
            client.close()
        all_of_them = [WebSocket(server, "/loki/api/v1/tail", query='{app="web"}') for _ in range(17)]
        assert [t.status for t in all_of_them] == [101] * 16 + [429], [t.status for t in all_of_them]
        server.stop()
        for client in all_of_them[:16]:
            last = None
            while (frame := client.frame()) is not None:
                last = frame
            assert last[0] in (1, 8), last
            client.close()


@test("a tail whose client reads nothing is cut, and holds up nobody")
def slow_tail():
    with Server() as server:
        slow = WebSocket(server, "/loki/api/v1/tail", query='{app="web"}')
        quick = WebSocket(server, "/loki/api/v1/tail", query='{app="web"} |= "mark"')
        wait_for("both", lambda: server.metric("tocsin_http_tails") == 2)
        for i in range(12):
            push(server, [f"{i} {n} " + "x" * 1000 for n in range(3000)], {"app": "web"})
        push(server, ["the mark"], {"app": "web"})
        assert quick.lines(1)[0][1] == "the mark"
        wait_for("the cut", lambda: server.metric("tocsin_http_tails_cut_total") == 1, 90)
        wait_for("one is left", lambda: server.metric("tocsin_http_tails") == 1)
        slow.close()
        quick.close()
        server.stop()


@test("logcli of Loki reads what was pushed, and follows it")
def logcli():
    program = os.environ.get("LOGCLI", "build/peers/logcli")
    if not os.path.exists(program):
        raise Skip("no logcli here (LOGCLI names it)")
    with Server() as server:
        push(server, LINES, {"app": "web"})
        done = subprocess.run([program, f"--addr=http://127.0.0.1:{server.port}", "query", "--quiet", "-o", "raw", '{app="web"}'],
                              capture_output=True, timeout=60, check=True)
        assert sorted(done.stdout.decode().splitlines()) == sorted(LINES), done
        with subprocess.Popen([program, f"--addr=http://127.0.0.1:{server.port}", "query", "--quiet", "-o", "raw", "--tail", '{app="web"}'],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tail:
            try:
                wait_for("the tail", lambda: server.metric("tocsin_http_tails") == 1)
                push(server, ["a new line"], {"app": "web"})
                got = [tail.stdout.readline().decode().rstrip("\n") for _ in range(len(LINES) + 1)]
                assert sorted(got) == sorted([*LINES, "a new line"]), got
            finally:
                tail.kill()


kit.main()
