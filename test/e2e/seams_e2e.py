"""Where the parts meet: all doors and channels at once within the sandbox, a restore that goes on with files where the backup stood,
timers on an idle server, and what a reload changes beside rules."""
import json
import os
import socket
import sys
import time

import kit
from kit import Receiver, Server, free_port, now, temporary, test, tocsin, wait_for
from peers import PASSWORD, Certificates, MailServer, write_journal

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import mmdb  # noqa: E402  pylint: disable=wrong-import-position

TOKEN = "officers-token-0123456789"


def line(user):
    return f"{time.strftime('%b %e %H:%M:%S', time.gmtime())} web sshd[77]: Failed password for {user} from 192.0.2.9 port 4001 ssh2\n"


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def raws(server, source):
    return [e["raw"] for e in server.query("--limit", "100000") if e.get("source", "").startswith(source)]


def by_name(url):
    """A name in place of the address, so that it must be resolved."""
    return url.replace("127.0.0.1", "localhost")


def locked(user):
    return {"event_type": "account_locked", "user.name": user, "@timestamp": now()}


@test("every door and every channel at once, with names to resolve and TLS: each delivers, and the sandbox refuses nothing")
def all_at_once():
    with temporary() as place, Receiver() as hook:
        certificates = Certificates(place)
        places, log, parsers = (os.path.join(place, name) for name in ("places.mmdb", "auth.log", "shop.yml"))
        with open(places, "wb") as file:
            file.write(mmdb.build({"203.0.113.0/24": {"country": {"iso_code": "DE"}}}))
        with open(parsers, "w", encoding="utf-8") as file:
            file.write("name: shop\nkind: pattern\npatterns:\n  - name: locked\n    event: account_locked\n"
                       "    regex: '^till locks (?<user>\\S+)$'\n")
        till = os.path.join(place, "till.log")
        read, write = os.pipe()
        udp, tcp = free_port(), free_port()
        with MailServer(certificates) as mail, open(read, "rb") as pipe:
            write_journal(f"{place}/journal", "a", [(1, {"MESSAGE": "Failed password for root from 192.0.2.8 port 1 ssh2", "SYSLOG_IDENTIFIER": "sshd",
                                                         "_HOSTNAME": "web", "PRIORITY": "6"})])
            config = f"""geoip: [{places}]
parsers: [{parsers}]
files:
  - {{name: auth, paths: ['{place}/auth*.log'], format: sshd, start: beginning}}
  - {{name: till, paths: ['{till}'], format: shop, start: beginning}}
journald: {{directory: '{place}/journal', start: beginning}}
syslog: {{udp: '127.0.0.1:{udp}', tcp: '127.0.0.1:{tcp}'}}
watch: [{{source: 'http:default', interval: 1h}}]
heartbeat: {{url: 'env:BEAT', interval: 1s}}
privacy: {{officers: [{{name: olga, token: 'env:TOKEN'}}]}}
channels:
  - {{name: out, type: stdout}}
  - {{name: file, type: file, path: '{place}/alerts.ndjson'}}
  - {{name: mail, type: email, smarthost: 'localhost:{mail.port}', from: t@example.com, to: [soc@example.com], auth_username: tocsin,
      auth_password: 'env:MAIL_PASSWORD', ca_file: '{certificates.ca}'}}
  - {{name: slack, type: slack, url: 'env:HOOK', fallback: mail}}
  - {{name: hook, type: webhook, url: 'env:HOOK', signing_keys: ['env:TOKEN']}}
  - {{name: pager, type: pagerduty, url: 'env:PAGER', routing_key: 'env:KEY'}}
routing: {{P1: [out, file, mail, slack, hook, pager], P2: [out, file, mail, slack, hook, pager], P3: [out, file, mail, slack, hook, pager]}}
"""
            env = {"HOOK": by_name(hook.url), "PAGER": by_name(hook.url) + "/pager", "BEAT": by_name(hook.url) + "/beat", "KEY": "0" * 32,
                   "TOKEN": TOKEN, "MAIL_PASSWORD": PASSWORD}
            server = Server(config=config, env=env, stdin=pipe, args=["--stdin"])
            with server:
                wait_for("the sandbox", lambda: server.metric("tocsin_sandbox_on") == 1 or "built with a sanitizer" in server.output())
                server.send(locked("http"))
                os.write(write, json.dumps(locked("stdin")).encode() + b"\n")
                append(log, line("tail"))
                append(till, "till locks shopkeeper\n")
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.sendto(b"<38>Nov 21 10:00:00 web sshd[1]: Failed password for udp from 192.0.2.1 port 1 ssh2", ("127.0.0.1", udp))
                with socket.create_connection(("127.0.0.1", tcp)) as s:
                    s.sendall(b"<38>1 2026-11-21T10:00:00Z web sshd 1 - - Failed password for tcp from 192.0.2.1 port 1 ssh2\n")
                wait_for("an event by each door", lambda: {e["source"].split(":")[0] for e in server.query()} >=
                         {"http", "stdin", "file", "journald", "syslog"})
                want = {"http:default": "confirmed", "stdin": "best_effort", "file:auth": "positioned", "journald": "positioned",
                        "syslog:udp:127.0.0.1": "fire_and_forget", "syslog:tcp:127.0.0.1": "best_effort"}
                wait_for("each source with its promise", lambda: want.items() <= {
                    s["name"]: s["class"] for s in json.loads(server.get("/v1/sources")[1]) if s["events"] > 0 and s["last_event"]}.items())
                os.rename(log, f"{log}.1")
                append(log, line("rotated"))
                append(f"{place}/auth2.log", line("new"))
                wait_for("rotated and new files", lambda: len(raws(server, "file:auth")) == 3)
                wait_for("three alerts", lambda: {"http", "stdin", "shopkeeper"} <= {a["labels"].get("user_name") for a in server.alerts()} or
                         len(server.alerts()) >= 3)
                with open(places, "wb") as file:
                    file.write(mmdb.build({"203.0.113.0/24": {"country": {"iso_code": "BR"}}}))
                assert server.request("POST", "/-/reload")[0] == 200
                server.send(locked("after"))
                wait_for("mails", lambda: len(mail.mails) >= 4)
                wait_for("all sent", lambda: json.loads(server.get("/api/v1/delivery")[1])["pending"] == 0)
                for end in ("/pager", "/beat"):
                    wait_for(end, lambda: any(path.endswith(end) for path, *_ in list(hook.requests)))  # pylint: disable=cell-var-from-loop
                assert tocsin("backup", "--data", server.data, "--to", f"{place}/b.tar.zst")[0] == 0
                alert = next(a for a in server.alerts() if "after" not in json.dumps(a["labels"]))
                code, _, err = tocsin("alerts", "reveal", alert["id"], "--reason", "case 1", "--url", f"http://127.0.0.1:{server.port}",
                                      env={"TOCSIN_PRIVACY_TOKEN": TOKEN})
                assert code == 0, err
                assert server.refused_calls() == 0, server.output()
                os.close(write)


