"""Scraping: exporters on loopback, beside Debian's Prometheus with the same configuration file."""
import gzip
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import kit
from kit import Server, Skip, free_port, test, wait_for
from peers import Certificates
from remote_write import field, varint

PAGE = """# HELP requests_total Requests that were answered.
# TYPE requests_total counter
requests_total{code="200",path="/a b"} 17
requests_total{code="500",path="/"} 3
# TYPE temperature gauge
temperature{job="kiln",instance="north"} 21.5
temperature{job="kiln",instance="south",exported_job="x"} NaN
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 4
latency_seconds_bucket{le="+Inf"} 5
latency_seconds_sum 0.75
latency_seconds_count 5
debug_noise 1
"""


def program(name):
    for path in (os.path.abspath(f"build/peers/{name}/usr/bin/{name}"), shutil.which(name)):
        if path and os.path.exists(path):
            return path
    raise Skip(f"{name} is not here")


class Exporter:
    """Shows `pages` by path; keeps the headers of what asked last."""

    def __init__(self, pages=None, certificates=None):
        self.pages = pages or {"/metrics": PAGE}
        self.types, self.headers, self.paths, self.status = {}, {}, [], 200
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                exporter.headers = dict(self.headers)
                exporter.paths.append(self.path)
                page = exporter.pages.get(self.path.partition("?")[0])
                status = exporter.status if page is not None else 404
                body = page if isinstance(page, bytes) else (page or "").encode()
                self.send_response(status)
                self.send_header("Content-Type", exporter.types.get(self.path.partition("?")[0], "text/plain; version=0.0.4"))
                if "gzip" in self.headers.get("Accept-Encoding", ""):
                    body = gzip.compress(body)
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a client that hangs up is a part of some tests
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.cert, certificates.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def ask(base, path, **parameters):
    with urllib.request.urlopen(f"{base}/api/v1/{path}?" + urllib.parse.urlencode(parameters)) as answer:
        return json.load(answer)["data"]


def vector(base, query):
    return {json.dumps(r["metric"], sort_keys=True): r["value"][1] for r in ask(base, "query", query=query)["result"]}


def base_of(server):
    return f"http://127.0.0.1:{server.port}"


def inline(jobs):
    return "metrics:\n  enabled: true\n  scrape_interval: 300ms\n  scrape_configs:\n" + jobs


SAME = """
global:
  scrape_interval: 300ms
scrape_configs:
  - job_name: plain
    static_configs:
      - targets: ["%(exporter)s"]
        labels: {env: test, zone: ""}
  - job_name: honest
    honor_labels: true
    metrics_path: /metrics
    params: {"collect[]": [a, b]}
    static_configs: [{targets: ["%(exporter)s"]}]
  - job_name: relabelled
    relabel_configs:
      - {source_labels: [__address__], regex: "(.*):(.*)", target_label: port, replacement: "$2"}
      - {source_labels: [__meta_filepath], regex: ".*/(.*)\\\\.json", target_label: file}
      - {action: labelmap, regex: __meta_shown_(.+)}
      - {source_labels: [drop], regex: "yes", action: drop}
    metric_relabel_configs:
      - {source_labels: [__name__], regex: "debug_.*", action: drop}
      - {source_labels: [code], target_label: code, regex: "(.).*", replacement: "${1}xx"}
      - {action: labeldrop, regex: path}
    file_sd_configs: [{files: ["sd/*.json"]}]
  - job_name: limited
    sample_limit: 2
    static_configs: [{targets: ["%(exporter)s"]}]
  - job_name: missing
    metrics_path: /nothing
    static_configs: [{targets: ["%(exporter)s"]}]
  - job_name: node
    static_configs: [{targets: ["%(node)s"]}]
"""


