"""Slack's app and PagerDuty both ways: a message that changes in place, its thread, buttons; what is done there comes back, signed."""
import json

import kit
from kit import now, test, wait_for
from vendors import PagerDuty, Slack
from world import World, event

APP = ("  - {{name: soc, type: slack_app, api_url: '{url}', token: env:SLACK_TOKEN, signing_secret: env:SLACK_SECRET, people: {{U012: carol}}}}\n")
PATH = "/v1/callbacks/soc"


def app(slack):
    return APP.format(url=slack.url), {"SLACK_TOKEN": Slack.TOKEN, "SLACK_SECRET": Slack.SECRET}


@test("D-09 E-01 Y-07 Slack's app: one message per alert, changed in place, its history in the thread; a click acknowledges, a stranger's does not")
def slack_app():
    with World() as world, Slack() as slack:
        config, env = app(slack)
        with world.server("channels:\n" + config, env) as server:
            server.send(event("P1"))
            (alert,) = wait_for("an alert", server.alerts)
            (first,) = wait_for("the message", slack.taken)
            body = first.json()
            assert body["channel"] == "#security-incidents" and body["text"].startswith("<!channel> CRITICAL ALERT: RULE_P1"), body
            actions = {e["action_id"]: e for b in body["blocks"] if b["type"] == "actions" for e in b["elements"]}
            assert actions["tocsin_ack"]["value"] == alert["id"] and actions["tocsin_open"]["url"].endswith(f"/alerts/{alert['id']}"), actions
            wait_for("the receipt", lambda: server.metric("tocsin_notifications_sent_total") == 1)
            server.send(*[event("P1") for _ in range(9)])
            update, reply = wait_for("an update and a reply", lambda: len(slack.requests) == 3 and slack.requests[1:])
            assert update.path == "/api/chat.update" and update.json()["ts"] == reply.json()["thread_ts"] == "1503435956.000000", update.json()
            assert update.json()["channel"] == reply.json()["channel"] == Slack.CHANNEL and "(10 occurrences)" in reply.json()["text"]
            wait_for("the receipt", lambda: server.metric("tocsin_notifications_sent_total") == 2)
            # who may not
            assert slack.click(server, PATH, alert["id"], secret="wrong")[0] == 401
            assert slack.click(server, PATH, alert["id"], offset=-400)[0] == 401
            assert slack.click(server, PATH, alert["id"], offset=400)[0] == 401
            assert slack.click(server, PATH, alert["id"], user="U666")[0] == 200
            aside = wait_for("a word aside", lambda: [r for r in slack.requests if r.path == "/response"])[0].json()
            assert aside["response_type"] == "ephemeral" and "people: {U666: your name}" in aside["text"], aside
            assert server.alerts()[0]["state"] == "firing"
            # who may
            status, text = slack.click(server, PATH, alert["id"])
            assert status == 200 and json.loads(text) == {"result": "done"}, text
            assert server.alerts()[0]["acknowledged_by"] == "carol"
            update, reply = wait_for("the acknowledgement", lambda: len(slack.requests) == 6 and slack.requests[4:])
            want = f"Alert {alert['id']} acknowledged by carol - investigating"
            assert reply.json()["text"] == want and "reply_broadcast" not in reply.json(), reply.json()
            assert want in update.json()["blocks"][0]["text"]["text"] and "tocsin_ack" not in update.body and "tocsin_resolve" in update.body
            assert slack.click(server, PATH, alert["id"], offset=1)[0] == 200  # it is acknowledged already: said so, and nothing happens
            wait_for("the receipt", lambda: server.metric("tocsin_notifications_sent_total") == 3)
            # the message is gone over there: what is new stands in the thread all the same
            slack.answers = [(200, {"ok": False, "error": "message_not_found"})]
            assert slack.click(server, PATH, alert["id"], action="tocsin_resolve")[0] == 200
            update, reply = wait_for("the end", lambda: len(slack.requests) == 8 and slack.requests[6:])
            assert reply.json()["text"].startswith("Resolved") and "tocsin_resolve" not in update.body
            wait_for("all receipts", lambda: server.metric("tocsin_notifications_sent_total") == 4)
            assert not any(s in server.output() for s in (Slack.TOKEN, Slack.SECRET))


@test("E-04 Y-07 acknowledged and resolved in PagerDuty: so it is here, by whom over there; a forged or an old one is refused, a repeat does nothing")
def pagerduty_back():
    with World() as world, PagerDuty() as pager:
        config = "channels:\n  - {name: pager, type: pagerduty, url: env:PAGER, routing_key: env:KEY, signing_secret: env:SECRET}\n"
        env = {"PAGER": pager.url + "/v2/enqueue", "KEY": PagerDuty.KEY, "SECRET": "webhook-s3cret"}
        with world.server(config, env) as server:
            server.send(event("P1"))
            (alert,) = wait_for("an alert", server.alerts)
            wait_for("the incident", pager.taken)
            path, key = "/v1/callbacks/pager", pager.requests[0].json()["dedup_key"]
            assert pager.call_back(server, path, "wrong", "incident.acknowledged", key, now())[0] == 401
            assert pager.call_back(server, path, "webhook-s3cret", "incident.acknowledged", key, now(-90000))[0] == 401
            assert pager.call_back(server, path, "webhook-s3cret", "incident.annotated", key, now())[0] == 200
            assert pager.call_back(server, path, "webhook-s3cret", "incident.acknowledged", "someone else's", now())[0] == 200
            assert server.alerts()[0]["state"] == "firing"
            assert pager.call_back(server, path, "webhook-s3cret", "incident.acknowledged", key, now(), "01A", extra="v1=" + "0" * 64 + ",")[0] == 200
            assert (server.alerts()[0]["state"], server.alerts()[0]["acknowledged_by"]) == ("acknowledged", "Earline Greenholt")
            wait_for("it is told there again, which changes nothing", lambda: len(pager.taken()) == 2)
            assert pager.call_back(server, path, "webhook-s3cret", "incident.resolved", key, now(), "01B")[0] == 200
            wait_for("the end", lambda: len(pager.taken()) == 3)
            assert pager.call_back(server, path, "webhook-s3cret", "incident.acknowledged", key, now(), "01A")[0] == 200
            (ended,) = server.alerts("ended")
            assert ended["id"] == alert["id"] and ended["state"] == "resolved" and ended["ended_by"] == "Earline Greenholt", ended
            assert [r.json()["event_action"] for r in pager.taken()] == ["trigger", "acknowledge", "resolve"]


if __name__ == "__main__":
    kit.main()