@test("L-04 A-05 a restored directory goes on with files and the journal of systemd where the backup stood: each line once")
def restored_positions():
    with temporary() as place:
        log, journal = f"{place}/app.log", f"{place}/journal"
        config = f"files: [{{name: app, paths: ['{log}'], start: beginning}}]\njournald: {{directory: '{journal}', start: beginning}}\n"

        def entry(number):
            return number, {"MESSAGE": f"number {number}", "_HOSTNAME": "web", "SYSLOG_IDENTIFIER": "app"}
        with Server(config=config) as server:
            append(log, "".join(f"line {n}\n" for n in range(100)))
            write_journal(journal, "a", [entry(n) for n in range(1, 6)])
            wait_for("all", lambda: len(raws(server, "file:")) == 100 and len(raws(server, "journald")) == 5)
            code, _, err = tocsin("backup", "--data", server.data, "--to", f"{place}/b.tar.zst")
            assert code == 0, err
            append(log, "".join(f"line {n}\n" for n in range(100, 150)))  # the first server reads these, the backup does not know them
            wait_for("the rest", lambda: len(raws(server, "file:")) == 150)
        os.rename(log, f"{log}.1")
        append(log, "".join(f"line {n}\n" for n in range(150, 200)))
        write_journal(journal, "b", [entry(n) for n in range(10, 13)])
        data = f"{place}/restored"
        assert tocsin("restore", "--from", f"{place}/b.tar.zst", "--data", data)[0] == 0
        with Server(data=data, config=config) as server:
            wait_for("what the backup did not have", lambda: len(raws(server, "file:")) >= 200 and len(raws(server, "journald")) >= 8)
            server.send({"n": 1})
            assert sorted(raws(server, "file:"), key=lambda r: int(r.split()[1])) == [f"line {n}" for n in range(200)]
            assert len(raws(server, "journald")) == 8


