"""The service: in over HTTP and standard input, judged, alerted, sent to Slack, acknowledged, queried, restarted."""
import gzip
import json
import os
import subprocess
import time

import kit
from kit import Receiver, Server, lines, now, test, tocsin, wait_for


def failures(n, address="203.0.113.7", user="alice"):
    return [{"@timestamp": now(), "event_type": "login_failed", "source.ip": address, "user.name": user} for _ in range(n)]


def slack_config(url_env="HOOK", extra=""):
    return f"channels:\n  - name: security\n    type: slack\n    url: env:{url_env}\n{extra}"


@test("A-01 C-80 E-01 six failures: one alert, one Slack message, and the page knows it")
def brute_force():
    with Receiver() as hook, Server(config=slack_config(), env={"HOOK": hook.url}) as server:
        assert server.send(*failures(5)) == {"accepted": 5, "errors": []}
        assert server.send(*failures(1)) == {"accepted": 1, "errors": []}
        (alert,) = wait_for("an alert", server.alerts)
        assert alert["title"] == "BRUTE_FORCE_ATTACK" and alert["severity"] == "P2" and alert["state"] == "firing"
        (message,) = wait_for("a Slack message", hook.bodies)
        assert message["channel"] == "#security-incidents" and message["username"] == "Security Bot"
        assert message["icon_emoji"] == ":rotating_light:" and message["text"] == "Security Alert"
        (attachment,) = message["attachments"]
        assert attachment["color"] == "warning" and attachment["title"] == "BRUTE_FORCE_ATTACK"
        assert [f["title"] for f in attachment["fields"]] == ["Severity", "Time"] and all(f["short"] for f in attachment["fields"])
        assert attachment["actions"][0]["url"].endswith(f"/alerts/{alert['id']}")
        status, page, headers = server.get("/")
        assert status == 200 and "<html" in page and "Content-Security-Policy" in headers
        status, text, _ = server.get("/api/v2/alerts")
        (am,) = json.loads(text)
        assert am["labels"]["alertname"] == "BRUTE_FORCE_ATTACK" and am["labels"]["source_ip"] == "203.0.113.7"
        assert am["status"]["state"] == "active" and am["fingerprint"] == alert["fingerprint"]


@test("C-80 five failures hold")
def holds():
    with Server() as server:
        server.send(*failures(5))
        server.send({"event_type": "account_locked", "user.name": "x", "@timestamp": now()})
        wait_for("the lockout, so that all before it was judged", server.alerts)
        assert [a["title"] for a in server.alerts()] == ["ACCOUNT_LOCKOUT"]


@test("D-05 D-06 120 occurrences: four messages, at 1, 10, 50 and 100")
def steps():
    with Receiver() as hook, Server(config=slack_config(), env={"HOOK": hook.url}) as server:
        for _ in range(12):
            server.send(*[{"event_type": "account_locked", "user.name": "bob", "@timestamp": now()} for _ in range(10)])
        wait_for("four messages", lambda: len(hook.bodies()) >= 4)
        (alert,) = wait_for("count 120", lambda: [a for a in server.alerts() if a["title"] == "ACCOUNT_LOCKOUT" and a["count"] == 120])
        texts = [b["attachments"][0]["text"] for b in hook.bodies() if b["attachments"][0]["title"] == "ACCOUNT_LOCKOUT"]
        assert len(texts) == 4 and "occurrences" not in texts[0], texts
        for text, count in zip(texts[1:], (10, 50, 100)):
            assert text.endswith(f"({count} occurrences)"), texts