@test("A-11 what Tocsin scrapes is what Prometheus scrapes with the same prometheus.yml, node_exporter included")
def beside_prometheus():
    prometheus, node_exporter = program("prometheus"), program("prometheus-node-exporter")
    node, port = f"127.0.0.1:{free_port()}", free_port()
    with kit.temporary() as place, Exporter() as exporter:
        os.makedirs(f"{place}/sd")
        with open(f"{place}/sd/web.json", "w", encoding="utf-8") as file:
            json.dump([{"targets": [exporter.address], "labels": {"__meta_shown_team": "web"}},
                       {"targets": ["127.0.0.1:1"], "labels": {"drop": "yes"}}], file)
        config = f"{place}/prometheus.yml"
        with open(config, "w", encoding="utf-8") as file:
            file.write(SAME % {"exporter": exporter.address, "node": node})
        peers = [subprocess.Popen([node_exporter, f"--web.listen-address={node}", "--log.level=error"], stderr=subprocess.DEVNULL),
                 subprocess.Popen([prometheus, f"--config.file={config}", f"--storage.tsdb.path={place}/data",
                                   f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], stderr=subprocess.DEVNULL)]
        theirs = f"http://127.0.0.1:{port}"
        try:
            with Server(config=f"metrics:\n  enabled: true\n  prometheus_config: {config}\n") as server:
                ours = base_of(server)

                def all_up(base):
                    try:
                        return len(vector(base, "up == 1")) == 4 and len(vector(base, "up == 0")) == 2
                    except OSError:
                        return False
                wait_for("all targets in Tocsin", lambda: all_up(ours))
                wait_for("all targets in Prometheus", lambda: all_up(theirs))
                for query in ("up", "requests_total", "temperature", "latency_seconds_bucket", "debug_noise", "scrape_samples_scraped{job!='node'}",
                              "scrape_samples_post_metric_relabeling{job!='node'}"):
                    assert vector(ours, query) == vector(theirs, query), (query, vector(ours, query), vector(theirs, query))
                names = 'group by (__name__, collector, job, instance) ({job="node", __name__!~".*(scrape_|go_|process_|promhttp).*"})'
                assert len(vector(ours, names)) > 100 and vector(ours, names) == vector(theirs, names), (
                    set(vector(ours, names)) ^ set(vector(theirs, names)))
                strip = lambda data: sorted((t["scrapePool"], t["scrapeUrl"], t["health"], t["lastError"], json.dumps(t["labels"], sort_keys=True),
                                             json.dumps(t["discoveredLabels"], sort_keys=True).replace(place + "/", ""),
                                             t["scrapeInterval"], t["scrapeTimeout"]) for t in data["activeTargets"])
                assert strip(ask(ours, "targets")) == strip(ask(theirs, "targets")), (strip(ask(ours, "targets")), strip(ask(theirs, "targets")))
                assert len(ask(ours, "targets", state="dropped")["droppedTargets"]) == 1
                shape = lambda base: sorted(json.dumps(m, sort_keys=True) for m in ask(
                    base, "targets/metadata", match_target='{job="plain"}', metric="requests_total"))
                assert shape(ours) == shape(theirs) and len(shape(ours)) == 1, (shape(ours), shape(theirs))
        finally:
            for peer in peers:
                peer.kill()
                peer.wait()


@test("A-11 a series that vanishes, a target that fails and one that goes are stale at once; files are watched")
def staleness():
    with kit.temporary() as place, Exporter() as exporter, Exporter() as other:
        targets = f"{place}/targets.yml"

        def write(*addresses):
            with open(targets + ".new", "w", encoding="utf-8") as file:
                json.dump([{"targets": list(addresses)}], file)
            os.rename(targets + ".new", targets)
        write(exporter.address)
        with Server(config=inline(f"    - job_name: a\n      file_sd_configs: [{{files: ['{targets}']}}]\n")) as server:
            base = base_of(server)
            wait_for("the first scrape", lambda: vector(base, "debug_noise"))
            exporter.pages["/metrics"] = PAGE.replace("debug_noise 1\n", "")
            wait_for("the series is stale", lambda: not vector(base, "debug_noise"))
            assert vector(base, "up == 1") and vector(base, "requests_total")
            exporter.status = 503
            wait_for("the target is down", lambda: vector(base, "up == 0") and not vector(base, "requests_total"))
            assert ask(base, "targets")["activeTargets"][0]["lastError"] == "server returned HTTP status 503 Service Unavailable"
            exporter.status = 200
            write(exporter.address, other.address)
            wait_for("two targets", lambda: len(vector(base, "up == 1")) == 2)
            write(other.address)
            wait_for("the first is gone", lambda: len(vector(base, "up")) == 1 and other.address in next(iter(vector(base, "up"))))
            with open(targets, "w", encoding="utf-8") as file:
                file.write("- {targets: not a list}\n")
            wait_for("the broken file is told", lambda: server.metric("tocsin_scrape_discoveries_failed_total") > 0)
            assert len(ask(base, "targets")["activeTargets"]) == 1, "what was known stays in force"


