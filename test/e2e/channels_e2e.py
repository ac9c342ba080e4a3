"""Channels with real peers on loopback: mail over SMTP with STARTTLS and a login, signed webhooks, PagerDuty, routing by priority, the
digest, test sends, fallback, and a kill between sending and receipt."""
import hashlib
import hmac
import json
import os
import subprocess
import threading
import time

import kit
from kit import Receiver, Skip, free_port, lines, now, temporary, test, tocsin, wait_for
from peers import PASSWORD
from world import World, deliveries, event


@test("E-07 a mail over STARTTLS with a login: both bodies, a thread, nothing injected; its receipt bears the server's id")
def mail():
    evil = "böse\r\nBcc: all@example.com\r\n\r\n.\r\n<script>&" + "ü" * 300
    with World() as world, world.server("channels:\n" + world.email_channel()) as server:
        server.send(event("P2", evil))
        (first,) = wait_for("the mail", world.mail.parsed)
        server.send(*[event("P2", evil) for _ in range(9)])
        wait_for("the second mail", lambda: len(world.mail.mails) == 2)
        second = world.mail.parsed()[1]
        (alert,) = server.alerts()
        assert first["From"] == "Tocsin <tocsin@example.com>" and first["To"] == "soc@example.com", first.as_string()
        assert first["Bcc"] is None and first["Subject"].startswith("[P2] RULE_P2: user.name=böse"), first["Subject"]
        assert first["Date"] and first["Message-ID"] and first["In-Reply-To"] is None and first["Auto-Submitted"] == "auto-generated"
        assert second["In-Reply-To"] == first["Message-ID"] == second["References"] and second["Message-ID"] != first["Message-ID"]
        assert "(10 occurrences)" in second.get_body(("plain",)).get_content()
        text, html = first.get_body(("plain",)).get_content(), first.get_body(("html",)).get_content()
        assert alert["id"] in text and "Severity: P2" in text and "A rule of priority P2." in text and "Step 1: First do this" in text, text
        assert "<script>" in text and "<script>" not in html and "&lt;script&gt;&amp;" in html and "&lt;b&gt;that" in html, html
        assert all(len(line) <= 998 for m in world.mail.mails for line in m.split(b"\r\n"))
        assert all(line.isascii() for m in world.mail.mails for line in m.split(b"\r\n"))
        assert set(world.mail.logins) == {True}
        one, two = wait_for("receipts", lambda: [d for d in deliveries(server, alert["id"]) if d["status"] == "sent"][:2] or None)[:2] \
            if wait_for("two receipts", lambda: len([d for d in deliveries(server, alert["id"]) if d["status"] == "sent"]) == 2) else None
        assert one["provider_id"] == "4F2cAB" and one["code"] == 250 and one["attempts"] == 1 and one["at"], one
        assert two["key"].endswith("-10:mail"), two
        code, out, err = tocsin("alerts", "show", alert["id"], "--url", f"http://127.0.0.1:{server.port}")
        assert code == 0 and 'provider_id="4F2cAB"' in out and 'status="sent"' in out, (out, err)
        assert PASSWORD not in server.output() + open(f"/proc/{server.process.pid}/cmdline", encoding="utf-8").read()


@test("E-07 a certificate of nobody we know, no STARTTLS, no login or a wrong one: no mail, no password in clear, and the row waits")
def mail_tls():
    with World() as world, World(tls=False) as plain:
        good = world.email_channel()
        config = ("channels:\n" + good.replace(f", ca_file: {world.certificates.ca}", "") + plain.email_channel(name="plain") +
                  good.replace("name: mail", "name: anonymous").replace(", auth_username: tocsin, auth_password: env:MAIL_PASSWORD", "") +
                  good.replace("name: mail", "name: mistaken").replace("env:MAIL_PASSWORD", "env:WRONG"))
        with world.server(config, {"WRONG": "s3cret-but-wrong"}) as server:
            server.send(event("P2"))
            (alert,) = wait_for("an alert", server.alerts)

            def failed():
                return {d["channel"]: d for d in deliveries(server, alert["id"]) if d["error"]}
            wait_for("four failed attempts", lambda: len(failed()) == 4)
            assert all(d["status"] == "pending" for d in failed().values()), failed()
            assert all("no delivery" in failed()[name]["error"] for name in ("mail", "plain")), failed()
            assert all("refuses the login" in failed()[name]["error"] for name in ("anonymous", "mistaken")), failed()
            assert world.mail.mails == plain.mail.mails == plain.mail.logins == [] and set(world.mail.logins) == {False}
            assert "s3cret" not in server.output() + json.dumps(failed())