@test("D-09 D-14 acknowledge, resolve, close by API and CLI; illegal moves are refused; history grows")
def lifecycle():
    with Server() as server:
        server.send({"event_type": "account_locked", "user.name": "bob", "@timestamp": now()})
        (alert,) = wait_for("an alert", server.alerts)
        url = f"http://127.0.0.1:{server.port}"
        status, text, _ = server.post(f"/v1/alerts/{alert['id']}/ack", json.dumps({"by": "carol"}))
        assert status == 200 and json.loads(text)["state"] == "acknowledged", text
        status, text, _ = server.post(f"/v1/alerts/{alert['id']}/ack", json.dumps({"by": "dave"}))
        assert status == 409 and "carol" in json.loads(text)["error"], (status, text)
        code, out, err = tocsin("alerts", "resolve", alert["id"][:8], "--url", url, "--by", "carol", "--note", "was bob himself")
        assert code == 0, err
        assert server.alerts() == []
        code, out, err = tocsin("alerts", "close", alert["id"], "--url", url, "--disposition", "benign", "--note", "forgotten password")
        assert code == 0, err
        status, text, _ = server.get(f"/v1/alerts/{alert['id']}")
        shown = json.loads(text)
        assert shown["state"] == "closed" and shown["disposition"] == "benign"
        whats = [h["what"] for h in shown["history"]]
        assert whats[0] == "created" and {"acknowledged", "resolved", "closed"} <= set(whats), whats
        code, _, err = tocsin("alerts", "ack", alert["id"], "--url", url)
        assert code == 2 and "closed" in err, (code, err)
        assert server.post("/v1/alerts/ffffffffffffffffffffffffffffffff/ack", "{}")[0] == 404
        code, out, err = tocsin("alerts", "list", "--state", "ended", "--format", "json", "--url", url)
        assert code == 0 and lines(out)[0]["id"] == alert["id"], err


@test("a flood of alerts: the core falls behind, stays alive, shows its figures, stops cleanly, and the next start goes on")
def flood():
    with Server(config="channels: []\n") as server:
        for part in range(75):
            body = "\n".join(f'{{"event_type":"account_locked","user.name":"u{part}-{i if part % 5 == 0 else 0}"}}' for i in range(2000))
            status, text, _ = server.post("/v1/events", body.encode(), {"Content-Type": "application/x-ndjson"})
            assert status == 200, text
        wait_for("a figure from amid the backlog", lambda: server.metric("tocsin_alerts_in_memory") > 0, 60)
        wait_for("the end of the backlog", lambda: server.metric("tocsin_core_lag_records") < 100, 120)
        assert server.metric("tocsin_alerts_in_memory") >= 30000
        assert server.stop() == 0, server.output()
        server.start()
        assert server.metric("tocsin_alerts_in_memory") >= 30000


@test("D-08 restart: alerts, counts and windows go on; nothing is sent twice")
def restart():
    with Receiver() as hook, Server(config=slack_config(), env={"HOOK": hook.url}) as server:
        server.send(*failures(4))
        assert server.stop() == 0
        server.start()
        server.send(*failures(2))
        wait_for("an alert across the restart", server.alerts)
        wait_for("its message", hook.bodies)
        wait_for("its receipt, without which it is sent again, rightly", lambda: server.metric("tocsin_notifications_sent_total") == 1)
        server.kill()
        server.start()
        server.send({"event_type": "account_locked", "user.name": "zed", "@timestamp": now()})
        wait_for("the second alert", lambda: len(server.alerts()) == 2)
        wait_for("its message", lambda: len(hook.bodies()) >= 2)
        titles = [b["attachments"][0]["title"] for b in hook.bodies()]
        assert sorted(titles) == ["ACCOUNT_LOCKOUT", "BRUTE_FORCE_ATTACK"], titles


@test("the store may be deleted: it is rebuilt from the journal")
def rebuild():
    with Server() as server:
        server.send({"event_type": "account_locked", "user.name": "bob", "@timestamp": now()})
        (alert,) = wait_for("an alert", server.alerts)
        server.post(f"/v1/alerts/{alert['id']}/ack", json.dumps({"by": "carol"}))
        before = json.loads(server.get(f"/v1/alerts/{alert['id']}")[1])
        server.stop()
        for name in os.listdir(server.data):
            if name.startswith("state.sqlite") or name == "checkpoint":
                os.unlink(os.path.join(server.data, name))
        server.start()
        after = json.loads(server.get(f"/v1/alerts/{alert['id']}")[1])
        assert before == after, (before, after)