@test("L-04 H-02 a backup with its vault: persons can be revealed after the restore, held messages name nobody, and go out once released")
def restored_vault():
    with temporary() as place, Receiver() as hook:
        config = "channels: [{name: slack, type: slack, url: env:HOOK}]\nprivacy: {officers: [{name: olga, token: env:TOKEN}]}\n"
        env = {"HOOK": hook.url, "TOKEN": TOKEN}
        with hook.lock:
            hook.answers = [(503, {"Retry-After": "3600"})] * 50
        with Server(config=config, env=env) as server:
            server.send(locked("grace"))
            wait_for("a try", lambda: hook.requests)
            code, _, err = tocsin("backup", "--data", server.data, "--to", f"{place}/b.tar.zst", "--with-vault")
            assert code == 0, err
        with hook.lock:
            hook.answers, hook.requests = [], []
        code, out, err = tocsin("restore", "--from", f"{place}/b.tar.zst", "--data", f"{place}/restored")
        assert code == 0 and "grace" not in out, (out, err)
        with Server(data=f"{place}/restored", config=config, env=env) as server:
            (alert,) = server.alerts()
            url = f"http://127.0.0.1:{server.port}"
            code, out, err = tocsin("alerts", "reveal", alert["id"], "--reason", "case 2", "--url", url, env={"TOCSIN_PRIVACY_TOKEN": TOKEN})
            assert code == 0 and "grace" in out, (out, err)
            assert hook.requests == []
            assert tocsin("release", "--url", url)[0] == 0
            (message,) = wait_for("the message", hook.bodies)
            assert "grace" not in json.dumps(message)


FEW = """title: Beat
id: 00000000-0000-4000-8000-00000000000a
name: beat
logsource: {category: job}
detection:
    s: {event_type: beat}
    condition: s
level: low
---
title: TOO_FEW
id: 00000000-0000-4000-8000-00000000000b
correlation:
    type: event_count
    rules: [beat]
    group-by: [host.name]
    timespan: 4s
    condition: {lt: 3}
level: high
---
title: SEEN
id: 00000000-0000-4000-8000-00000000000c
logsource: {category: job}
detection:
    s: {event_type: seen}
    condition: s
level: high
"""


def beat(what="beat"):
    return {"event_type": what, "host.name": "h", "@timestamp": now()}


@test("timers fire in time on an idle server: too few events, an alert that resolves by itself, a source that is silent")
def timers():
    with temporary() as place:
        append(f"{place}/rules.yml", FEW)
        config = (f"rules: [{place}/rules.yml]\nlateness: 1s\nalerts: {{resolve_after: 4s}}\n")
        with Server(config=config) as server:
            time.sleep(3)  # past the ticks of the start
            begun = time.monotonic()
            server.send(beat("seen"))
            wait_for("its alert", lambda: any(a["title"] == "SEEN" for a in server.alerts()))
            wait_for("it is resolved", lambda: not any(a["title"] == "SEEN" for a in server.alerts()), 8)
            assert 3.5 < time.monotonic() - begun < 6.5, time.monotonic() - begun
            begun = time.monotonic()
            server.send(beat())
            wait_for("too few", lambda: any(a["title"] == "TOO_FEW" for a in server.alerts()), 10)
            assert 3.5 < time.monotonic() - begun < 4 + 1 + 2.5, time.monotonic() - begun
        with Server(config="watch: [{source: 'http:default', interval: 2s}]\n") as server:
            server.send(beat("seen"))
            begun = time.monotonic()
            wait_for("silence", lambda: any(a["title"] == "SOURCE_SILENT" for a in server.alerts()), 10)
            assert 3 < time.monotonic() - begun < 6.5, time.monotonic() - begun


