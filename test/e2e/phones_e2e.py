"""Phones by Twilio's API, and the whole table of channels for a critical alert; answers that come back, signed."""
import urllib.parse

import kit
from kit import test, tocsin, wait_for
from vendors import PagerDuty, SlackHook, Twilio
from world import World, deliveries, event

PUBLIC = "https://tocsin.example.com"
PHONES = ("  - {{name: sms, type: sms, api_url: '{url}', account: " + Twilio.SID + ", token: env:TWILIO, from: '" + Twilio.FROM + "', "
          "to: ['+15005550007'{more}], callback_url: '" + PUBLIC + "', people: {{'+15005550007': dave}}}}\n"
          "  - {{name: call, type: voice, api_url: '{url}', account: " + Twilio.SID + ", token: env:TWILIO, from: '" + Twilio.FROM + "', "
          "to: ['+15005550007'], callback_url: '" + PUBLIC + "', people: {{'+15005550007': dave}}}}\n")


def phones(twilio, more=""):
    return PHONES.format(url=twilio.url, more=more)


@test("D-02 one P1: a call, an SMS, Slack's #security-incidents with @channel, a mail and a PagerDuty incident, exactly one request each")
def critical():
    with World() as world, Twilio() as calls, Twilio() as messages, SlackHook() as slack, PagerDuty() as pager:
        call, sms = phones(calls).splitlines(True)[1], phones(messages).splitlines(True)[0]
        config = ("channels:\n" + call + sms + "  - {name: slack, type: slack, url: env:SLACK}\n" + world.email_channel() +
                  "  - {name: pager, type: pagerduty, url: env:PAGER, routing_key: env:KEY}\n")
        env = {"TWILIO": Twilio.TOKEN, "SLACK": slack.url + "/services/T0/B0/hook", "PAGER": pager.url + "/v2/enqueue", "KEY": PagerDuty.KEY}
        with world.server(config, env) as server:
            server.send(event("P1", "eve"))
            (alert,) = wait_for("an alert", server.alerts)
            wait_for("five receipts", lambda: server.metric("tocsin_notifications_sent_total") == 5)
            assert [len(m.requests) for m in (calls, messages, slack, pager)] == [1, 1, 1, 1] and len(world.mail.mails) == 1
            body = slack.requests[0].json()
            assert body["text"] == "<!channel> CRITICAL ALERT" and body["channel"] == "#security-incidents", body
            form = messages.requests[0].form()
            assert form["To"] == "+15005550007" and form["Body"].startswith("P1 RULE_P1: "), form
            assert form["Body"].endswith(f". Reply ACK {alert['id'][:6]}") and "eve" not in form["Body"] and len(form["Body"]) <= 3 * 153, form
            form = calls.requests[0].form()
            assert "critical alert" in form["Twiml"] and "Press 1 to acknowledge" in form["Twiml"] and "eve" not in form["Twiml"], form
            assert f'action="{PUBLIC}/v1/callbacks/call/{alert["id"]}"' in form["Twiml"], form
            assert pager.requests[0].json()["payload"]["severity"] == "critical" and pager.requests[0].status == 202
            rows = {d["channel"]: d for d in deliveries(server, alert["id"])}
            assert rows["sms"]["provider_id"].startswith("SM") and rows["call"]["provider_id"].startswith("CA"), rows
            assert rows["sms"]["code"] == 201 and Twilio.TOKEN not in server.output() + str(rows)