@test("A-11 OpenMetrics, credentials, HTTP discovery, redirects, limits and what is asked of the exporter")
def settings():
    with kit.temporary() as place, Exporter() as exporter, Exporter() as discovery:
        exporter.pages["/om"] = "# TYPE x counter\n# UNIT x_seconds seconds\nx_total 5 # {a=\"b\"} 1\n# EOF\n"
        exporter.types["/om"] = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        exporter.pages["/bad"] = "x 1\n{ 2\n"
        discovery.pages["/sd"] = json.dumps([{"targets": [exporter.address], "labels": {"from": "http"}}])
        discovery.types["/sd"] = "application/json"
        with open(f"{place}/word", "w", encoding="utf-8") as file:
            file.write("from-a-file\n")
        jobs = f"""
    - job_name: found
      metrics_path: /om
      params: {{q: ["a b", c]}}
      authorization: {{credentials_file: {place}/word}}
      extra_scrape_metrics: true
      http_sd_configs: [{{url: "http://anna:s3same@{discovery.address}/sd"}}, {{url: "http://anna:s3same@127.0.0.1:1/sd"}}]
    - {{job_name: bad, metrics_path: /bad, static_configs: [{{targets: ["{exporter.address}"]}}]}}
    - {{job_name: large, body_size_limit: 100B, static_configs: [{{targets: ["{exporter.address}"]}}]}}
    - {{job_name: wide, label_limit: 2, static_configs: [{{targets: ["{exporter.address}"]}}]}}
    - {{job_name: many, target_limit: 1, static_configs: [{{targets: ["{exporter.address}", "127.0.0.1:1"]}}]}}
    - {{job_name: nobody, static_configs: [{{targets: ["127.0.0.1:1"]}}]}}
    - {{job_name: names, dns_sd_configs: [{{names: [localhost], type: A, port: {exporter.address.split(":")[1]}}}]}}
"""
        with Server(config=inline(jobs)) as server:
            base = base_of(server)
            wait_for("every target once", lambda: all(t["health"] != "unknown" for t in ask(base, "targets")["activeTargets"])
                     and len(ask(base, "targets")["activeTargets"]) == 8)
            errors = {t["scrapePool"]: t["lastError"] for t in ask(base, "targets")["activeTargets"]}
            assert errors["found"] == "" and errors["names"] == "", errors
            assert errors["bad"].startswith("line 2 of the body"), errors
            assert errors["large"] == "body size limit exceeded", errors
            assert errors["wide"].startswith("label_limit exceeded (metric: requests_total, number of labels: 5"), errors
            assert errors["many"] == "target_limit exceeded (number of targets: 2, limit: 1)", errors
            assert "Get \"http://127.0.0.1:1/metrics\"" in errors["nobody"], errors
            asked = [p for p in exporter.paths if p.startswith("/om")]
            assert asked[0] == "/om?q=a+b&q=c", asked
            assert vector(base, "x_total")[json.dumps({"__name__": "x_total", "from": "http", "instance": exporter.address, "job": "found"})] == "5"
            assert vector(base, "scrape_body_size_bytes") and not vector(base, "scrape_body_size_bytes{job='names'}")
            exporter.pages = {"/om": exporter.pages["/om"]}
            wait_for("the exporter is asked again", lambda: exporter.headers.get("Authorization") == "Bearer from-a-file")
            assert "application/openmetrics-text;version=1.0.0" in exporter.headers["Accept"], exporter.headers
            assert exporter.headers["X-Prometheus-Scrape-Timeout-Seconds"] == "0.3", exporter.headers
            assert discovery.headers["Authorization"].startswith("Basic "), discovery.headers
            assert "anna:xxxxx@127.0.0.1:1/sd" in server.output() and "s3same" not in server.output() + server.get("/api/v1/targets")[1]