@test("E-07 4xx is tried again, 5xx is final; a recipient that is refused keeps the mail from nobody; none gets it twice")
def mail_refusals():
    with World() as world, world.server("channels:\n" + world.email_channel(to="a@x.test, b@x.test, c@x.test")) as server:
        world.mail.rcpt = {"b@x.test": ["450 4.2.0 greylisted, come back"], "c@x.test": ["550 5.1.1 no such user"]}
        server.send(event("P2", "one"))
        wait_for("the mail to a, then the one to b", lambda: len(world.mail.recipients) == 2)
        assert world.mail.recipients == [["a@x.test"], ["b@x.test"]], world.mail.recipients
        first, second = world.mail.parsed()
        assert first["Message-ID"] == second["Message-ID"]
        (alert,) = server.alerts()
        (row,) = wait_for("the receipt", lambda: [d for d in deliveries(server, alert["id"]) if d["status"] == "sent"])
        assert row["attempts"] == 2 and "1 refused for good" in row["error"] and "1 for now" in row["error"], row
        world.mail.data = ["554 5.7.1 refused as spam"]
        server.send(event("P2", "two"))
        (other,) = wait_for("the second alert", lambda: [a for a in server.alerts() if a["id"] != alert["id"]])
        (row,) = wait_for("its end", lambda: [d for d in deliveries(server, other["id"]) if d["status"] == "failed"])
        assert "554 5.7.1 refused as spam" in row["detail"] and row["attempts"] == 1, row