@test("E-05 E-06 D-09 acknowledged by a digit and by an SMS; a forged, an altered or a foreign one does nothing")
def answers():
    with World() as world, Twilio() as twilio:
        with world.server("channels:\n" + phones(twilio), {"TWILIO": Twilio.TOKEN}) as server:
            server.send(event("P1", "a"), event("P1", "b"))
            wait_for("two of each", lambda: len(twilio.taken()) == 4)
            one, two = sorted(server.alerts(), key=lambda a: a["id"])
            path = f"/v1/callbacks/call/{one['id']}"
            digit = {"CallSid": "CA1", "To": "+15005550007", "From": Twilio.FROM, "Digits": "1", "CallStatus": "in-progress"}

            def state(alert):
                return server.request("GET", f"/v1/alerts/{alert['id']}")[1]
            assert twilio.call_back(PUBLIC, path, digit, server, token="wrong")[0] == 401
            assert twilio.call_back("https://evil.example.com", path, digit, server)[0] == 401
            assert server.request("POST", path, urllib.parse.urlencode(digit), {"Content-Type": "application/x-www-form-urlencoded"})[0] == 401
            assert twilio.call_back(PUBLIC, "/v1/callbacks/nobody", digit, server)[0] == 404
            status, text = twilio.call_back(PUBLIC, path, {**digit, "Digits": "2"}, server)
            assert status == 200 and "not acknowledged" in text, text
            status, text = twilio.call_back(PUBLIC, path, {**digit, "To": "+15005559999"}, server)
            assert status == 200 and "may not" in text, text
            assert '"state":"firing"' in state(one)
            status, text = twilio.call_back(PUBLIC, path, digit, server)
            assert status == 200 and text == '<?xml version="1.0" encoding="UTF-8"?><Response><Say>Acknowledged. Thank you. Good bye.</Say></Response>', text
            assert '"state":"acknowledged"' in state(one) and '"acknowledged_by":"dave"' in state(one)
            assert twilio.call_back(PUBLIC, path, digit, server) == (200, text), "a repeat is answered as before"

            def reply(body, sender="+15005550007", sid="SM1"):
                return twilio.call_back(PUBLIC, "/v1/callbacks/sms", {"MessageSid": sid, "From": sender, "To": Twilio.FROM, "Body": body}, server)
            status, text = reply("Hello")
            assert status == 200 and "Not understood" in text, text
            assert "may not" in reply(f"ACK {two['id'][:6]}", "+15005559999")[1]
            status, text = reply("ack 000000", sid="SM2")
            assert status == 200 and "<Message>" in text and '"state":"firing"' in state(two), text
            status, text = reply(f"Ack {two['id'][:6].upper()} ", sid="SM3")
            assert status == 200 and f"{two['id'][:6]} is acknowledged" in text and '"acknowledged_by":"dave"' in state(two), text
            status, text = reply(f"Resolve {two['id'][:6]}", sid="SM4")
            assert status == 200 and '"state":"resolved"' in state(two), text
            metrics = server.get("/metrics")[1]
            assert 'tocsin_callbacks_total{outcome="done"} 3' in metrics and 'tocsin_callbacks_total{outcome="repeated"} 1' in metrics and \
                'tocsin_callbacks_total{outcome="refused"} 4' in metrics, [m for m in metrics.splitlines() if "callback" in m]
            assert Twilio.TOKEN not in server.output()


@test("E-06 STOP is an alert of its own; who has opted out keeps the SMS from nobody else, and the receipt says so")
def stop():
    with World() as world, Twilio() as twilio:
        config = "shipped_packs: true\nchannels:\n" + phones(twilio, ", '+15005550008', '+15005550009'") + "routing: {P1: [sms], P2: []}\n"
        with world.server(config, {"TWILIO": Twilio.TOKEN}) as server:
            pairs = {"MessageSid": "SM1", "From": "+15005550008", "To": Twilio.FROM, "Body": "STOP"}
            assert twilio.call_back(PUBLIC, "/v1/callbacks/sms", pairs, server) == \
                (200, '<?xml version="1.0" encoding="UTF-8"?><Response></Response>')
            twilio.opted_out.add("+15005550008")
            (alert,) = wait_for("an alert about it", lambda: [a for a in server.alerts() if a["title"] == "NOTIFICATION_CHANNEL_FAILED"])
            assert alert["labels"]["channel"] == "sms", alert
            twilio.answers = [(500, {"code": 20500}), ]
            server.send(event("P1"))
            (alert,) = wait_for("the alert", lambda: [a for a in server.alerts() if a["title"] == "RULE_P1"])
            (row,) = wait_for("its receipt", lambda: [d for d in deliveries(server, alert["id"]) if d["status"] == "sent"])
            told = [(r.form()["To"], r.status) for r in twilio.requests]
            assert told == [("+15005550007", 500), ("+15005550007", 201), ("+15005550008", 400), ("+15005550009", 201)], told
            assert row["attempts"] == 2 and "1 of 3 requests refused for good" in row["detail"] and "21610" in row["detail"], row


@test("check: what a phone needs is said")
def checked():
    with kit.temporary() as directory:
        good = PHONES.format(url="https://h", more="").splitlines(True)[0]
        for text, said in ((good, None), (good.replace("account: " + Twilio.SID + ", ", ""), "needs account"),
                           (good.replace("'+15005550007'", "'5550007'", 1), "is not a number"), (good.replace("token: env:TWILIO, ", ""), "token"),
                           (good.replace("people:", "segments: 11, people:"), "1 to 10"), (good.replace("'https://h'", "'ftp://h'"), "not an http")):
            with open(f"{directory}/c.yml", "w", encoding="utf-8") as file:
                file.write("channels:\n" + text)
            code, _, err = tocsin("check", "--config", f"{directory}/c.yml", env={"TWILIO": Twilio.TOKEN})
            assert (code == 0) == (said is None) and (said or "") in err and Twilio.TOKEN not in err, (text, code, err)


if __name__ == "__main__":
    kit.main()