@test("a discovery that is never answered does not hold up the end, and one that fails tells no password")
def silent_discovery():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        jobs = "".join(f"    - {{job_name: {name}, http_sd_configs: [{{url: 'http://{address}/'}}]}}\n" for name, address in (
            ("closed", "somebody:hidden-word@127.0.0.1:1"), ("silent", f"127.0.0.1:{silent.getsockname()[1]}")))
        with Server(config=inline(jobs)) as server:
            connection, _ = silent.accept()
            with connection:
                connection.settimeout(20)
                assert connection.recv(100).startswith(b"GET / ")
                log = server.output()
                assert "cannot ask http://somebody:xxxxx@127.0.0.1:1/: " in log and "hidden-word" not in log, log
                began = time.monotonic()
                server.stop()
                assert time.monotonic() - began < 10, "the request has a minute's time"


@test("Y-08 a reload says that a Prometheus file has changed and waits for a restart")
def changed_file():
    with kit.temporary() as place:
        path = f"{place}/prometheus.yml"

        def write(text):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        write("scrape_configs: []\n")
        with Server(config=f"metrics:\n  enabled: true\n  prometheus_config: {path}\n") as server:
            def reload():
                status, body, _ = server.request("POST", "/-/reload")
                assert status == 200, body
                return json.loads(body)["restart_needed"]
            assert reload() == []
            write("scrape_configs: [{job_name: more}]\n")
            assert reload() == ["metrics"]


def zigzag(value):
    return varint(value << 1 ^ value >> 63)


def family(name, kind, *metrics, help_text=b"", unit=b""):
    body = field(1, name) + field(2, help_text) + field(3, kind) + b"".join(field(4, m) for m in metrics) + (field(5, unit) if unit else b"")
    return varint(len(body)) + body


def pair(name, value):
    return field(1, field(1, name) + field(2, value))


EXEMPLAR = pair(b"trace_id", b"t1") + field(2, 0.5)
CLASSIC = b"".join(field(3, field(1, count) + field(2, bound) + more) for count, bound, more in ((2, 0.5, field(3, EXEMPLAR)), (5, 2.0, b"")))
NATIVE = (field(5, 0) + field(6, 0.001) + field(7, 1) + field(12, b"\x08" + zigzag(0) + b"\x10\x02") + field(12, b"\x08" + zigzag(1) + b"\x10\x01")
          + field(13, zigzag(2) + zigzag(-1) + zigzag(1)) + field(9, b"\x08" + zigzag(-1) + b"\x10\x01") + field(10, zigzag(1)))
# the field numbers of varints with a sign (schema, 5) need their own wire form
NATIVE = NATIVE.replace(field(5, 0), varint(5 << 3) + zigzag(0))
PROTOBUF_PAGE = (
    family(b"requests_total", 0, pair(b"code", b"200") + field(3, field(1, 17.0) + field(2, EXEMPLAR)), pair(b"code", b"500") + field(3, field(1, 3.0)), help_text=b"Requests.")
    + family(b"temperature_celsius", 1, field(2, field(1, -21.5)), unit=b"celsius")
    + family(b"latency_seconds", 4, pair(b"path", b"/") + field(7, field(1, 7) + field(2, 4.5) + CLASSIC + NATIVE))
    + family(b"size_bytes", 4, field(7, field(1, 6) + field(2, 8.0) + CLASSIC))
    + family(b"rpc_seconds", 2, field(4, field(1, 9) + field(2, 1.5) + field(3, field(1, 0.5) + field(2, 0.25)) + field(3, field(1, 1.0) + field(2, 0.75))))
    + family(b"old", 3, field(5, field(1, 4.0))))