@test("1, 2 and 4 threads, and a restart in the middle: the same findings and alerts, byte for byte")
def same_answers():
    at = time.time() - 1200
    events = []
    for i in range(600):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at + i)) + "Z"
        kind = "account_locked" if i % 40 == 0 else "login_failed" if i % 3 == 0 else "login_success"
        events.append({"@timestamp": stamp, "event_type": kind, "source.ip": f"203.0.113.{i * 7 % 5}", "user.name": f"u{i % 97}"})
    answers = set()
    for threads, split, batch in ((1, None, 100), (2, None, 37), (4, None, 600), (2, 300, 50), (1, 211, 1)):
        with Server(config=f"threads: {threads}\nlateness: 1h\n") as server:
            for first in range(0, len(events), batch):
                if split is not None and first >= split:
                    split = None
                    server.stop()
                    server.start()
                server.send(*events[first:first + batch])
            wait_for("everything judged", lambda: "tocsin_core_lag_records 0" in server.get("/metrics")[1])
            wait_for("counts shown", lambda: any(a["title"] == "BRUTE_FORCE_ATTACK" for a in server.alerts()))
            server.stop()  # the last counts are in the store then
            server.start()
            findings = [e["raw"] for e in server.query("--all") if e["type"] == "finding"]
            for name in ("line", "index"):  # places within a batch differ with the batches
                findings = [kit.re.sub(f'"{name}":[0-9]+,', "", f) for f in findings]
            shown = server.get("/api/v2/alerts")[1].replace(f"127.0.0.1:{server.port}/", "HERE/")
            answers.add("\n".join(findings) + shown)
    assert len(answers) == 1 and len(answers.pop()) > 2000, [a[:300] for a in answers]


@test("Slack: 500 and 429 with Retry-After are tried again with the same key; the URL is in no log")
def retries():
    with Receiver(answers=[(500, {}), (429, {"Retry-After": "1"})]) as hook, Server(config=slack_config(), env={"HOOK": hook.url}) as server:
        server.send({"event_type": "account_locked", "user.name": "bob", "@timestamp": now()})
        wait_for("a delivery", lambda: hook.bodies(200), 30)
        keys = {headers["Idempotency-Key"] for _, headers, _, _ in hook.requests}
        assert len(keys) == 1 and [s for _, _, _, s in hook.requests] == [500, 429, 200]
        server.stop()
        assert "secret-of-the-hook" not in server.output()


@test("A-31 tokens per source: wrong or missing is 401, counted, nothing stored")
def tokens():
    config = "sources:\n  - name: web\n    token: env:WEB_TOKEN\n"
    with Server(config=config, env={"WEB_TOKEN": "right-token"}) as server:
        for _ in range(21):
            status, text, _ = server.post("/v1/events", '{"a":"smuggled"}', {"Authorization": "Bearer wrong"})
            assert status == 401 and "error" in json.loads(text)
        assert server.post("/v1/events", '{"a":1}')[0] == 401
        assert server.post("/v1/events", '{"a":"kept"}', {"Authorization": "Bearer right-token"})[0] == 200
        assert "auth_invalid_token_total 22" in server.get("/metrics")[1]
        (event,) = server.query()
        assert event["raw"] == '{"a":"kept"}' and event["source"] == "http:web"


@test("bodies: object, array, NDJSON, gzip; errors name the item and the good ones are kept")
def bodies():
    with Server() as server:
        assert json.loads(server.post("/v1/events", '{"n":1}')[1]) == {"accepted": 1, "errors": []}
        assert json.loads(server.post("/v1/events", '[{"n":2},{"n":3}]')[1]) == {"accepted": 2, "errors": []}
        packed = gzip.compress(b'{"n":4}\n{"n":5}\n')
        assert json.loads(server.post("/v1/events", packed, {"Content-Encoding": "gzip"})[1])["accepted"] == 2
        status, text, _ = server.post("/v1/events", '{"n":6}\n{"n":\n{"n":7}\n', {"Content-Type": "application/x-ndjson"})
        answer = json.loads(text)
        assert status == 200 and answer["accepted"] == 2 and [e["index"] for e in answer["errors"]] == [1], text
        status, text, _ = server.post("/v1/events", '{"n":')
        assert status == 400 and json.loads(text)["accepted"] == 0, (status, text)
        assert server.post("/v1/events", b"\x1f\x8b broken", {"Content-Encoding": "gzip"})[0] == 400
        assert server.post("/v1/events", '{"n":8}', {"Content-Type": "text/plain"})[0] == 415
        assert server.post("/v1/events", "x" * (33 << 20))[0] == 413
        assert server.request("GET", "/v1/events")[0] == 405
        assert server.get("/nowhere")[0] == 404
        assert [json.loads(e["raw"])["n"] for e in server.query()] == [1, 2, 3, 4, 5, 6, 7]


