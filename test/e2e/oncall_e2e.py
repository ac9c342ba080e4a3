"""On-call and escalation in a running server: who is asked, overrides through a kill, calendars in and out, gaps, a ladder that ends in a
person's mailbox, reload."""
import http.server
import json
import os
import signal
import threading

import kit
from channels_e2e import World, event
from kit import Server, lines, now, temporary, test, tocsin, wait_for

kit.tests.clear()  # those of the file that the world comes from run there

TEAM = """people:
  anna: {name: Anna Berg, contacts: [{channel: mail, address: anna@example.com}]}
  ben: {contacts: [{channel: mail, address: ben@example.com}]}
schedules:
  security:
    timezone: Europe/Berlin
    layers: [{people: [anna, ben], start: 2026-01-05T09:00, every: 1w}]
  "the lead, EU/US":
    timezone: UTC
    layers: [{people: [ben], start: 2026-01-05T09:00, every: 1w}]
roles:
  lead: [{schedule: security}]
"""


class Calendar:
    """A web server with one calendar; `up` False: it refuses."""

    def __init__(self, text):
        self.up = True
        calendar = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = text.encode() if calendar.up else b""
                self.send_response(200 if calendar.up else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/secret-address.ics"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def oncall(server, *args):
    return tocsin("oncall", *args, "--url", f"http://127.0.0.1:{server.port}")


def who(server, at):
    code, out, err = oncall(server, "who", "--at", at, "--format", "json")
    assert code == 0, err
    return lines(out)[0]["person"]


@test("D-18 oncall who across a hand-over and both changes of the clocks, an override through a kill, a calendar out, reload")
def schedules():
    with temporary() as directory:
        path = write(directory, "oncall.yml", TEAM)
        config = f"channels: [{{name: mail, type: file, path: {directory}/mail}}]\noncall: {path}\n"
        with Server(config=config) as server:
            for at, person in (("2026-03-30T06:59:59Z", "ben"), ("2026-03-30T07:00:00Z", "anna"), ("2026-10-26T07:59:59Z", "ben"),
                               ("2026-10-26T08:00:00Z", "anna")):
                assert who(server, at) == person, at
                code, out, err = tocsin("oncall", "who", "--at", at, "--file", path, "--format", "json")
                assert code == 0 and lines(out)[0]["person"] == person, (out, err)
            code, out, err = oncall(server, "override", "--schedule", "security", "--to", "zoe", "--until", "1h")
            assert code == 2 and "zoe" in err, err
            code, out, err = oncall(server, "override", "--schedule", "security", "--to", "ben", "--from", "2099-01-05T10:00:00Z", "--until", "2h")
            assert code == 0 and json.loads(out)["number"] == 1, (out, err)
            code, out, err = oncall(server, "who", "--schedule", "the lead, EU/US", "--format", "json")
            assert code == 0 and lines(out)[0]["person"] == "ben", (out, err)
            before = who(server, "2099-01-05T09:00:00Z")
            assert who(server, "2099-01-05T11:00:00Z") == "ben"
            server.kill()
            server.start()
            assert who(server, "2099-01-05T11:00:00Z") == "ben" and who(server, "2099-01-05T12:00:00Z") == before
            status, text, headers = server.get("/v1/oncall/security.ics?from=2026-03-20T00:00:00Z&to=2026-04-20T00:00:00Z")
            assert status == 200 and headers["Content-Type"].startswith("text/calendar"), (status, headers)
            assert "SUMMARY:Anna Berg\r\n" in text and "DTSTART:20260330T070000Z\r\n" in text, text
            assert oncall(server, "ical", "--schedule", "security", "--from", "2026-03-20T00:00:00Z", "--until", "2026-04-20T00:00:00Z")[1].count("BEGIN:VEVENT") \
                == text.count("BEGIN:VEVENT") == 5
            assert server.get("/v1/oncall/nobody.ics")[0] == 404 and server.get("/v1/oncall?at=soon")[0] == 400
            assert server.get("/v1/oncall?from=2026-01-01T00:00:00Z&to=2028-01-01T00:00:00Z")[0] == 400
            code, _, err = oncall(server, "remove", "--schedule", "security", "--number", "2")
            assert code == 2 and "no override" in err, err
            assert oncall(server, "remove", "--schedule", "security", "--number", "1")[0] == 0
            assert json.loads(server.get("/v1/overrides")[1]) == []
            write(directory, "oncall.yml", TEAM.replace("[anna, ben]", "[ben, anna]"))
            assert server.post("/v1/reload", "")[0] == 200
            assert who(server, "2026-03-30T07:00:00Z") == "ben"
            write(directory, "oncall.yml", TEAM.replace("every: 1w", "every: 1m"))
            status, text, _ = server.post("/v1/reload", "")
            assert status == 400 and "oncall.yml:7:" in text and "an hour" in text, text
            assert who(server, "2026-03-30T07:00:00Z") == "ben"


@test("D-18 a calendar comes in from a URL; while its server refuses, the copy of the last time stands; its address is in no message")
def calendar():
    shifts = ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20260105T080000Z\r\nDTEND:20260106T080000Z\r\nSUMMARY:Anna Berg\r\n"
              "RRULE:FREQ=DAILY;INTERVAL=2\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
    with temporary() as directory:
        source = Calendar(shifts)
        path = write(directory, "oncall.yml", f"people: {{anna: {{name: Anna Berg}}}}\nschedules: {{s: {{timezone: UTC, ical: '{source.url}'}}}}\n")
        config = f"channels: [{{name: out, type: file, path: /dev/null}}]\noncall: {path}\n"
        with Server(config=config) as server:
            assert who(server, "2026-02-04T12:00:00Z") == "anna" and who(server, "2026-02-05T12:00:00Z") == ""
            source.up = False
            server.stop()
            server.start()
            assert who(server, "2026-02-04T12:00:00Z") == "anna"
            assert "copy of the last time" in server.output() and "secret-address" not in server.output()
        code, _, err = tocsin("check", "--config", write(directory, "t.yml", config + f"data: {directory}/none\n"))
        assert code == 2 and "fetched" in err and "secret-address" not in err, err
        source.server.shutdown()


@test("D-18 check warns of hours without anybody, and refuses what is not there, with its place")
def gaps():
    with temporary() as directory:
        path = write(directory, "oncall.yml", TEAM.replace("every: 1w", "every: 1w, restrict: [{days: mon-fri}]"))
        config = write(directory, "t.yml", f"channels: [{{name: mail, type: file, path: /dev/null}}]\noncall: {path}\n")
        code, _, err = tocsin("check", "--config", config)
        assert code == 0 and err.count("schedule security has nobody from") in (4, 5), err
        assert tocsin("check", "--config", config, "--strict")[0] == 1
        write(directory, "oncall.yml", TEAM.replace("channel: mail", "channel: post"))
        code, _, err = tocsin("check", "--config", config)
        assert code == 2 and "oncall.yml:2" in err and '"post"' in err, err


@test("explain alert: who was told and why, who was not, and when the next step tells whom; after the acknowledgement nobody")
def explained():
    with World() as world:
        config = f"channels: [{{name: out, type: file, path: {world.directory.name}/out}}, {{name: quiet, type: file, path: {world.directory.name}/quiet}}," \
            f" {{name: mail, type: file, path: {world.directory.name}/mail}}]\nrouting: {{P1: [out]}}\n"
        policy = "policies: {slow: {steps: [{after: 30m, tell: [{role: lead}]}]}}\nescalate: {P1: slow}\n"
        with world.server(config + f"oncall: {write(world.directory.name, 'oncall.yml', TEAM + policy)}\n") as server:
            server.send(event("P1"))
            (alert,) = wait_for("the alert", server.alerts)

            def explain():
                code, out, err = tocsin("explain", "alert", alert["id"], "--url", f"http://127.0.0.1:{server.port}")
                assert code == 0, err
                return out
            out = explain()
            assert "out is told: routing names it for P1" in out and "quiet is not told: routing does not name it for P1" in out, out
            due = alert["escalation"]["next_at"]
            assert f"by policy slow; 0 steps were told; step 1 is due at {due} and tells mail to" in out and "(lead)" in out, out
            assert "told again at 10" in out and "no silence hides it" in out and "alertname=RULE_P1" in out, out
            assert server.post(f"/v1/alerts/{alert['id']}/ack", "{}")[0] == 200
            assert "it has stopped" in explain() and "somebody investigates" in explain()
            assert server.get("/v1/alerts/ffffffffffffffffffffffffffffffff/explain")[0] == 404
            assert tocsin("explain", "alert", "xyz")[0] == 2


@test("D-10 D-11 D-12 X-21 a ladder in the server: a person's mailbox, the words, no address in the journal; policy show and export")
def ladder():
    code, out, _ = tocsin("policy", "show", "pagerduty")
    assert code == 0 and [line.split()[0] for line in out.splitlines() if "role" in line] == ["15m", "30m", "1h"], out
    code, out, _ = tocsin("policy", "export")
    with temporary() as directory:
        roles = "".join(f"  {role}: []\n" for role in ("executives", "manager", "security_team", "security_oncall", "full_team", "security_officer", "cto", "ceo"))
        assert tocsin("policy", "show", "doc3", "--file", write(directory, "p.yml", out + "roles:\n" + roles))[0] == 0
    with World() as world:
        config = "channels:\n" + world.email_channel() + "  - {name: out, type: file, path: /dev/null}\nrouting: {P1: [out], P2: [out]}\n"
        policy = "policies: {quick: {steps: [{after: 1s, tell: [{role: lead}]}, {after: 2s, tell: [{person: ben}]}]}}\nescalate: {P1: quick, P2: quick}\n"
        with world.server(config + f"oncall: {write(world.directory.name, 'oncall.yml', TEAM + policy)}\n") as server:
            lead = who(server, now())
            server.send(event("P2"))
            first = wait_for("the first step", world.mail.parsed)[0]
            assert first["To"] == f"{lead}@example.com" and "P2 alert not acknowledged after 1 s: RULE_P2" in first["Subject"], first.as_string()
            server.kill()
            server.start()
            second = wait_for("the second step", lambda: [m for m in world.mail.parsed() if "after 2 s" in m["Subject"]])[0]
            assert second["To"] == "ben@example.com", second.as_string()
            (alert,) = server.alerts()
            assert [h["what"] for h in alert["history"]] == ["created", "escalated", "escalated"], alert["history"]
            keys = [d["key"] for d in json.loads(server.get(f"/v1/alerts/{alert['id']}/deliveries")[1])]
            assert f"{alert['id']}-escalated-2:mail/ben" in keys, keys
            raw = "".join(json.dumps(e) for e in server.query("--format", "json"))
            assert "ben@example.com" not in raw
            server.send(event("P1"))
            alert = wait_for("an alert", lambda: [a for a in server.alerts() if a["severity"] == "P1"])[0]
            assert server.post(f"/v1/alerts/{alert['id']}/ack", "{}")[0] == 200
            server.process.send_signal(signal.SIGHUP)
            wait_for("the reload", lambda: "rules in force" in server.output())
            assert "escalated" not in [h["what"] for h in json.loads(server.get(f"/v1/alerts/{alert['id']}")[1])["history"]]


@test("L-05 heartbeats of others: a job that falls silent past its grace is an alert, and its next beat resolves it, through a kill")
def heartbeats():
    with temporary() as directory:
        config = f"channels: [{{name: out, type: file, path: {directory}/out}}]\nheartbeats: [{{name: backup, interval: 1s, grace: 1s}}]\n" \
            "sources: [{name: cron, token: env:TOKEN}]\n"
        token = {"Authorization": "Bearer a-token-that-is-long"}
        with Server(config=config, env={"TOKEN": "a-token-that-is-long"}) as server:
            for bad in ("night job", "x" * 65):  # which no job could call
                code, _, err = tocsin("check", "--config", write(directory, "bad.yml", f"data: {directory}\nheartbeats: [{{name: {bad}, interval: 1s}}]\n"))
                assert code == 2 and "bad.yml:2:" in err and "1 to 64" in err, err
            beat = lambda name, headers: server.request("POST", f"/v1/heartbeats/{name}", headers=headers)[0]
            assert beat("backup", {}) == 401 and beat("no%20name", token) == 400
            assert beat("backup", token) == 200 and beat("another", token) == 200
            server.kill()
            server.start()
            (alert,) = wait_for("the alert", server.alerts)
            assert alert["title"] == "SOURCE_SILENT" and alert["labels"]["tocsin_source"] == "heartbeat:backup", alert
            assert beat("backup", token) == 200
            wait_for("resolved", lambda: json.loads(server.get(f"/v1/alerts/{alert['id']}")[1])["state"] == "resolved")


if __name__ == "__main__":
    kit.main()