@test("A-11 native histograms come by protobuf where they are asked for, with the classic buckets or without")
def protobuf():
    kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
    with Exporter({"/metrics": PROTOBUF_PAGE, "/broken": PROTOBUF_PAGE[:-2], "/bad": family(b"x", 4, field(7, field(12, b"\x10\x05")))}) as exporter:
        for path in exporter.pages:
            exporter.types[path] = kind
        job = "    - {job_name: %s, metrics_path: /%s, %sstatic_configs: [{targets: ['" + exporter.address + "']}]}\n"
        config = inline(job % ("native", "metrics", "scrape_native_histograms: true, ") + job % ("classic", "metrics", "scrape_protocols: [PrometheusProto], ")
                        + job % ("both", "metrics", "scrape_native_histograms: true, always_scrape_classic_histograms: true, ")
                        + job % ("broken", "broken", "scrape_native_histograms: true, ") + job % ("bad", "bad", "scrape_native_histograms: true, "))
        with Server(config=config) as server:
            base = base_of(server)
            wait_for("all targets", lambda: len(vector(base, "up")) == 5)
            def names(job_name):
                return sorted(json.loads(k)["__name__"] for k in vector(base, 'count by (__name__) ({job="%s"})' % job_name))
            plain = ["old", "requests_total", "rpc_seconds", "rpc_seconds_count", "rpc_seconds_sum", "scrape_duration_seconds", "scrape_samples_post_metric_relabeling",
                     "scrape_samples_scraped", "scrape_series_added", "size_bytes_bucket", "size_bytes_count", "size_bytes_sum", "temperature_celsius", "up"]
            buckets = ["latency_seconds_bucket", "latency_seconds_count", "latency_seconds_sum"]
            wait_for("native", lambda: names("native") == sorted(plain + ["latency_seconds"]))
            assert names("classic") == sorted(plain + buckets) and names("both") == sorted(plain + buckets + ["latency_seconds"]), (names("classic"), names("both"))
            shown = ask(base, "query", query="sum(latency_seconds{job='native'})")["result"][0]["histogram"][1]
            # span 0 of two buckets (2, 1), a gap of one, a bucket of 2; one below zero; one at zero
            assert shown == {"count": "7", "sum": "4.5", "buckets": [[1, "-0.5", "-0.25", "1"], [3, "-0.001", "0.001", "1"], [0, "0.5", "1", "2"], [0, "1", "2", "1"],
                                                                     [0, "4", "8", "2"]]}, shown
            assert sorted(v for v in vector(base, "latency_seconds_bucket{job='both'}").values()) == ["2", "5", "7"]
            assert vector(base, "sum(size_bytes_bucket{job='native',le='+Inf'})") == {"{}": "6"} and vector(base, "sum(size_bytes_bucket{job='native',le='0.5'})") == {"{}": "2"}
            assert vector(base, "sum by (quantile) (rpc_seconds{job='native'})") == {'{"quantile": "0.5"}': "0.25", '{"quantile": "1.0"}': "0.75"}
            assert vector(base, "sum by (code) (requests_total{job='native'})") == {'{"code": "200"}': "17", '{"code": "500"}': "3"}
            assert vector(base, "sum(temperature_celsius{job='native'})") == {"{}": "-21.5"} and vector(base, "sum(old{job='native'})") == {"{}": "4"}
            assert vector(base, "sum by (job) (up)") == {json.dumps({"job": j}): v for j, v in (("native", "1"), ("classic", "1"), ("both", "1"), ("broken", "0"), ("bad", "0"))}
            errors = {t["labels"]["job"]: t["lastError"] for t in ask(base, "targets")["activeTargets"]}
            assert "its length is not right" in errors["broken"] and 'metric family "x": a native histogram is not right' in errors["bad"], errors
            told = {m["metric"]: (m["type"], m["unit"], m["help"]) for m in ask(base, "targets/metadata", match_target='{job="native"}')}
            assert told["requests_total"] == ("counter", "", "Requests.") and told["temperature_celsius"] == ("gauge", "celsius", "") and told["latency_seconds"][0] == "histogram", told
            traces = ask(base, "query_exemplars", query="{job='both'}", start=time.time() - 60, end=time.time() + 60)
            assert {s["seriesLabels"]["__name__"] for s in traces} == {"requests_total", "latency_seconds_bucket", "size_bytes_bucket"}, traces
            exporter.pages["/metrics"] = family(b"old", 3, field(5, field(1, 5.0)))
            wait_for("what is gone is stale", lambda: not vector(base, "count(latency_seconds)") and not vector(base, "count(size_bytes_count)"))
            assert "proto=io.prometheus.client.MetricFamily" in exporter.headers["Accept"], exporter.headers


