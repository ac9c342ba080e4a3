"""Prometheus' rules in the running server: recording, alerts as alerts, what a restart, a kill and a reload leave of them."""
import json
import os
import signal
import time
import urllib.parse

import kit
from kit import Receiver, Server, test, tocsin, wait_for
from remote_write import PROTOBUF, write_request

CONFIG = """
metrics:
  enabled: true
  evaluation_interval: 200ms
  external_labels: {{cluster: eu}}
  rule_files: ["{place}/*.yml"]
channels:
  - {{name: hook, type: webhook, reveal: all, url: env:HOOK}}
  - {{name: pager, type: webhook, reveal: all, url: env:PAGER, min_severity: P1}}
"""

RULES = """
groups:
  - name: queues
    rules:
      - {record: 'queue:age:max', expr: max by (queue) (sqs_age)}
      - alert: QueueAge
        expr: queue:age:max > 30
        labels: {severity: warning, team: platform}
        annotations:
          summary: 'Queue {{ $labels.queue }} is {{ $value }} s behind'
          description: Messages wait.
          runbook_url: https://runbooks.example/queue-age
"""


def api(server, path, **parameters):
    status, body, _ = server.get(f"/api/v1/{path}?" + urllib.parse.urlencode(parameters, doseq=True))
    return status, json.loads(body)


class Place:
    """A folder of rule files, a receiver, and a server that has both."""

    def __init__(self, **files):
        self.folder = kit.temporary()
        self.receiver, self.pager = Receiver(), Receiver()
        self.write(**files)
        self.server = Server(config=CONFIG.format(place=self.folder.name),
                             env={"HOOK": self.receiver.url, "PAGER": self.pager.url})

    def write(self, **files):
        for name, text in files.items():
            with open(os.path.join(self.folder.name, name.replace("__", ".") + ".yml"), "w", encoding="utf-8") as file:
                file.write(text)

    def push(self, **values):
        """One sample of now for each series; `name__label` is name{queue="label"}."""
        now = int(time.time() * 1000)
        series = [({"__name__": n.split("__")[0], **({"queue": n.split("__")[1]} if "__" in n else {})}, [(v, now)])
                  for n, v in values.items()]
        status, answer, _ = self.server.post("/api/v1/write", write_request(*series), PROTOBUF)
        assert status == 204, (status, answer)

    def told(self):
        return [(b["alerts"][0]["status"], b["alerts"][0]["labels"]["alertname"]) for b in self.receiver.bodies()]

    def value(self, query):
        result = api(self.server, "query", query=query)[1]["data"]["result"]
        return [r["value"][1] for r in result]

    def __enter__(self):
        self.receiver.__enter__()
        self.pager.__enter__()
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()
        self.receiver.__exit__()
        self.pager.__exit__()
        self.folder.cleanup()


@test("C-112 a rule file records and alerts: the alert is told once, with its words, and ends when its rule does")
def records_and_alerts():
    with Place(queues=RULES) as place:
        server = place.server
        place.push(sqs_age__orders=45, sqs_age__mail=3)
        alert = wait_for("an alert", lambda: server.alerts() or None)[0]
        assert alert["title"] == "QueueAge" and alert["severity"] == "P3", alert
        assert alert["labels"] == {"alertname": "QueueAge", "queue": "orders", "severity": "warning", "team": "platform",
                                   "cluster": "eu"}, alert["labels"]
        assert alert["message"] == "Queue orders is 45 s behind" and alert["description"] == "Messages wait.", alert
        assert alert["runbook"] == "https://runbooks.example/queue-age" and alert["owner"] == "platform", alert
        assert place.value('queue:age:max{queue="orders"}') == ["45"]
        wait_for("ALERTS", lambda: place.value('ALERTS{alertname="QueueAge",alertstate="firing"}') == ["1"])
        evaluations = server.metric("tocsin_metric_rule_group_evaluations_total")
        wait_for("further evaluations", lambda: server.metric("tocsin_metric_rule_group_evaluations_total") > evaluations + 3)
        assert server.alerts()[0]["count"] == 1 and server.metric("tocsin_metric_rule_records_total") == 1
        place.push(sqs_age__orders=5)
        wait_for("its end", lambda: not server.alerts())
        ended = server.alerts("ended")[0]
        assert ended["id"] == alert["id"] and ended["state"] == "resolved", ended
        assert "its rule says that it ended" in json.dumps(ended["history"]), ended
        assert place.value('ALERTS{alertname="QueueAge"}') == []
        wait_for("both told", lambda: len(place.receiver.bodies()) == 2)
        assert place.told() == [("firing", "QueueAge"), ("resolved", "QueueAge")], place.told()
        assert server.metric("tocsin_metric_rule_records_total") == 2
        kept = [r for r in server.query("--all", "--format", "json") if r["type"] == "metric"]
        assert len(kept) == 2 and all(r["source"] == "self" for r in kept), kept