@test("large events that many rules find neither stop the core nor fill the journal many times over")
def amplified():
    with kit.temporary() as directory:
        path = os.path.join(directory, "rules.yml")
        with open(path, "w", encoding="utf-8") as file:
            for i in range(60):
                file.write(f"title: r{i}\nid: 00000000-0000-0000-0000-{i:012d}\nlogsource: {{}}\ndetection:\n  s:\n    cmd|contains: zz\n"
                           "  condition: s\nlevel: high\n---\n")
        with Server(args=["--rules", path]) as server:
            server.send(*[{"cmd": "zz" + "a" * 1000000, "n": i} for i in range(8)])
            wait_for("an alert of each rule", lambda: [a["count"] for a in server.alerts()] == [8] * 60)
            assert server.get("/-/ready")[0] == 200
            assert server.metric("tocsin_journal_bytes_total") < 40e6


@test("a body whose events outgrow the journal's frame once parsed is refused for good: 413")
def outgrown():
    with Server() as server:
        event = json.dumps({f"f{i}": i for i in range(36)})
        status, text, _ = server.post("/v1/events", "\n".join([event] * 80000).encode(), {"Content-Type": "application/x-ndjson"})
        assert status == 413 and "smaller parts" in text, (status, text)


@test("Idempotency-Key: a repeat is acknowledged and stored once, also after a crash")
def idempotency():
    with Server() as server:
        one = server.post("/v1/events", '{"n":1}', {"Idempotency-Key": "k1"})
        two = server.post("/v1/events", '{"n":1}', {"Idempotency-Key": "k1"})
        assert one[0] == two[0] == 200 and one[1] == two[1]
        server.kill()
        server.start()
        assert server.post("/v1/events", '{"n":1}', {"Idempotency-Key": "k1"})[0] == 200
        assert server.post("/v1/events", '{"n":1}', {"Idempotency-Key": "k2"})[0] == 200
        for _ in range(2):
            server.post("/v1/events", '{"n":2}')
            server.post("/v1/events", '{"n":3,"@timestamp":"2026-01-01T00:00:00Z"}')
        assert sorted(json.loads(e["raw"])["n"] for e in server.query()) == [1, 1, 2, 2, 3]