BOUNDS = """# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="1e3"} 2
h_bucket{le="0x10"} 2
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
# TYPE s summary
s{quantile="1"} 4
s{quantile="0.50"} 3
# TYPE g gauge
g{le="1",quantile="1"} 1
# EOF
"""


@test("A-11 bounds of buckets and quantiles are written as Prometheus 3 writes them, whatever the format")
def bounds():
    with Exporter({"/metrics": BOUNDS, "/om": BOUNDS}) as exporter:
        exporter.types["/om"] = "application/openmetrics-text; version=1.0.0"
        with Server(config=inline("".join("    - {job_name: %s, metrics_path: /%s, static_configs: [{targets: ['%s']}]}\n" % (job, path, exporter.address)
                                          for job, path in (("text", "metrics"), ("om", "om"))))) as server:
            base = base_of(server)
            wait_for("both", lambda: len(vector(base, "g")) == 2)
            for job in ("text", "om"):
                values = lambda name, label: {json.loads(k)[label] for k in vector(base, '%s{job="%s"}' % (name, job))}
                assert values("h_bucket", "le") == {"1.0", "1000.0", "0x10", "+Inf"} and values("s", "quantile") == {"1.0", "0.5"}, values("h_bucket", "le")
                assert values("g", "le") == {"1"} and values("g", "quantile") == {"1"}


@test("A-11 headers of one's own go with a scrape, their files read each time; those of the connection are refused")
def own_headers():
    with kit.temporary() as place, Exporter() as exporter:
        with open(f"{place}/token", "w", encoding="utf-8") as file:
            file.write("from a file\n")
        job = ("    - {job_name: a, static_configs: [{targets: ['%s']}], http_headers: {X-Plain: {values: [one]}, X-Secret: {secrets: [hush]}, "
               "X-File: {files: ['%s/token']}, X-Empty: {values: ['']}}}\n" % (exporter.address, place))
        with Server(config=inline(job)) as server:
            base = base_of(server)
            wait_for("a scrape", lambda: vector(base, "up == 1"))
            seen = exporter.headers
            assert [seen.get(k) for k in ("X-Plain", "X-Secret", "X-File", "X-Empty")] == ["one", "hush", "from a file", ""], seen
            assert "hush" not in server.get("/api/v1/status/config")[1] + server.get("/api/v1/targets")[1]
            with open(f"{place}/token", "w", encoding="utf-8") as file:
                file.write("another")
            wait_for("the new value", lambda: exporter.headers.get("X-File") == "another")
            with open(f"{place}/token", "w", encoding="utf-8") as file:
                file.write("two\nHost: lines")
            wait_for("a file of two lines", lambda: vector(base, "up == 0"))
            assert "it is one line" in ask(base, "targets")["activeTargets"][0]["lastError"], ask(base, "targets")


@test("A-11 HTTPS with an authority of one's own, a server's name, and basic_auth")
def https():
    with kit.temporary() as place:
        certificates = Certificates(place)
        with Exporter(certificates=certificates) as exporter:
            common = f'scheme: https, static_configs: [{{targets: ["{exporter.address}"]}}]'
            jobs = f"""
    - {{job_name: good, basic_auth: {{username: u, password: p}}, tls_config: {{ca_file: {certificates.ca}}}, {common}}}
    - {{job_name: named, tls_config: {{ca_file: {certificates.ca}, server_name: localhost}}, {common}}}
    - {{job_name: misnamed, tls_config: {{ca_file: {certificates.ca}, server_name: other.example}}, {common}}}
    - {{job_name: stranger, {common}}}
    - {{job_name: careless, tls_config: {{insecure_skip_verify: true}}, {common}}}
"""
            with Server(config=inline(jobs).replace("300ms", "2s")) as server:
                base = base_of(server)
                wait_for("every target once", lambda: all(t["health"] != "unknown" for t in ask(base, "targets")["activeTargets"])
                         and len(ask(base, "targets")["activeTargets"]) == 5)
                health = {t["scrapePool"]: t["health"] for t in ask(base, "targets")["activeTargets"]}
                assert health == {"good": "up", "named": "up", "misnamed": "down", "stranger": "down", "careless": "up"}, [(t["scrapePool"], t["lastError"]) for t in ask(base, "targets")["activeTargets"]]


