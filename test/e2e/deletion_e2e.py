"""Deleting series: the same deletions in Debian's Prometheus and in Tocsin leave the same samples; who may, what is recorded, what survives."""
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

import kit
from kit import Server, test
from peers import prometheus_server
from remote_write import PROTOBUF, write_request

TOKEN = "the-officer's-own-token"
OFFICER = {"Authorization": f"Bearer {TOKEN}"}
CONFIG = """
metrics:
  enabled: true
  admin_api: true
privacy:
  officers:
    - {name: olga, token: env:OFFICER_TOKEN}
"""


def ask(base, path, parameters=(), method="GET", headers=None):
    data = urllib.parse.urlencode(parameters, doseq=True)
    request = urllib.request.Request(base + path + ("?" + data if data else ""), method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def write(base, *series):
    request = urllib.request.Request(base + "/api/v1/write", data=write_request(*series), headers=PROTOBUF, method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status in (200, 204), answer.status


def own(config=CONFIG, **more):
    return Server(config=config, env={"OFFICER_TOKEN": TOKEN}, **more)


class Pair:
    def __init__(self):
        self.folder = kit.temporary()
        self.peer = prometheus_server(self.folder.name, flags=["--web.enable-admin-api"])
        self.server = own()

    def __enter__(self):
        self.peer.start()
        self.server.start()
        self.bases = (self.peer.base, f"http://127.0.0.1:{self.server.port}")
        return self

    def __exit__(self, *_):
        self.server.__exit__()
        self.peer.kill()
        self.folder.cleanup()

    def both(self, path, parameters=(), method="GET"):
        """Status and body of both; the officer's token is nothing to Prometheus."""
        return [ask(base, path, parameters, method, OFFICER) for base in self.bases]

    def same(self, path, parameters=()):
        (peer_status, peer), (status, text) = self.both(path, parameters)
        peer, text = json.loads(peer), json.loads(text)
        for answer in (peer, text):
            if isinstance(answer.get("data"), dict) and "result" in answer["data"]:
                answer["data"]["result"].sort(key=lambda r: json.dumps(r["metric"], sort_keys=True))
            elif isinstance(answer.get("data"), list):
                answer["data"].sort(key=str)  # series stand in no order
        assert (peer_status, peer.get("status"), peer.get("data"), peer.get("errorType")) == \
            (status, text.get("status"), text.get("data"), text.get("errorType")), (path, parameters, peer, text)
        return text

    def delete(self, *matches, **window):
        for status, text in self.both("/api/v1/admin/tsdb/delete_series", {"match[]": matches, **window}, "POST"):
            assert (status, text) == (204, ""), (status, text)


def compare(pair, now):
    """Over windows that hold all samples: 2.42 shows deleted ones to a query whose window begins within their chunk."""
    for query in ("requests[1h]", "other[1h]", "sum(count_over_time(requests[1h]))", "sum by (job)(rate(other[1h]))", "last_over_time({job=~'.+'}[1h])"):
        pair.same("/api/v1/query", {"query": query, "time": now})
    pair.same("/api/v1/query_range", {"query": "requests", "start": now - 1793, "end": now, "step": 15})
    pair.same("/api/v1/query_range", {"query": "other or requests", "start": now - 1793, "end": now, "step": 60})
    pair.same("/api/v1/series", {"match[]": '{job=~".+"}', "start": now - 3000, "end": now + 100})
    pair.same("/api/v1/labels", {"start": now - 3000, "end": now + 100})
    pair.same("/api/v1/label/job/values", {"start": now - 3000, "end": now + 100})


@test("delete_series: what is left, and what comes afterwards, is what Debian's Prometheus has; after a restart, too")
def like_prometheus():
    now = int(time.time())
    with Pair() as pair:
        for base in pair.bases:
            write(base, *[({"__name__": name, "job": job}, [(i + len(job), (now - 1800 + 15 * i) * 1000) for i in range(120)])
                          for name in ("requests", "other") for job in ("api", "web", "db")])
        compare(pair, now)
        pair.delete('requests{job="api"}', start=now - 900, end=now - 600)
        compare(pair, now)
        for back, value in ((905, ["59"]), (850, ["59"]), (620, ["59"]), (610, []), (600, []), (580, ["81"])):  # the last sample before is 915 s old
            answer = json.loads(ask(pair.bases[1], "/api/v1/query", {"query": 'requests{job="api"} - 3', "time": now - back})[1])
            assert [r["value"][1] for r in answer["data"]["result"]] == value, (back, answer)
        pair.delete('other{job=~"w.*"}')
        pair.delete('{job="db"}', "nothing_of_the_kind", end=now + 3600)
        compare(pair, now)
        # what is sent afterwards is seen, within the stretch that was asked for, too
        for base in pair.bases:
            write(base, ({"__name__": "requests", "job": "db"}, [(7, now * 1000)]), ({"__name__": "other", "job": "web"}, [(8, now * 1000)]))
        compare(pair, now)
        # and the sample that was deleted is refused or nothing new, as a repeat is
        answers = []
        for base in pair.bases:
            for value in (5, 122):
                try:
                    write(base, ({"__name__": "requests", "job": "api"}, [(value, (now - 15) * 1000)]))
                    answers.append(204)
                except urllib.error.HTTPError as error:
                    answers.append(error.code)
        assert answers[:2] == answers[2:], answers
        compare(pair, now)
        for step in ("clean", "restart"):
            if step == "clean":
                for status, text in pair.both("/api/v1/admin/tsdb/clean_tombstones", (), "PUT"):
                    assert (status, text) == (204, ""), (status, text)
                assert pair.server.metric("tocsin_tsdb_tombstones") == 0
            else:
                pair.server.kill()
                pair.server.start()
            for query in ("requests[1h]", "other[1h]"):
                pair.same("/api/v1/query", {"query": query, "time": now})


@test("delete_series: mistakes get Prometheus' answers; a snapshot is a store that starts")
def answers():
    now = int(time.time())
    with Pair() as pair:
        for base in pair.bases:
            write(base, ({"__name__": "x", "job": "a"}, [(i, (now - 600 + 15 * i) * 1000) for i in range(40)]))
        for parameters in ({}, {"match[]": "x{"}, {"match[]": "x", "start": "soon"}, {"match[]": "x", "end": "2024-"}, {"match[]": "sum(x)"}):
            (peer_status, peer), (status, text) = pair.both("/api/v1/admin/tsdb/delete_series", parameters, "POST")
            peer, text = json.loads(peer), json.loads(text)
            assert (peer_status, peer["status"], peer["errorType"]) == (status, text["status"], text["errorType"]), (parameters, peer, text)
        assert pair.same("/api/v1/query", {"query": "count_over_time(x[1h])", "time": now})["data"]["result"]
        pair.delete("x", start=now - 300)
        names = []
        for status, text in pair.both("/api/v1/admin/tsdb/snapshot", {"skip_head": "false"}, "POST"):
            answer = json.loads(text)
            assert status == 200 and answer["status"] == "success", answer
            names.append(answer["data"]["name"])
        assert len(names[0]) == len(names[1]), names
        assert [s for s, _ in pair.both("/api/v1/admin/tsdb/snapshot", {"skip_head": "perhaps"}, "POST")] == [400, 400]
        kept = os.path.join(pair.server.data, "metrics", "snapshots", names[1])
        with kit.temporary() as data:
            os.makedirs(os.path.join(data, "inside"))
            os.rename(kept, os.path.join(data, "inside", "metrics"))
            with Server(data=os.path.join(data, "inside"), config="metrics: {enabled: true}\n") as copy:
                got = ask(f"http://127.0.0.1:{copy.port}", "/api/v1/query", {"query": "x[1h]", "time": now})[1]
                there = ask(pair.bases[0], "/api/v1/query", {"query": "x[1h]", "time": now})[1]
                assert json.loads(got)["data"] == json.loads(there)["data"], (got, there)


@test("delete_series is off by default, needs an officer's token, and is an audit record without personal data")
def who_may():
    now = int(time.time())
    with Server(config="metrics: {enabled: true}\n") as server:
        base = f"http://127.0.0.1:{server.port}"
        status, text = ask(base, "/api/v1/admin/tsdb/delete_series", {"match[]": "x"}, "POST", OFFICER)
        assert status == 500 and json.loads(text)["error"] == "admin APIs disabled", text
        assert json.loads(ask(base, "/api/v1/features")[1])["data"]["api"]["admin"] is False
    with Server(config="metrics: {enabled: true, admin_api: true}\n") as server:
        status, text, _ = server.request("POST", "/api/v1/admin/tsdb/delete_series?match[]=x")
        assert status == 403 and "privacy officers" in text, (status, text)
    with own() as server:
        base = f"http://127.0.0.1:{server.port}"
        assert json.loads(ask(base, "/api/v1/features")[1])["data"]["api"]["admin"] is True
        write(base, ({"__name__": "x", "user": "7"}, [(1, now * 1000)]))
        for headers in ({}, {"Authorization": "Bearer something-else-altogether"}):
            assert ask(base, "/api/v1/admin/tsdb/delete_series", {"match[]": "x"}, "POST", headers)[0] == 401
        assert len(json.loads(ask(base, "/api/v1/query", {"query": "x"})[1])["data"]["result"]) == 1
        assert ask(base, "/api/v1/admin/tsdb/delete_series", {"match[]": ['x{user="jane.doe@example.com"}', 'x{user="7"}']}, "POST", OFFICER)[0] == 204
        assert json.loads(ask(base, "/api/v1/query", {"query": "x"})[1])["data"]["result"] == []
        assert ask(base, "/api/v1/admin/tsdb/clean_tombstones", (), "POST", OFFICER)[0] == 204
        assert "user" not in json.loads(ask(base, "/api/v1/labels")[1])["data"]
        server.kill()
        server.start()
        assert json.loads(ask(base, "/api/v1/query", {"query": "x"})[1])["data"]["result"] == []
        journal = b"".join(open(path, "rb").read() for path in server.segments())
        assert b"metrics_delete_series" in journal and b"metrics_clean_tombstones" in journal and b"olga" in journal
        assert b"jane.doe" not in journal
        assert b'user=' in journal


kit.main()
