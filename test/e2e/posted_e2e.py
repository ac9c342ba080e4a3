"""Alerts that others post, as they post them to PagerDuty, to Opsgenie, and by Alertmanager's webhook; and ourselves as such a sender."""
import json

import kit
from kit import Receiver, now, temporary, test, tocsin, wait_for
from world import World, event

TOKENS = "sources:\n  - {name: grafana, token: env:GRAFANA}\n  - {name: zabbix, token: env:ZABBIX}\n"
ENV = {"GRAFANA": "grafana-0123456789abcdef", "ZABBIX": "zabbix-0123456789abcdef"}


def page(action="trigger", key="disk-7", severity="critical", token="GRAFANA", **payload):
    body = {"routing_key": ENV.get(token, token), "event_action": action}
    if key is not None:
        body["dedup_key"] = key
    if action == "trigger":
        body["payload"] = {"summary": "Disk /var is full on db-7", "source": "db-7", "severity": severity, "component": "postgres",
                           "custom_details": {"free": "0 B", "password": "hunter2-is-secret"}, **payload}
        body["client_url"] = "https://grafana.example.com/d/1"
    return json.dumps(body)


def by_key(server, key, state="open"):
    return next((a for a in server.alerts(state) if a["labels"].get("dedup_key") == key), None)


@test("PagerDuty's Events v2 in: trigger, again, acknowledge, resolve by dedup_key; the source by its token; told through the channels; a restart knows it")
def pagerduty():
    with World() as world, Receiver() as hook, temporary() as folder:
        with open(f"{folder}/rules.yml", "w", encoding="utf-8") as file:
            file.write("groups: [{name: g, rules: [{alert: Never, expr: vector(1) > 2}]}]\n")
        config = (TOKENS + "channels:\n  - {name: hook, type: webhook, url: env:HOOK, reveal: all}\n"
                  f"metrics: {{enabled: true, evaluation_interval: 200ms, rule_files: ['{folder}/rules.yml']}}\n")
        with world.server(config, {**ENV, "HOOK": hook.url}) as server:
            status, text, _ = server.post("/v2/enqueue", page())
            assert status == 202 and json.loads(text) == {"status": "success", "message": "Event processed", "dedup_key": "disk-7"}, text
            alert = wait_for("the alert", lambda: by_key(server, "disk-7"))
            assert alert["severity"] == "P1" and alert["message"] == "Disk /var is full on db-7" and alert["title"] == "Disk /var is full on db-7", alert
            assert alert["rule_id"] == "posted:http:grafana" and alert["labels"]["source"] == "db-7" and alert["labels"]["component"] == "postgres", alert
            assert "hunter2" not in json.dumps(alert), "redacted before it is kept"
            (told,) = wait_for("the notification", hook.bodies)
            assert told["alerts"][0]["labels"]["alertname"] == alert["title"], told
            assert server.post("/v2/enqueue", page())[0] == 202
            assert server.post("/v2/enqueue", page(key="disk-7", token="ZABBIX", severity="warning"))[0] == 202
            wait_for("another source's key is another alert", lambda: len(server.alerts()) == 2)
            status, text, _ = server.post("/v2/enqueue", page(key=None, severity="info"))
            assert status == 202 and len(json.loads(text)["dedup_key"]) == 32, "what has no key gets one"
            wait_for("three", lambda: sorted(a["severity"] for a in server.alerts()) == ["P1", "P3", "P4"])
            server.kill()
            server.start()
            wait_for("rules on metrics were looked at: what they do not know they do not end",
                     lambda: server.metric("tocsin_metric_rule_group_evaluations_total") > 2)
            assert len(server.alerts()) == 3 and server.metric("tocsin_metric_rule_alerts") == 0
            assert server.post("/v2/enqueue", page("acknowledge"))[0] == 202
            wait_for("the acknowledgement", lambda: [a["rule_id"] for a in server.alerts() if a["state"] == "acknowledged"] == ["posted:http:grafana"])
            assert server.post("/v2/enqueue", page("resolve"))[0] == 202
            wait_for("its end", lambda: [a for a in server.alerts("ended") if a["rule_id"] == "posted:http:grafana"])
            assert len(server.alerts()) == 2, "the other source's is open"
            assert server.post("/v2/enqueue", page("resolve", "nobody's"))[0] == 202
            assert server.post("/v2/enqueue", page())[0] == 202
            wait_for("it begins anew", lambda: len(server.alerts()) == 3)
            for bad, said in ((page(token="wrong"), "routing_key"), (page("shout"), "event_action"), (page(severity="loud"), "severity"),
                              (page(summary=""), "summary"), (page("resolve", None), "dedup_key"), (page(key="x" * 256), "255"), ("{", "JSON")):
                status, text, _ = server.post("/v2/enqueue", bad)
                assert status == 400 and json.loads(text)["status"] == "invalid event" and said in json.loads(text)["errors"][0], (status, text)
            assert server.post("/v2/enqueue", page(summary="x" * (600 << 10)))[0] == 413
            assert server.post("/v2/enqueue", page(key="host of alice@example.com"))[0] == 202
            assert server.post("/v2/enqueue", page("acknowledge", "host of alice@example.com"))[0] == 202, "at once, and by a key that is redacted"
            wait_for("its acknowledgement", lambda: len([a for a in server.alerts() if a["state"] == "acknowledged"]) == 1)
            assert "alice@" not in json.dumps(server.alerts())
            assert server.post("/v2/enqueue", page(key="host of alice@example.com"))[0] == 202
            assert server.post("/v2/enqueue", page("acknowledge", "host of alice@example.com"))[0] == 202
            wait_for("a key that is redacted is acknowledged, too", lambda: len([a for a in server.alerts() if a["state"] == "acknowledged"]) == 1)
            assert "alice@" not in json.dumps(server.alerts())
            assert not any(secret in server.output() for secret in ENV.values())