@test("H-03 H-04 what is not safe to keep is not on the disk")
def redaction():
    secrets = ["alice@example.com", "4111111111111111", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ", "AKIAIOSFODNN7EXAMPLE"]
    with Server() as server:
        for secret in secrets:
            server.send({"message": f"see {secret} here", "user": secret, "list": [{"deep": secret}]})
        server.post("/v1/events", '{"user":"alice\\u0040example.com"}')
        server.post("/v1/events", '{"card":4111111111111111}')
        stored = server.query()
        assert len(stored) == len(secrets) + 2
        server.stop()
        for folder, _, names in os.walk(server.data):
            for name in names:
                content = open(os.path.join(folder, name), "rb").read()
                for secret in secrets:
                    assert secret.encode() not in content, (name, secret)
        tokens = {json.loads(e["raw"])["user"] for e in stored if "example" not in e["raw"] and "email" in e["raw"] and "user" in e["raw"]}
        assert len(tokens) == 1, tokens


@test("foreign Host and Origin are refused; the page's secret is needed from a browser")
def loopback_is_not_trust():
    with Server() as server:
        server.send({"event_type": "account_locked", "user.name": "bob", "@timestamp": now()})
        (alert,) = wait_for("an alert", server.alerts)
        assert server.get("/v1/alerts", {"Host": "evil.example"})[0] in (400, 403, 421)
        own = f"http://127.0.0.1:{server.port}"
        assert server.post("/v1/events", '{"a":1}', {"Origin": "http://evil.example"})[0] == 403
        assert server.post(f"/v1/alerts/{alert['id']}/ack", "{}", {"Origin": own})[0] == 403
        page = server.get("/")[1]
        secret = page.split('name="tocsin-secret" content="')[1].split('"')[0]
        assert server.post(f"/v1/alerts/{alert['id']}/ack", "{}", {"Origin": own, "X-Tocsin-Secret": secret})[0] == 200


@test("run --stdin takes JSON and sshd lines")
def standard_input():
    read, write = os.pipe()
    with open(read, "rb") as pipe:
        server = Server(args=["--stdin"], stdin=pipe)
        with server:
            stamp = time.strftime("%b %e %H:%M:%S", time.gmtime())
            text = "".join(f"{stamp} web sshd[7]: Failed password for root from 198.51.100.4 port 22 ssh2\n" for _ in range(6))
            os.write(write, text.encode() + b'{"event_type":"account_locked","user.name":"eve"}\n')
            wait_for("both alerts", lambda: {a["title"] for a in server.alerts()} == {"BRUTE_FORCE_ATTACK", "ACCOUNT_LOCKOUT"})
            assert len(server.query()) == 7
            os.close(write)


@test("ready within 5 s on 50,000 events")
def ready():
    with Server() as server:
        for i in range(50):
            server.send(*[{"n": i * 1000 + j, "event_type": "login_success", "user.name": "u", "@timestamp": now()} for j in range(1000)])
        server.kill()
        for name in ("checkpoint", "state.sqlite", "state.sqlite-wal", "state.sqlite-shm"):
            path = os.path.join(server.data, name)
            if os.path.exists(path):
                os.unlink(path)
        server.start(ready=False)
        server.wait_ready(5)
        assert len(server.query()) == 50000


@test("verify and query need neither server nor lock; damage is named, a torn tail is not damage")
def verify():
    with Server() as server:
        for i in range(20):
            server.send({"n": i})
        assert tocsin("verify", server.data)[0] == 0
        server.kill()
        code, out, err = tocsin("verify", "--format", "json", server.data)
        assert code == 0 and json.loads(out)["intact"] is True, err
        segment = sorted(n for n in os.listdir(os.path.join(server.data, "journal")) if n.endswith(".seg"))[0]
        path = os.path.join(server.data, "journal", segment)
        good = open(path, "rb").read()
        with open(path, "ab") as file:
            file.write(good[-100:-50])
        code, out, err = tocsin("verify", server.data)
        assert code == 0 and "torn" in out, (code, out, err)
        assert len(server.query()) == 20
        code, out, err = tocsin("query", "--data", server.data)
        assert code == 0 and f"torn tail: what stands in {path} from offset {len(good)} on" in err, (code, err)
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 0x40
        with open(path, "wb") as file:
            file.write(bad)
        code, out, err = tocsin("verify", server.data)
        assert code == 1 and segment in err, (code, out, err)
        code, out, err = tocsin("query", "--data", server.data)
        assert code == 1 and segment in err and "offset" in err and 0 < len(lines(out)) < 20, (code, out, err)
        with open(path, "wb") as file:
            file.write(good)
        assert tocsin("verify", server.data)[0] == 0
        assert tocsin("verify", os.path.join(server.data, "nowhere"))[0] == 2


@test("query: --from, --to, --limit, --all")
def query():
    with Server() as server:
        for hour in range(5):
            server.send({"n": hour, "@timestamp": now(-60 * hour)})
        server.send({"event_type": "account_locked", "user.name": "bob", "@timestamp": now()})
        wait_for("an alert", server.alerts)
        assert len(server.query()) == 6 and len(server.query("--limit", "2")) == 2
        assert [json.loads(e["raw"])["n"] for e in server.query("--from", now(-200), "--to", now(-90))] == [2, 3]
        kinds = {e["type"] for e in server.query("--all")}
        assert {"event", "tick", "activated", "finding", "decision", "intent"} <= kinds, kinds
        assert all(e["type"] == "event" for e in server.query())


@test("two servers on one directory: the second is refused with the remedy")
def locked():
    with Server() as server:
        code, _, err = tocsin("run", "--data", server.data, "--listen", f"127.0.0.1:{kit.free_port()}")
        assert code == 3 and "another" in err, (code, err)


@test("a disk that somebody else fills: 507 while it is full, then on without a restart; SIGTERM stops while it is full")
def full_disk():
    with kit.temporary() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, check=False).returncode != 0:
            raise kit.Skip("no right to mount a small file system")
        # a watched source makes a tick a second, each a write
        server = Server(data=os.path.join(folder, "data"), config="watch:\n  - source: none\n    interval: 1h\n")
        try:
            server.start()
            server.send({"event_type": "account_locked", "user.name": "a"})
            wait_for("the first alert", lambda: len(server.alerts()) == 1)

            def fill():
                alert = server.alerts()[0]["id"]

                def is_full():  # the reserve file goes first, and what it leaves is filled too
                    with open(os.path.join(folder, "other"), "ab", buffering=0) as file:
                        for size in (65536, 512):
                            try:
                                while file.write(b"x" * size) == size:
                                    pass
                            except OSError:
                                pass
                    return "\ntocsin_journal_full 1" in server.get("/metrics")[1]

                wait_for("507", lambda: is_full() is not None and server.post("/v1/events", b'{"n":1}')[0] == 507 or None)
                wait_for("a commit that waits", is_full, 60)
                assert server.post("/v1/events", b'{"n":1}')[2]["Retry-After"] == "10"
                assert server.get("/-/ready")[0] == 503 and server.get("/-/healthy")[0] == 200
                assert server.post(f"/v1/alerts/{alert}/ack", b"{}")[0] == 429

            fill()
            os.unlink(os.path.join(folder, "other"))
            wait_for("room", lambda: server.post("/v1/events", b'{"event_type":"account_locked","user.name":"b"}')[0] == 200)
            wait_for("the second alert", lambda: {a["labels"].get("user_name") for a in server.alerts()} == {"a", "b"})
            fill()
            assert server.stop() == 0
            assert tocsin("verify", server.data)[0] == 0
            os.unlink(os.path.join(folder, "other"))
            server.start()
            assert len(server.alerts()) == 2
        finally:
            if server.process.poll() is None:
                server.kill()
            server.log.close()
            subprocess.run(["umount", folder], check=False)


