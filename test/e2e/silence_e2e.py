"""Silences, incidents and drills in a running server, by command line and API, through a kill."""
import json
import os
import threading

import kit
from channels_e2e import World, deliveries, event
from kit import Receiver, lines, test, tocsin, wait_for

kit.tests.clear()  # those of the file that the world comes from run there

CHANNEL = "channels: [{name: out, type: file, path: /dev/null}]\n"


def run(server, *args):
    return tocsin(*args, "--url", f"http://127.0.0.1:{server.port}", "--by", "alice")


def open_alerts(server):
    return {a["title"] + a["labels"].get("user_name", ""): a for a in server.alerts()}


@test("Y-02 a silence: preview, no message, through a kill; what fires still is told when it ends; refusals")
def silence():
    with World() as world, world.server(CHANNEL) as server:
        server.send(event("P1", "bob"))
        wait_for("the alert", server.alerts)
        match = 'rule_id="00000000-0000-0000-0000-000000000001"'
        code, out, err = run(server, "silence", "add", match, "--until", "1h")
        assert code == 2 and "why it is silent" in err, err
        code, out, err = run(server, "silence", "add", 'user_name=~".*"', "--until", "1h", "--note", "x")
        assert code == 2 and "every alert" in err, err
        code, out, err = tocsin("silence", "preview", match, "--url", f"http://127.0.0.1:{server.port}")
        assert code == 0 and json.loads(out) == {"now": 1, "last_week": 1, "every_alert": False, "looked_at": 1}, (out, err)
        code, out, err = run(server, "silence", "add", match, "--until", "1h", "--note", "a test of ours")
        assert code == 0 and json.loads(out)["number"] == 1 and json.loads(out)["by"] == "alice", (out, err)
        server.send(event("P1", "eve"), event("P2", "eve"))
        eve = wait_for("both", lambda: open_alerts(server) if len(server.alerts()) == 3 else None)["RULE_P1eve"]
        assert [h["what"] for h in eve["history"]] == ["created", "silenced"] and deliveries(server, eve["id"]) == []
        assert len(deliveries(server, open_alerts(server)["RULE_P2eve"]["id"])) == 1
        def shown(query):
            return sorted((a["status"]["state"], a["status"]["silencedBy"]) for a in json.loads(server.get("/api/v2/alerts" + query)[1]))
        # bob was told before; the silence hides him since, too
        assert shown("") == [("active", []), ("suppressed", ["1"]), ("suppressed", ["1"])], shown("")
        assert shown("?silenced=false") == [("active", [])] and [s for s, _ in shown("?active=false")] == ["suppressed"] * 2
        server.kill()
        server.start()
        assert [s["state"] for s in json.loads(server.get("/v1/silences")[1])] == ["active"]
        assert deliveries(server, eve["id"]) == []
        assert run(server, "silence", "end", "1")[0] == 0
        wait_for("it is told", lambda: [d["key"] for d in deliveries(server, eve["id"])] == [f"{eve['id']}-reminder-1:out"])
        assert json.loads(server.get("/v1/silences")[1])[0]["state"] == "ended"
        assert run(server, "silence", "end", "1")[0] == 2
        code, out, _ = run(server, "silence", "add", match, "--until", "2s", "--note", "a short one")
        assert code == 0
        wait_for("told when its time ends", lambda: len(deliveries(server, eve["id"])) == 2)
        status, text, _ = server.post(f"/v1/alerts/{eve['id']}/ack", "{}")
        assert status == 200, text


@test("F-22 an incident: opened, linked, walked through its phases, through a kill, closed, exported")
def incident():
    with World() as world, world.server(CHANNEL) as server:
        server.send(event("P1"))
        (alert,) = wait_for("the alert", server.alerts)
        code, out, err = run(server, "incident", "open", "--what", "a stolen key", "--to", "bob")
        assert code == 0 and json.loads(out)["number"] == 1, (out, err)
        assert run(server, "incident", "link", "1", "--what", alert["id"][:8])[0] == 0
        code, _, err = run(server, "incident", "phase", "1", "--what", "recovery")
        assert code == 2 and "after detection comes assessment" in err, err
        for phase in ("assessment", "containment", "recovery", "lessons"):
            assert run(server, "incident", "phase", "1", "--what", phase)[0] == 0, phase
        server.kill()
        server.start()
        (one,) = json.loads(server.get("/v1/incidents")[1])
        assert one["phase"] == "lessons" and one["alerts"] == [alert["id"]] and one["commander"] == "bob", one
        assert run(server, "incident", "close", "1", "--note", "rotate keys monthly")[0] == 0
        code, out, _ = tocsin("incident", "export", "1", "--url", f"http://127.0.0.1:{server.port}")
        assert code == 0 and out.startswith("# Incident 1: a stolen key\n") and "rotate keys monthly" in out and alert["id"] in out, out
        assert server.get("/v1/incidents/7")[0] == 404 and server.post("/v1/incidents/1/burn", "{}")[0] == 404