@test("L-05 a rule whose pattern reaches its match limit is named by RULE_ERROR within seconds, over a reload and a kill, too")
def rule_error():
    with temporary() as place:
        rules = f"{place}/rules.yml"
        append(rules, "title: Repeats\nid: 00000000-0000-4000-8000-00000000000d\nlogsource: {category: job}\ndetection:\n"
                      "    s: {'text|re': '^(a|aa|a?a)+$'}\n    condition: s\nlevel: high\n---\n" + FEW)
        with Server(config=f"rules: [{rules}]\n") as server:
            time.sleep(2)  # past the ticks of the start

            def told(count):
                return [a for a in server.alerts() if a["title"] == "RULE_ERROR" and a["count"] == count]
            for count in (1, 2):
                server.send({"text": "a" * 500 + "!", "@timestamp": now()})
                (alert,) = wait_for("RULE_ERROR", lambda: told(count), 5)  # pylint: disable=cell-var-from-loop
                assert alert["labels"]["tocsin_rule"] == "Repeats (00000000-0000-4000-8000-00000000000d)", alert
                append(rules, "\n")
                assert server.request("POST", "/-/reload")[0] == 200
                server.kill()
                server.start()


@test("a rule that has to forget for want of room is named by RULE_STATE_FULL, and a kill neither loses nor repeats that")
def rule_state_full():
    with temporary() as place:
        rules = f"{place}/rules.yml"
        append(rules, "title: Values\nid: 00000000-0000-4000-8000-00000000000f\nlogsource: {category: job}\ndetection: {s: {kind: seen}, condition: s}\n"
                      "level: high\ntocsin: {owner: o, runbook: r, building_block: true, new_value: {field: value, group-by: [user], timespan: 1d}}\n")
        with Server(config=f"rules: [{rules}]\n") as server:
            server.send(*({"kind": "seen", "user": "u", "value": str(i), "@timestamp": now()} for i in range(300)))  # 256 are kept
            server.kill()
            server.start()
            (alert,) = wait_for("RULE_STATE_FULL", lambda: [a for a in server.alerts() if a["title"] == "RULE_STATE_FULL"], 15)
            assert alert["labels"]["tocsin_rule"] == "Values (00000000-0000-4000-8000-00000000000f)" and alert["count"] == 1, alert
            server.kill()
            server.start()
            (alert,) = [a for a in server.alerts() if a["title"] == "RULE_STATE_FULL"]
            assert alert["count"] == 1, alert


@test("Y-08 a reload says what else was changed in the configuration and waits for a restart; watch is in force at once")
def reload_says():
    with temporary() as place, Server(config="lateness: 1h\n") as server:
        path = os.path.join(server.data, "tocsin.yml")

        def write(text):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            status, answer, _ = server.request("POST", "/-/reload")
            return status, json.loads(answer)
        assert write("lateness: 1h # the same\n")[1]["restart_needed"] == []
        append(f"{place}/p.yml", "name: shop\nkind: pattern\npatterns:\n  - {name: a, event: b, regex: '^c'}\n")
        status, answer = write(f"lateness: 2h\nparsers: [{place}/p.yml]\nrouting: {{P1: [stdout]}}\nalerts: {{resolve_after: 1h}}\n"
                               "watch: [{source: 'http:default', interval: 1s}]\n")
        assert status == 200 and sorted(answer["restart_needed"]) == ["lateness", "parsers", "routing"], answer
        assert "lateness, " in server.output() or "routing" in server.output(), server.output()
        server.send(beat("seen"))
        wait_for("the watch is in force", lambda: any(a["title"] == "SOURCE_SILENT" for a in server.alerts()), 10)
        assert write("lateness: 1h\n")[1]["restart_needed"] == []


@test("a reload while another thread reads the metrics: the figures are of the rules in force, and the service goes on")
def reload_and_metrics():
    with temporary() as place:
        rules = f"{place}/rules.yml"
        append(rules, FEW)
        with Server(config=f"rules: [{rules}]\n") as server:
            for i in range(40):
                with open(rules, "w", encoding="utf-8") as file:
                    file.write(FEW.replace("SEEN", f"SEEN{i}") if i % 2 else FEW.split("---\n", maxsplit=1)[0])
                assert server.request("POST", "/-/reload")[0] == 200
                wait_for("the number of rules", lambda: server.metric("tocsin_rules") == (3 if i % 2 else 1), 5)


kit.main()
