"""What people do about an alert, over the command line and the API, through restarts and a kill; the question to the user by mail."""
import json
import re

import kit
from channels_e2e import World, event
from kit import lines, test, tocsin, wait_for

kit.tests.clear()  # those of the file that the world comes from run there


def alerts(server, *args):
    return tocsin("alerts", *args, "--url", f"http://127.0.0.1:{server.port}", "--by", "alice")


def shown(server, alert_id):
    return json.loads(server.get(f"/v1/alerts/{alert_id}")[1])


@test("D-09 D-14 D-15 D-17 Y-16 the life of an alert from the command line, through a kill: steps, refusals, tasks, a reminder, the post-mortem")
def life():
    with World() as world, world.server("channels: [{name: out, type: file, path: /dev/null}]\n") as server:
        server.send(event("P1"))
        (alert,) = wait_for("an alert", server.alerts)
        i = alert["id"]
        assert alert["state"] == "firing" and alert["tasks"] == [] and alert["response"]["assessed_at"] is None
        code, _, err = alerts(server, "assess", i, "--impact", "high", "--urgency", "high")
        assert code == 2 and "acknowledge" in err, err
        for args in (("snooze", i, "--until", "1h"), ("ack", i), ("assess", i, "--impact", "high", "--urgency", "low"), ("respond", i),
                     ("assign", i, "--to", "bob"), ("task", i, "--what", "call them", "--until", "2s"),
                     ("task", i, "--what", "fix_in_next_sprint", "--to", "dev-team")):
            code, out, err = alerts(server, *args)
            assert code == 0, (args, err)
        server.kill()
        server.start()
        alert = shown(server, i)
        assert alert["state"] == "acknowledged" and alert["acknowledged_by"] == "alice" and alert["assigned"] == "bob", alert
        assert alert["response"]["impact"] == "high" and alert["response"]["responded_by"] == "alice", alert
        assert [t["owner"] for t in alert["tasks"]] == ["", "dev-team"], alert["tasks"]
        wait_for("the reminder", lambda: shown(server, i)["tasks"][0]["reminded_at"])
        key = wait_for("the row", lambda: [d["key"] for d in json.loads(server.get(f"/v1/alerts/{i}/deliveries")[1]) if "task_due" in d["key"]])
        assert key == [f"{i}-task_due-1:out"], key
        code, _, err = alerts(server, "close", i, "--disposition", "true_positive")
        assert code == 2 and "note" in err, err
        for args in (("done", i, "--what", "1"), ("resolve", i, "--note", "a stolen key"), ("document", i, "--note", "wiki/42")):
            assert alerts(server, *args)[0] == 0, args
        code, _, err = alerts(server, "ack", i)
        assert code == 2 and "can no longer be acknowledged" in err, err
        status, text, _ = server.post(f"/v1/alerts/{i}/task", json.dumps({"what": "x", "when": "y"}))
        assert status == 400 and "when" in text, text
        code, out, err = alerts(server, "export", i)
        assert code == 0 and out.startswith("# RULE\\_P1\n") and "a stolen key" in out and "- [x] call them" in out and "wiki/42" in out, out
        code, out, err = alerts(server, "show", i, "--format", "json")
        history = [h["what"] for h in lines(out)[0]["history"]]
        assert history == ["created", "snoozed", "acknowledged", "assessed", "responding", "assigned", "task", "task", "task_due", "task_done", "resolved",
                           "documented"], history


@test("D-16 a user is asked by mail: looking changes nothing, each answer works once, a forged link not at all")
def question():
    with World() as world:
        config = "channels:\n" + world.email_channel() + "  - {name: out, type: file, path: /dev/null}\nrouting: {P3: [out], P1: [out]}\n" \
            "alerts: {confirmation: {channel: mail}}\n"
        with world.server(config) as server:
            for user, answer, state, severity in (("bob", "yes", "resolved", "P3"), ("eve", "no", "firing", "P1")):
                server.send(event("P3", user))
                alert = wait_for("an alert", lambda: [a for a in server.alerts() if user in a["message"]])[0]
                mails = len(world.mail.mails)
                code, _, err = alerts(server, "confirm", alert["id"], "--to", f"{user}@example.com")
                assert code == 0, err
                mail = wait_for("the mail", lambda: world.mail.parsed()[mails:])[0]
                assert mail["To"] == f"{user}@example.com" and "Was that you?" in mail["Subject"], mail.as_string()
                link = re.search(r"http://[^/]+(/confirm/[0-9a-f]{32}/1-[0-9a-f]{32})", mail.get_body(("plain",)).get_content()).group(1)
                status, page, _ = server.get(link)
                assert status == 200 and "Yes, that was me" in page and alert["message"] not in page, page
                assert shown(server, alert["id"])["state"] == "pending_confirmation"
                forged = link[:-1] + ("0" if link[-1] != "0" else "1")
                form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
                assert server.request("POST", forged, body="answer=yes", headers=form)[0] == 404
                assert server.request("POST", link, body="answer=perhaps", headers=form)[0] == 400
                status, page, _ = server.request("POST", link, body=f"answer={answer}", headers=form)
                assert status == 200 and "Thank you" in page and alert["id"] not in page, page
                after = shown(server, alert["id"])
                assert (after["state"], after["severity"]) == (state, severity), after
                status, page, _ = server.request("POST", link, body="answer=yes", headers=form)
                assert status == 409 and "answered" in page, page
                raw = "".join(json.dumps(e) for e in server.query("--format", "json"))
                assert link.rsplit("-", 1)[1] not in raw


if __name__ == "__main__":
    kit.main()