@test("configuration: unknown key with place and did you mean, secrets only by name, check")
def configuration():
    with kit.temporary() as folder:
        path = os.path.join(folder, "c.yml")

        def check(text):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return tocsin("check", "--config", path, env={"HOOK": "http://127.0.0.1:1/x"})
        code, _, err = check("listen: 127.0.0.1:1\nchanels: []\n")
        assert code == 2 and f"{path}:2:1" in err and 'did you mean "channels"?' in err, err
        code, _, err = check("channels:\n  - {name: a, type: slack, url: 'https://hooks.example/secret-part'}\n")
        assert code == 2 and "env:" in err and "secret-part" not in err, err
        assert check("channels:\n  - {name: a, type: slack, url: env:HOOK}\nlateness: 10m\nalerts: {dedup_window: 30m}\n")[0] == 0
        assert check("lateness: soon\n")[0] == 2
        code, _, err = check("listen: 0.0.0.0:9797\n")  # what run would refuse, check refuses
        assert code == 2 and "token" in err, err
        assert check("listen: 0.0.0.0:9797\nsources:\n  - {name: a, token: env:HOOK}\n")[0] == 0
        code, _, err = check("sources:\n  - {name: a, token: env:HOOK}\n  - {name: b, token: env:HOOK}\n")
        assert code == 2 and "same token" in err, err
        assert check(f"rules: [{folder}/nowhere]\n")[0] == 2
        assert tocsin("check", "--config", os.path.join(folder, "none"))[0] == 2


@test("the binary works from any folder")
def anywhere():
    with kit.temporary() as folder:
        server = Server()
        server.start = server.start  # the server is started below, from another folder
        process = subprocess.Popen([kit.TOCSIN, "run", "--data", os.path.join(folder, "data"), "--listen", f"127.0.0.1:{server.port}"],
                                   cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            server.process = process
            server.wait_ready()
            server.send(*failures(6))
            wait_for("the shipped pack's alert", server.alerts)
            assert server.get("/")[0] == 200
        finally:
            process.terminate()
            process.wait(30)


@test("server-sent events: an alert arrives at a listening page")
def stream():
    import socket
    with Server() as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
            s.sendall(f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAccept: text/event-stream\r\n\r\n".encode())
            got = b""
            while b"\r\n\r\n" not in got:
                got += s.recv(4096)
            server.send({"event_type": "account_locked", "user.name": "bob", "@timestamp": now()})
            while b"ACCOUNT_LOCKOUT" not in got:
                more = s.recv(4096)
                assert more, got
                got += more
            assert b"200" in got.split(b"\r\n")[0] and b"text/event-stream" in got and b"data: " in got


kit.main()