def verify(key, headers, body):
    want = hmac.new(key.encode(), f"{headers['X-Tocsin-Timestamp']}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"v1={want}" in headers["X-Tocsin-Signature"].split(",")


@test("E-10 a webhook: Alertmanager's shape, signed with two keys, with headers and a token; told of the end; a redirect is not followed")
def webhook():
    with World() as world, Receiver(answers=[(302, {"Location": "/elsewhere"})]) as hook:
        config = ("channels:\n  - {name: hook.v1, type: webhook, reveal: all, url: env:HOOK, bearer_token: env:TOKEN, signing_keys: [env:NEW_KEY, env:OLD_KEY], "
                  "headers: {X-Team: security, X-Api-Key: env:API_KEY}}\n")
        env = {"HOOK": hook.url, "TOKEN": "the-token", "NEW_KEY": "new-key", "OLD_KEY": "old-key", "API_KEY": "the-api-key"}
        with world.server(config, env) as server:
            server.send(event("P3", 'a"b'))
            (alert,) = wait_for("an alert", server.alerts)
            wait_for("the message", lambda: hook.bodies(200))
            url = f"http://127.0.0.1:{server.port}"
            tocsin("alerts", "resolve", alert["id"], "--url", url, "--by", "carol")
            firing, resolved = wait_for("the end", lambda: hook.bodies(200)[1:] and hook.bodies(200))
            assert len({r[0] for r in hook.requests}) == 1, "a redirect was followed"
            assert list(firing) == ["receiver", "status", "alerts", "groupLabels", "commonLabels", "commonAnnotations", "externalURL", "version",
                                    "groupKey", "truncatedAlerts"], list(firing)
            assert firing["version"] == "4" and firing["status"] == "firing" and firing["receiver"] == "hook\\.v1"
            assert firing["truncatedAlerts"] == 0 and firing["externalURL"] == url
            (one,) = firing["alerts"]
            assert list(one) == ["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"], list(one)
            assert one["labels"]["alertname"] == "RULE_P3" and one["labels"] == firing["commonLabels"] == firing["groupLabels"]
            assert one["endsAt"] == "0001-01-01T00:00:00Z" and one["fingerprint"] == alert["fingerprint"]
            assert one["generatorURL"] == f"{url}/alerts/{alert['id']}" and one["annotations"]["description"] == "A rule of priority P3."
            assert 'user_name="a\\"b"' in firing["groupKey"] and firing["groupKey"].startswith('{}:{alertname="RULE_P3"'), firing["groupKey"]
            assert resolved["status"] == resolved["alerts"][0]["status"] == "resolved" and resolved["alerts"][0]["endsAt"] > one["startsAt"]
            assert resolved["groupKey"] == firing["groupKey"]
            for _, headers, body, _ in hook.requests:
                assert verify("new-key", headers, body) and verify("old-key", headers, body) and not verify("other", headers, body)
                assert headers["Authorization"] == "Bearer the-token" and headers["X-Team"] == "security"
                assert headers["X-Api-Key"] == "the-api-key" and abs(int(headers["X-Tocsin-Timestamp"]) - time.time()) < 60
            keys = [h["Idempotency-Key"] for _, h, _, _ in hook.requests]
            assert keys == [f"{alert['id']}-new:hook.v1"] * 2 + [f"{alert['id']}-resolved:hook.v1"], keys
            assert not any(s in server.output() for s in env.values())


@test("E-10 Debian's Alertmanager sends a webhook of the same members and types as ours, for the same alert")
def webhook_like_alertmanager():
    paths = ("build/peers/prometheus-alertmanager/usr/bin/prometheus-alertmanager", "/usr/bin/prometheus-alertmanager")
    binary = next((p for p in paths if os.path.exists(p)), None)
    if binary is None:
        raise Skip("prometheus-alertmanager is not installed")
    if not os.path.exists("/usr/share/prometheus/alertmanager/default.tmpl"):
        raise Skip("Debian's Alertmanager reads its templates from /usr/share/prometheus, where only the installed package puts them")
    with World() as world, Receiver() as theirs, Receiver() as ours, temporary() as directory:
        with world.server("channels:\n  - {name: hook, type: webhook, reveal: all, url: env:HOOK}\n", {"HOOK": ours.url}) as server:
            server.send(event("P2"))
            wait_for("our message", ours.bodies)
        (mine,) = ours.bodies()
        path, port = os.path.join(directory, "am.yml"), free_port()
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"route: {{receiver: hook, group_by: ['...'], group_wait: 0s}}\nreceivers:\n- name: hook\n  webhook_configs: [{{url: '{theirs.url}'}}]\n")
        process = subprocess.Popen([binary, f"--config.file={path}", f"--storage.path={directory}", f"--web.listen-address=127.0.0.1:{port}",
                                    "--cluster.listen-address="], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            alert = mine["alerts"][0]
            body = json.dumps([{k: alert[k] for k in ("labels", "annotations", "startsAt", "generatorURL")}])

            def post():
                return subprocess.run(["curl", "-sf", "-H", "Content-Type: application/json", "-d", body,
                                       f"http://127.0.0.1:{port}/api/v2/alerts"], check=False, capture_output=True).returncode == 0
            wait_for("Alertmanager to take it", post)
            (other,) = wait_for("its message", theirs.bodies)
        finally:
            process.terminate()
            process.wait()

        def shape(value):
            if isinstance(value, dict):
                return {k: shape(v) for k, v in value.items()}
            return [shape(v) for v in value] if isinstance(value, list) else type(value).__name__
        assert shape(mine) == shape(other), (mine, other)
        for same in ("version", "groupKey", "status", "groupLabels", "commonLabels", "commonAnnotations", "truncatedAlerts", "receiver"):
            assert mine[same] == other[same], (same, mine[same], other[same])
        for same in ("labels", "annotations", "fingerprint", "endsAt", "status", "generatorURL"):
            assert mine["alerts"][0][same] == other["alerts"][0][same], (same, mine["alerts"][0], other["alerts"][0])


@test("D-02 D-03 D-09 E-01 E-03 E-04 X-17 per priority exactly the channels of the table; acknowledged and resolved at PagerDuty")
def routing():
    with World() as world, Receiver() as slack, Receiver() as pager, Receiver() as hook:
        config = ("channels:\n  - {name: slack, type: slack, reveal: all, url: env:SLACK, mentions: {P2: S0123ABC}}\n" + world.email_channel() +
                  "  - {name: pager, type: pagerduty, reveal: all, url: env:PAGER, routing_key: env:KEY}\n  - {name: hook, type: webhook, reveal: all, url: env:HOOK}\n"
                  "routing: {P1: [slack, mail, pager, hook], P2: [slack, mail, pager], P3: [mail]}\n")
        env = {"SLACK": slack.url, "PAGER": pager.url, "HOOK": hook.url, "KEY": "R0UT1NGKEY"}
        with world.server(config, env) as server:
            def seen():
                return len(slack.bodies()), len(world.mail.mails), len(pager.bodies()), len(hook.bodies())
            for priority, want in (("P4", (0, 0, 0, 1)), ("P3", (0, 1, 0, 1)), ("P2", (1, 2, 1, 1)), ("P1", (2, 3, 2, 2))):
                server.send(event(priority))
                wait_for(f"{priority}: {want}", lambda want=want: seen() == want)
                wait_for("all receipts", lambda want=want: server.metric("tocsin_notifications_sent_total") == sum(want))
            texts = [b["text"] for b in slack.bodies()]
            assert texts == ["<!subteam^S0123ABC> Security Alert", "<!channel> CRITICAL ALERT"], texts
            trigger = pager.bodies()[1]
            (alert,) = [a for a in server.alerts() if a["severity"] == "P1"]
            assert trigger["routing_key"] == "R0UT1NGKEY" and trigger["event_action"] == "trigger" and trigger["dedup_key"] == alert["id"]
            assert trigger["payload"]["severity"] == "critical" and trigger["payload"]["source"] == "tocsin"
            assert pager.bodies()[0]["payload"]["severity"] == "error"
            assert trigger["payload"]["summary"] == alert["message"] and trigger["payload"]["custom_details"]["id"] == alert["id"]
            url = f"http://127.0.0.1:{server.port}"
            assert tocsin("alerts", "ack", alert["id"], "--url", url, "--by", "carol")[0] == 0
            wait_for("the acknowledgement", lambda: len(pager.bodies()) == 3 and len(slack.bodies()) == 3)
            assert slack.bodies()[2]["text"] == f"Alert {alert['id']} acknowledged by carol - investigating"
            assert tocsin("alerts", "resolve", alert["id"], "--url", url, "--by", "carol")[0] == 0
            wait_for("the end", lambda: len(pager.bodies()) == 4 and len(hook.bodies()) == 3)
            assert tocsin("alerts", "close", alert["id"], "--url", url, "--note", "n", "--disposition", "benign")[0] == 0
            actions = [(b["event_action"], b["dedup_key"]) for b in pager.bodies()[1:]]
            assert actions == [("trigger", alert["id"]), ("acknowledge", alert["id"]), ("resolve", alert["id"])], actions
            server.send(event("P3", "the last"))
            wait_for("the last", lambda: len(world.mail.mails) == 4)
            assert seen() == (3, 4, 4, 3), seen()


@test("D-02 D-03 E-08 without a table: Slack and PagerDuty from P2 up, mail from P3 up, P4 waits for the digest; all four are listed")
def default_routing():
    with World() as world, Receiver() as slack, Receiver() as pager:
        config = ("channels:\n  - {name: slack, type: slack, url: env:SLACK}\n" + world.email_channel() +
                  "  - {name: pager, type: pagerduty, url: env:PAGER, routing_key: env:KEY}\n")
        with world.server(config, {"SLACK": slack.url, "PAGER": pager.url, "KEY": "k"}) as server:
            server.send(*[event(p) for p in ("P4", "P3", "P2", "P1")])
            wait_for("all", lambda: server.metric("tocsin_notifications_sent_total") == 7)
            assert (len(slack.bodies()), len(world.mail.mails), len(pager.bodies())) == (2, 3, 2)
            assert sorted(a["severity"] for a in server.alerts()) == ["P1", "P2", "P3", "P4"]


@test("D-18 E-09 X-18 routes: what is tagged security to one room, a team's to its own, the rest to #incidents; told there of its end")
def routes():
    rule = "title: {t}\nid: 00000000-0000-0000-0000-0000000001{n}\nlogsource: {{category: test}}\ntags: [{tag}]\ndetection:\n    s: {{event_type: {t}}}\n    condition: s\n" \
           "level: {level}\ntocsin: {{owner: {owner}, runbook: r.md, entity: [user.name]}}\n"
    channels = ("channels:\n" + "".join(f"  - {{name: {n}, type: webhook, reveal: all, url: env:{n.upper()}}}\n" for n in ("incidents", "security", "platform")))
    table = ("routing:\n  P1: [incidents]\n  P2: [incidents]\n  P3: []\n  P4: []\n  routes:\n    - {tags: [security, attack.*], P1: [security], P3: [security]}\n"
             "    - {match: 'owner=\"platform team\", user_name!=\"root\"', P1: [platform, incidents]}\n")
    with World() as world, Receiver() as incidents, Receiver() as security, Receiver() as platform:
        rooms = {"incidents": incidents, "security": security, "platform": platform}
        with open(world.rules, "w", encoding="utf-8") as file:
            file.write("---\n".join(rule.format(t=t, n=10 + i, tag=tag, level=level, owner=owner) for i, (t, tag, level, owner) in enumerate((
                ("brute", "attack.t1110", "critical", "soc"), ("slow", "tuning", "critical", "platform team"), ("other", "tuning", "critical", "soc"),
                ("leak", "security", "high", "platform team"), ("odd", "security", "medium", "soc")))))
        env = {n.upper(): r.url for n, r in rooms.items()}

        def told():
            return {n: sorted(a["labels"]["alertname"] + ":" + b["status"] for b in r.bodies() for a in b["alerts"]) for n, r in rooms.items()}
        with world.server(channels + table, env) as server:
            server.send(*[{"@timestamp": now(), "event_type": t, "user.name": "bob"} for t in ("brute", "slow", "other", "leak", "odd")])
            want = {"security": ["brute:firing", "odd:firing"], "platform": ["slow:firing"], "incidents": ["leak:firing", "other:firing", "slow:firing"]}
            wait_for("each in its room", lambda: told() == want)
            (slow,) = [a for a in server.alerts() if a["title"] == "slow"]
            assert slow["tags"] == ["tuning"], slow
            says = [s["says"] for s in json.loads(server.get(f"/v1/alerts/{slow['id']}/explain")[1]) if s["stage"] == "channel"]
            assert says == ["incidents is told: routing names it for P1, by the 2. of its routes", "security is not told: routing does not name it for P1, by the 2. of its routes",
                            "platform is told: routing names it for P1, by the 2. of its routes"], says
            server.send({"@timestamp": now(), "event_type": "slow", "user.name": "root"})
            wait_for("no route fits root", lambda: told()["incidents"].count("slow:firing") == 2)
            assert told()["platform"] == ["slow:firing"]
            assert server.post(f"/v1/alerts/{slow['id']}/resolve", "{}")[0] == 200
            wait_for("the end is told where the begin was", lambda: "slow:resolved" in told()["platform"] and "slow:resolved" in told()["incidents"])


@test("D-22 a thousand alerts one after the other: 99 of 100 are told within 5 s of their event")
def promptly():
    with World() as world, Receiver() as hook:
        with world.server("channels:\n  - {name: hook, type: webhook, url: env:HOOK}\n", {"HOOK": hook.url}) as server:
            late = []
            for part in range(50):
                began = time.monotonic()
                server.send(*[event("P2", f"user-{part}-{i}") for i in range(20)])
                wait_for("its twenty", lambda n=20 * part + 20: len(hook.requests) >= n)
                late += [time.monotonic() - began] * 20  # of each, at most
            assert len(server.alerts()) == len(late) == 1000 and sorted(late)[989] < 5, sorted(late)[-20:]


@test("E-13 a test send by CLI and API: marked as such, the real way, with its receipt; an unknown channel is 404")
def test_send():
    with World() as world, Receiver(answers=[(500, {})]) as hook:
        config = "channels:\n" + world.email_channel() + "  - {name: slack, type: slack, url: env:SLACK}\n  - {name: bad, type: slack, url: env:BAD}\n"
        with world.server(config, {"SLACK": hook.url, "BAD": f"http://127.0.0.1:{free_port()}/x"}) as server:
            url = f"http://127.0.0.1:{server.port}"
            code, out, err = tocsin("channels", "test", "mail", "--url", url)
            assert code == 0 and 'status="sent"' in out and 'provider_id="4F2cAB"' in out, (code, out, err)
            assert world.mail.parsed()[0]["Subject"].startswith("[P4] Test: a message to see that channel mail works")
            code, out, err = tocsin("channels", "test", "slack", "--url", url, "--format", "json")
            (receipt,) = lines(out)
            assert code == 0 and receipt["attempts"] == 2 and receipt["error"] == "HTTP status 500" and receipt["code"] == 200, (receipt, err)
            assert hook.bodies()[0]["text"] == "Test: this is no alert"
            code, out, err = tocsin("channels", "test", "bad", "--url", url, "--wait", "1s")
            assert code == 1 and 'status="pending"' in out, (code, out, err)
            code, out, err = tocsin("channels", "test", "nobody", "--url", url)
            assert code == 2 and "no channel" in err, (code, err)
            assert server.post("/v1/channels/nobody/test", "{}")[0] == 404 and server.post("/v1/channels/mail/test", "{}")[0] == 200
            assert server.alerts() == []
            code, out, err = tocsin("channels", "--url", url)
            assert code == 0 and "slack type=slack failing=false" in out and "bad type=slack failing=true" in out, out
            metrics = server.get("/metrics")[1]
            assert 'tocsin_channel_sent_total{channel="slack"} 1' in metrics and 'tocsin_channel_retries_total{channel="slack"} 1' in metrics
            assert 'tocsin_channel_attempt_seconds_bucket{channel="slack",le="+Inf"} 2' in metrics and \
                'tocsin_channel_pending{channel="bad"} 1' in metrics, metrics


@test("E-13 Slack is down: the fallback is told, one alert about it; once it is up again, it gets all, late")
def fallback():
    port = free_port()
    with World() as world, temporary() as directory:
        config = (f"shipped_packs: true\nchannels:\n  - {{name: slack, type: slack, url: env:SLACK, fallback: log, fallback_after: 1s}}\n"
                  f"  - {{name: log, type: file, path: {directory}/log}}\nrouting: {{P1: [slack], P2: [slack]}}\n")
        with world.server(config, {"SLACK": f"http://127.0.0.1:{port}/x"}) as server:
            server.send(*[event("P1", f"u{i}") for i in range(20)])

            def logged():
                return lines(open(f"{directory}/log", encoding="utf-8").read()) if os.path.exists(f"{directory}/log") else []
            wait_for("all in the fallback, and the trouble itself", lambda: len(logged()) >= 21)
            titles = [entry["alert"]["title"] for entry in logged()]
            assert titles.count("RULE_P1") == 20 and titles.count("NOTIFICATION_CHANNEL_FAILED") == 1, titles
            assert all(entry["key"].endswith(":slack>log") for entry in logged())
            (trouble,) = [a for a in server.alerts() if a["title"] == "NOTIFICATION_CHANNEL_FAILED"]
            assert trouble["count"] == 1 and trouble["labels"]["channel"] == "slack", trouble
            late = Receiver()
            late.server.server_close()
            import http.server  # the same handler, at the port that was dead
            again = http.server.ThreadingHTTPServer(("127.0.0.1", port), late.server.RequestHandlerClass)
            threading.Thread(target=again.serve_forever, daemon=True).start()
            try:
                wait_for("what waited", lambda: len(late.bodies()) == 21, 60)
                wait_for("receipts", lambda: server.metric("tocsin_notifications_sent_total") == 42)
                assert len(logged()) == 21
            finally:
                again.shutdown()
                again.server_close()


@test("D-08 E-13 kill -9 between sending and receipt: sent again under the same key, the same Message-ID, nothing lost")
def killed():
    with World() as world, Receiver() as hook:
        gate = threading.Event()
        original = hook.server.RequestHandlerClass.do_POST

        def held(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hook.requests.append((self.path, dict(self.headers), body.decode(), 200))
            gate.wait(20)
            self.close_connection = True
        hook.server.RequestHandlerClass.do_POST = held
        config = "channels:\n  - {name: hook, type: webhook, url: env:HOOK, timeout: 60s}\n" + world.email_channel()
        with world.server(config, {"HOOK": hook.url}) as server:
            server.send(event("P2"))
            wait_for("it is out, unanswered", lambda: hook.requests)
            wait_for("the mail", lambda: world.mail.mails)
            server.kill()
            hook.server.RequestHandlerClass.do_POST = original
            gate.set()
            server.start()
            wait_for("sent again", lambda: len(hook.requests) == 2)
            (alert,) = server.alerts()
            rows = wait_for("both receipts", lambda: [d for d in deliveries(server, alert["id"]) if d["status"] == "sent"][1:] and
                            deliveries(server, alert["id"]))
            assert len(rows) == 2
            assert len({h["Idempotency-Key"] for _, h, _, _ in hook.requests}) == 1 and hook.requests[0][2] == hook.requests[1][2]
            assert len({m["Message-ID"] for m in world.mail.parsed()}) == 1


@test("check: what is wrong with a channel, a table or a fallback is said, and no secret with it")
def checked():
    with temporary() as directory:
        def check(text):
            path = os.path.join(directory, "c.yml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return tocsin("check", "--config", path, env={"U": "https://h/s3cret", "K": "s3cret"})
        mail_ok = "channels:\n  - {name: m, type: email, smarthost: 'h:25', from: a@b.c, to: [d@e.f]%s}\n"
        assert check(mail_ok % "")[0] == 0, check(mail_ok % "")
        for text, said in (
                (mail_ok % ", fallback: nobody", "fallback"), (mail_ok % ", fallback: m", "fallback"),
                (mail_ok % "" + "routing: {P1: [x]}", 'no channel "x"'), (mail_ok % "" + "digest: {at: '25:00'}", "time of day"),
                (mail_ok % "" + "digest: {channels: [x]}", 'no channel "x"'), (mail_ok % "" + "routing: {P5: [m]}", "P5"),
                (mail_ok % "" + "routing: {routes: [{P1: [m]}]}", "every route needs"), (mail_ok % "" + "routing: {routes: [{match: 'a=~\"(\"', P1: [m]}]}", "error parsing regexp"),
                (mail_ok % "" + "routing: {routes: [{tags: [x], P1: [y]}]}", 'no channel "y"'), (mail_ok % "" + "digest: {review: someday}", "a day is expected"),
                (mail_ok % "" + "alerts: {overdue_after: {P1: 9000h}}", "a year at most"),
                (mail_ok % ", auth_username: u", "go together"),
                (mail_ok % ", auth_username: u, auth_password: env:K, require_tls: false", "TLS only"),
                (mail_ok % ", auth_username: u, auth_password: s3cret", "secrets are not written here"),
                (mail_ok.replace("d@e.f", '"d@e.f\\r\\nBcc: x@y.z"') % "", "not a mail address"),
                (mail_ok.replace("'h:25'", "'h/x:25'") % "", "smarthost"),
                ("channels:\n  - {name: w, type: webhook}\n", "needs a url"),
                ("channels:\n  - {name: w, type: webhook, url: env:U, headers: {Host: x}}\n", "cannot be configured"),
                ("channels:\n  - {name: w, type: webhook, url: env:U, headers: {X: \"a\\nb\"}}\n", "control character"),
                ("channels:\n  - {name: w, type: webhook, url: env:U, signing_keys: [env:K, env:K, env:K]}\n", "one key or two"),
                ("channels:\n  - {name: p, type: pagerduty}\n", "routing_key"), ("channels:\n  - {name: p, type: pigeon}\n", "email")):
            code, _, err = check(text)
            assert code == 2 and said in err and "s3cret" not in err, (text, code, err)


if __name__ == "__main__":
    kit.main()
