"""What keeps a running server quiet on purpose, through a kill: an alert that flaps, and one that waits for more before anybody is told."""
import json

import kit
from channels_e2e import World, deliveries, event
from kit import test, tocsin, wait_for

kit.tests.clear()  # those of the file that the world comes from run there

TOKEN = "damping-0123456789abcdef"


def post(server, action, severity="critical"):
    """An alert from outside begins, or ends, as its sender says."""
    body = {"routing_key": TOKEN, "event_action": action, "dedup_key": "disk-7",
            "payload": {"summary": "disk is full", "source": "db", "severity": severity}}
    assert server.post("/v2/enqueue", json.dumps(body))[0] == 202


def reasons(server, alert_id):
    return [d["key"].removeprefix(alert_id + "-").split(":")[0] for d in deliveries(server, alert_id)]


@test("Y-03 an alert that flaps is told once, stays one alert through a kill, and its end is told when it is stable")
def flapping():
    config = ("sources:\n  - {name: agent, token: env:AGENT}\nchannels: [{name: out, type: file, path: /dev/null}]\n"
              "alerts: {flapping: {count: 3, within: 1h, stable: 4s}}\n")
    with World() as world, world.server(config, {"AGENT": TOKEN}) as server:
        for ended in range(2):
            post(server, "trigger")
            wait_for("it begins", server.alerts)
            post(server, "resolve")
            wait_for("it ends", lambda n=ended: len(server.alerts("ended")) == n + 1)
        post(server, "trigger")
        (alert,) = wait_for("it flaps", lambda: [a for a in server.alerts() if a["flapping"]["since"]])
        post(server, "resolve")
        wait_for("its end is held back", lambda: server.alerts()[0]["flapping"]["over_since"])
        server.kill()
        server.start()
        post(server, "trigger")
        wait_for("it fires again", lambda: server.alerts()[0]["flapping"]["times"] == 4 and not server.alerts()[0]["flapping"]["over_since"])
        code, out, err = tocsin("explain", "alert", alert["id"], "--url", f"http://127.0.0.1:{server.port}")
        assert code == 0 and "it began 4 times: told once" in out, (out, err)
        post(server, "resolve")
        wait_for("it is stable", lambda: len(server.alerts("ended")) == 3)
        (ended,) = [a for a in server.alerts("ended") if a["id"] == alert["id"]]
        history = [h["what"] for h in json.loads(server.get(f"/v1/alerts/{alert['id']}")[1])["history"]]
        assert history == ["created", "flapping", "resolved"] and ended["flapping"]["since"] is None and ended["count"] == 2, (history, ended)
        assert reasons(server, alert["id"])[0] == "flapping-3" and len(server.alerts()) == 0, reasons(server, alert["id"])
        assert len([r for r in reasons(server, alert["id"]) if r.startswith(("new", "flapping"))]) == 1


@test("nobody is told until so many occurrences came; the alert is shown meanwhile, explain says why, a kill forgets none of them")
def waiting():
    config = "channels: [{name: out, type: file, path: %s/out}]\nalerts: {notify_after: {count: 3, within: 1h}}\n"
    with World() as world, world.server(config % world.directory.name) as server:
        server.send(event("P1"), event("P1"))
        (alert,) = wait_for("two of three", lambda: [a for a in server.alerts() if a["notify_after"]["come"] == 2])
        assert alert["notify_after"] == {"count": 3, "within_seconds": 3600, "come": 2} and alert["escalation"]["next_at"] is None, alert
        server.kill()
        server.start()
        code, out, err = tocsin("explain", "alert", alert["id"], "--url", f"http://127.0.0.1:{server.port}")
        assert code == 0 and "nobody was told yet: 2 of 3 occurrences" in out and "it begins when the alert is told" in out, (out, err)
        assert reasons(server, alert["id"]) == []
        server.send(event("P1"))
        wait_for("it is told", lambda: reasons(server, alert["id"]) == ["new"])
        (alert,) = server.alerts()
        assert alert["notify_after"]["count"] == 0 and alert["escalation"]["next_at"] is not None and alert["count"] == 3, alert
        assert tocsin("drill", "--url", f"http://127.0.0.1:{server.port}")[0] == 0, "a drill does not wait"


if __name__ == "__main__":
    kit.main()