@test("Opsgenie's alert API in: create, close and acknowledge by alias, its priorities and answers; a wrong key is 401, no message 422")
def opsgenie():
    with World() as world, world.server(TOKENS, ENV) as server:
        key = {"Authorization": f"GenieKey {ENV['GRAFANA']}"}

        def post(path, body, headers=None):
            status, text, _ = server.post(path, json.dumps(body), key if headers is None else headers)
            return status, json.loads(text)
        create = {"message": "CPU is hot", "alias": "cpu hot/1", "priority": "P2", "description": "90 % for 5 m", "source": "nagios", "entity": "web-1",
                  "details": {"region": "eu"}, "tags": ["a"]}
        status, answer = post("/v2/alerts", create)
        assert status == 202 and answer["result"] == "Request will be processed" and len(answer["requestId"]) == 36, answer
        alert = wait_for("the alert", lambda: by_key(server, "cpu hot/1"))
        assert (alert["severity"], alert["description"], alert["labels"]["entity"], alert["labels"]["region"]) == ("P2", "90 % for 5 m", "web-1", "eu"), alert
        assert post("/v2/alerts/cpu%20hot%2F1/acknowledge?identifierType=alias", {"user": "carol"})[0] == 202
        wait_for("the acknowledgement", lambda: by_key(server, "cpu hot/1")["acknowledged_by"] == "carol")
        assert post("/v2/alerts/cpu%20hot%2F1/close?identifierType=alias", {})[0] == 202
        wait_for("the end", lambda: by_key(server, "cpu hot/1", "ended"))
        assert post("/v2/alerts", {"alias": "x"})[0] == 422 and post("/v2/alerts/x/snooze", {})[0] == 404
        for wrong in ({}, {"Authorization": "GenieKey no"}, {"Authorization": f"Bearer {ENV['GRAFANA']}"}):
            assert post("/v2/alerts", create, wrong)[0] == 401, wrong
        assert server.metric("auth_invalid_token_total") == 3


@test("Alertmanager's webhook in: a group of alerts, each by its labels, firing and resolved; Tocsin's own webhook, too")
def alertmanager():
    with World() as world, world.server(TOKENS + "max_body_bytes: 4096\n", ENV) as server, temporary():
        bearer = {"Authorization": f"Bearer {ENV['ZABBIX']}"}

        def group(status, *names):
            return json.dumps({"version": "4", "groupKey": "{}", "status": status, "receiver": "tocsin", "alerts": [
                {"status": status, "labels": {"alertname": n, "severity": "critical", "instance": f"{n}:9100"}, "annotations": {"summary": f"{n} is down"},
                 "startsAt": now(), "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/graph"} for n in names]})
        assert server.post("/v1/alertmanager", group("firing", "A", "B"), bearer)[0] == 202
        wait_for("both", lambda: sorted((a["title"], a["severity"], a["message"]) for a in server.alerts()) == [("A", "P1", "A is down"), ("B", "P1", "B is down")])
        assert server.post("/v1/alertmanager", group("firing", "A", "B"), bearer)[0] == 202
        assert server.post("/v1/alertmanager", group("resolved", "A"), bearer)[0] == 202
        wait_for("the end of one", lambda: [a["title"] for a in server.alerts()] == ["B"])
        assert server.post("/v1/alertmanager", group("firing"), bearer)[0] == 400
        many = [f"C{i}" for i in range(40)]
        assert len(group("firing", *many)) > 8192, "max_body_bytes is of events and samples; this address has its own bound"
        assert server.post("/v1/alertmanager", group("firing", *many), bearer)[0] == 202
        assert server.post("/v1/alertmanager", group("resolved", *many), bearer)[0] == 202
        wait_for("all of them, and their end", lambda: [a["title"] for a in server.alerts()] == ["B"] and len(server.alerts("ended")) == 41)
        assert server.post("/v1/alertmanager", group("firing", "A").replace('"4"', '"3"'), bearer)[0] == 400
        assert server.post("/v1/alertmanager", group("firing", "A"), {})[0] == 401
        first = f"http://127.0.0.1:{server.port}/v1/alertmanager"
        config = "channels:\n  - {name: up, type: webhook, url: env:UP, bearer_token: env:ZABBIX, reveal: all}\n"
        with world.server(config, {**ENV, "UP": first}) as branch:
            branch.send(event("P2"))
            wait_for("one Tocsin's alert in another", lambda: "RULE_P2" in [a["title"] for a in server.alerts()])
            (alert,) = branch.alerts()
            tocsin("alerts", "resolve", alert["id"], "--url", f"http://127.0.0.1:{branch.port}")
            wait_for("its end there", lambda: "RULE_P2" in [a["title"] for a in server.alerts("ended")])


if __name__ == "__main__":
    kit.main()