@test("A-11 a scrape configuration is read as strictly as Prometheus reads it, and what is not supported is named")
def strict():
    cases = {
        "job_name is empty": "- {static_configs: []}",
        'found multiple scrape configs with job name "a"': "- {job_name: a}\n- {job_name: a}",
        'scrape timeout greater than scrape interval for scrape config with job name "a"': "- {job_name: a, scrape_interval: 5s, scrape_timeout: 6s}",
        "kubernetes_sd_configs is not supported": "- {job_name: a, kubernetes_sd_configs: [{role: pod}]}",
        "convert_classic_histograms_to_nhcb is not supported": "- {job_name: a, convert_classic_histograms_to_nhcb: true}",
        "native_histogram_min_bucket_factor are not supported": "- {job_name: a, scrape_native_histograms: true, native_histogram_bucket_limit: 9}",
        "unknown scrape protocol": "- {job_name: a, scrape_protocols: [PrometheusProtobuf]}",
        'setting header "Content-Type" is not allowed': "- {job_name: a, http_headers: {content-type: {values: [x]}}}",
        '"a b" is no header': "- {job_name: a, http_headers: {a b: {values: [x]}}}",
        "a header's value is one line": "- {job_name: a, http_headers: {a: {values: [\"x\\ny\"]}}}",
        "oauth2 is not supported": "- {job_name: a, oauth2: {client_id: x}}",
        'did you mean "static_configs"': "- {job_name: a, static_config: []}",
        'unknown relabel action "kep"': "- {job_name: a, relabel_configs: [{action: kep}]}",
        "relabel configuration for hashmod requires non-zero modulus": "- {job_name: a, relabel_configs: [{action: hashmod, target_label: x}]}",
        "requires only 'regex', and no other fields": "- {job_name: a, relabel_configs: [{action: labeldrop, regex: x, target_label: y}]}",
        "error parsing regexp": "- {job_name: a, relabel_configs: [{regex: 'a(', target_label: x}]}",
        "at most one of basic_auth, oauth2 & authorization": "- {job_name: a, basic_auth: {username: u}, authorization: {credentials: c}}",
        "use \"basic_auth\" instead": "- {job_name: a, authorization: {type: Basic}}",
        "is not a valid hostname": "- {job_name: a, static_configs: [{targets: ['http://x']}]}",
        "a port is required in DNS-SD configs": "- {job_name: a, dns_sd_configs: [{names: [x], type: A}]}",
        "URL scheme must be 'http' or 'https'": "- {job_name: a, http_sd_configs: [{url: 'ftp://x'}]}",
        "not valid for file discovery": "- {job_name: a, file_sd_configs: [{files: ['*/x.json']}]}",
        "units: not a valid size": "- {job_name: a, body_size_limit: 10XB}",
    }
    with kit.temporary() as place:
        def check(prometheus):
            with open(f"{place}/prometheus.yml", "w", encoding="utf-8") as file:
                file.write(prometheus)
            with open(f"{place}/tocsin.yml", "w", encoding="utf-8") as file:
                file.write(f"metrics:\n  enabled: true\n  prometheus_config: {place}/prometheus.yml\n")
            return kit.tocsin("check", "--config", f"{place}/tocsin.yml")
        for words, text in cases.items():
            code, _, err = check("scrape_configs:\n" + text + "\n")
            assert code == 2 and words in err and "prometheus.yml:" in err, (words, code, err)
        code, _, err = check("remote_write: [{url: 'http://x'}]\n")
        assert code == 2 and "prometheus.yml:1:1: remote_write is not supported" in err, err
        code, _, err = check("global: {scrape_interval: 5s}\nrule_files: [a]\nscrape_configs: [{job_name: a}]\n")
        assert code == 0 and "prometheus.yml:2:1: warning: rule_files is not read here" in err, err


kit.main()