@test("D-08 C-112 kill -9 while an alert fires: nothing is told twice, its end is seen after the restart")
def kill_while_firing():
    with Place(queues=RULES) as place:
        server = place.server
        place.push(sqs_age__orders=45)
        first = wait_for("an alert", lambda: server.alerts() or None)[0]
        wait_for("told", lambda: len(place.receiver.bodies()) == 1)
        wait_for("its receipt: without it a kill has it sent again, under the same key", lambda: server.metric("tocsin_notifications_sent_total") == 1)
        for _ in range(3):
            server.kill()
            server.start()
            wait_for("evaluations", lambda: server.metric("tocsin_metric_rule_group_evaluations_total") >= 4)
        assert [a["id"] for a in server.alerts()] == [first["id"]]
        server.kill()
        server.start()
        place.push(sqs_age__orders=1)
        wait_for("its end", lambda: not server.alerts())
        wait_for("its end told", lambda: len(place.receiver.bodies()) == 2)
        assert len(server.alerts("ended")) == 1


@test("a rule that is gone ends its alerts and its series; what is unchanged goes on; a bad file changes nothing")
def reload():
    other = RULES.replace("queues", "others").replace("QueueAge", "OtherAge").replace("queue:age:max", "other:age:max")
    with Place(queues=RULES, others=other) as place:
        server = place.server
        place.push(sqs_age__orders=45)
        wait_for("both alerts", lambda: len(server.alerts()) == 2)
        place.write(others="groups:\n  - name: others\n    rules:\n      - {alert: A, expr: 'rate(x'}\n")
        status, body, _ = server.post("/-/reload", b"")
        assert status == 400 and 'others.yml:4' in body and "could not parse expression" in body, (status, body)
        assert len(server.alerts()) == 2
        os.unlink(os.path.join(place.folder.name, "others.yml"))
        server.process.send_signal(signal.SIGHUP)
        wait_for("the other's end", lambda: [a["title"] for a in server.alerts()] == ["QueueAge"])
        wait_for("stale series", lambda: place.value("other:age:max") == [])
        assert place.value("queue:age:max") == ["45"]
        assert [a["count"] for a in server.alerts()] == [1]
        status, body, _ = server.post("/v1/reload", b"")
        assert status == 200 and json.loads(body)["metric_rules"] == 2 and json.loads(body)["restart_needed"] == [], body


@test("D-13 C-26 levels of one alert: a raise is told and routed anew, a fall is not")
def levels():
    rules = """
groups:
  - name: redis
    rules:
      - {alert: RedisMemory, expr: redis_memory_mb > 80, labels: {severity: warning}, annotations: {summary: 'at {{ $value }} MB'}}
"""
    side = """
alerts:
  - alert: RedisMemory
    severity:
      - {is: critical, when: redis_memory_mb > 95}
"""
    with Place(redis=rules, redis__tocsin=side) as place:
        server = place.server
        place.push(redis_memory_mb=81)
        alert = wait_for("a warning", lambda: server.alerts() or None)[0]
        assert alert["severity"] == "P3", alert
        place.push(redis_memory_mb=96)
        wait_for("a raise", lambda: server.alerts()[0]["severity"] == "P1")
        wait_for("two told", lambda: len(place.receiver.bodies()) == 2)
        place.push(redis_memory_mb=85)
        wait_for("a fall", lambda: server.alerts()[0]["severity"] == "P3")
        place.push(redis_memory_mb=99)
        wait_for("the raise again", lambda: server.alerts()[0]["severity"] == "P1")
        place.push(redis_memory_mb=85)
        wait_for("a fall", lambda: server.alerts()[0]["severity"] == "P3")
        place.push(redis_memory_mb=10)
        wait_for("its end", lambda: not server.alerts())
        wait_for("three told", lambda: len(place.receiver.bodies()) == 3)
        assert len(server.alerts("ended")) == 1 and server.alerts("ended")[0]["id"] == alert["id"]
        assert [status for status, _ in place.told()] == ["firing", "firing", "resolved"], place.told()
        wait_for("the end told to whom the raise was", lambda: len(place.pager.bodies()) == 2)
        assert [b["alerts"][0]["status"] for b in place.pager.bodies()] == ["firing", "resolved"], place.pager.bodies()
        assert "at 96 MB" in json.dumps(place.receiver.bodies()[1]), place.receiver.bodies()[1]


@test("check --config says what is wrong with the rule files that it names")
def check():
    with Place(queues=RULES) as place:
        config = os.path.join(place.folder.name, "tocsin.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("metrics:\n  enabled: true\n  rule_files: ['" + place.folder.name + "/*.yml']\n")
        code, out, err = tocsin("check", "--config", config)
        assert code == 0 and "SUCCESS: 2 rules found" in out, (code, out, err)
        place.write(bad="groups: [{name: a, rules: [{alert: A, expr: 'up ==='}]}]\n")
        code, out, err = tocsin("check", "--config", config)
        assert code == 2 and "bad.yml:1:" in err, (code, out, err)
        with open(config, "w", encoding="utf-8") as file:
            file.write("metrics:\n  enabled: true\n  rule_files: [" + place.folder.name + "/none.yml]\n")
        code, out, err = tocsin("check", "--config", config)
        assert code == 2 and "does not point to an existing file" in err, (code, out, err)


kit.main()