@test("F-22 an incident is told: to its commander's own mailbox and the channels of P1, through a kill once each; no pager, no page of an alert")
def incident_told():
    with World() as world, Receiver() as pager, Receiver() as slack:
        team = os.path.join(world.directory.name, "oncall.yml")
        with open(team, "w", encoding="utf-8") as file:
            file.write("people:\n  bob: {contacts: [{channel: mail, address: bob@example.com}]}\n")
        config = "channels:\n" + world.email_channel(to="soc@example.com") + "  - {name: slack, type: slack, url: env:SLACK}\n" \
            "  - {name: pager, type: pagerduty, url: env:PAGER, routing_key: env:KEY}\n" + f"routing: {{P1: [slack, pager], P2: []}}\noncall: {team}\n"
        with world.server(config, {"SLACK": slack.url, "PAGER": pager.url, "KEY": "k"}) as server:
            assert run(server, "incident", "open", "--what", "a stolen key", "--to", "bob")[0] == 0
            wait_for("the mail", lambda: len(world.mail.mails) == 1 and len(slack.bodies()) == 1)
            mail, text = world.mail.parsed()[0], slack.bodies()[0]
            assert mail["To"] == "bob@example.com" and "Incident 1 opened, commander bob: a stolen key" in mail["Subject"], mail.as_string()
            assert text["text"] == "<!channel> Incident" and text["attachments"][0]["title"] == "INCIDENT", text
            server.kill()
            server.start()
            assert run(server, "incident", "phase", "1", "--what", "assessment")[0] == 0
            assert run(server, "incident", "note", "1", "--note", "nothing that is told")[0] == 0
            assert run(server, "incident", "command", "1", "--to", "carol")[0] == 0
            wait_for("the phase and the new commander", lambda: len(slack.bodies()) == 3)
            texts = [b["attachments"][0]["text"] for b in slack.bodies()]
            assert texts[1:] == ["Incident 1 goes on to assessment: a stolen key", "Incident 1 is commanded by carol: a stolen key"], texts
            wait_for("all receipts", lambda: server.metric("tocsin_notifications_sent_total") == 3)
            assert len(world.mail.mails) == 2 and not pager.bodies()


@test("I-02 a drill: the real way, marked; the latency of each channel, the acknowledgement; a channel that is down is exit code 1")
def drill():
    with World() as world:
        config = "channels:\n" + world.email_channel() + f"  - {{name: out, type: file, path: {world.directory.name}/out}}\n" \
            "  - {name: hook, type: webhook, url: env:HOOK}\nrouting: {P1: [mail, out], P2: [out, hook]}\n"
        with world.server(config, {"HOOK": "http://127.0.0.1:9/"}) as server:
            result = []
            drilling = threading.Thread(target=lambda: result.append(run(server, "drill", "--ack", "--format", "json", "--wait", "20s")))
            drilling.start()
            alert = wait_for("the drill", lambda: [a for a in server.alerts() if a["title"] == "DRILL"])[0]
            wait_for("the mail", lambda: world.mail.parsed())
            assert "DRILL" in world.mail.parsed()[0]["Subject"], world.mail.parsed()[0]["Subject"]
            assert server.post(f"/v1/alerts/{alert['id']}/ack", '{"by":"anna"}')[0] == 200
            drilling.join(20)
            code, out, err = result[0]
            rows = {row["channel"]: row for row in lines(out)}
            assert code == 0 and set(rows) == {"mail", "out", "(acknowledgement)"}, (out, err)
            assert all(0 <= row["seconds"] < 20 for row in rows.values()), rows
            assert json.loads(server.get(f"/v1/alerts/{alert['id']}")[1])["state"] == "resolved"
            code, out, err = run(server, "drill", "--priority", "P2", "--wait", "2s", "--format", "json")
            rows = {row["channel"]: row for row in lines(out)}
            assert code == 1 and rows["out"]["status"] == "sent" and rows["hook"]["status"] == "pending" and rows["hook"]["seconds"] is None, (out, err)
            code, _, err = run(server, "drill", "--priority", "P7")
            assert code == 2 and "P1 to P4" in err, err


if __name__ == "__main__":
    kit.main()
