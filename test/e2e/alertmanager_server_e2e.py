"""An Alertmanager in one process: its API, its timers over real sockets, its webhooks, and what survives a restart."""
import base64
import ctypes
import datetime
import glob
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import kit
import peers

CONFIG = """
route:
  receiver: hook
  group_by: [alertname]
  group_wait: %(wait)s
  group_interval: %(interval)s
  repeat_interval: %(repeat)s
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity="warning"]
  equal: [host]
receivers:
- name: hook
  webhook_configs:
  - url: %(url)s
    %(more)s
"""


class Alertmanager:
    def __init__(self, url, wait="1s", interval="1s", repeat="1h", more="", args=()):
        self.folder = tempfile.mkdtemp(prefix="tocsin-am-")
        self.config = os.path.join(self.folder, "alertmanager.yml")
        self.settings = {"url": url, "wait": wait, "interval": interval, "repeat": repeat, "more": more}
        self.write(CONFIG % self.settings)
        self.args = list(args)
        self.log = os.path.join(self.folder, "log")
        self.process = None
        self.port = None

    def write(self, text):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        with open(self.log, "ab") as log:
            at = log.tell()
            self.process = subprocess.Popen(
                [kit.TOCSIN, "alertmanager", "--config.file=" + self.config, "--web.listen-address", "127.0.0.1:0",
                 "--storage.path=" + os.path.join(self.folder, "data"), "--log.level=debug", *self.args],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def listening():
            assert self.process.poll() is None, self.output()
            return re.search(r'level=INFO source=\S+ msg="Listening on" address=127\.0\.0\.1:(\d+)', self.output()[at:])
        self.port = int(kit.wait_for("the line Listening on", listening).group(1))
        return self

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def call(self, method, path, body=None, content="application/json", raw=False):
        headers = {"Content-Type": content} if body is not None else {}
        status, text, _ = kit.Server.request(self, method, path, None if body is None else body if raw else json.dumps(body),
                                             headers)
        return status, text

    def get(self, path):
        status, text = self.call("GET", path)
        assert status == 200, (path, status, text)
        return json.loads(text)

    def push(self, *alerts):
        status, text = self.call("POST", "/api/v2/alerts", list(alerts))
        assert status == 200, (status, text)

    def silence(self, *matchers, seconds=600, **more):
        now = datetime.datetime.now(datetime.timezone.utc)
        body = {"matchers": [{"name": n, "value": v, "isRegex": False} for n, v in matchers], "startsAt": iso(now),
                "endsAt": iso(now + datetime.timedelta(seconds=seconds)), "createdBy": "me", "comment": "works", **more}
        status, text = self.call("POST", "/api/v2/silences", body)
        assert status == 200, (status, text)
        return json.loads(text)["silenceID"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0, self.output()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def iso(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alert(name, ended=False, **labels):
    made = {"labels": {"alertname": name, **labels}}
    if ended:
        made["endsAt"] = iso(datetime.datetime.now(datetime.timezone.utc))
    return made


def bodies(hook):
    with hook.lock:
        return [json.loads(body) for _, _, body, status in hook.requests if status == 200]


def names(body):
    return sorted((a["status"], a["labels"]["alertname"], a["labels"].get("host", "")) for a in body["alerts"])


@kit.test("alertmanager: a group waits, tells once, and tells its end; the body is a webhook's of version 4")
def life():
    with kit.Receiver() as hook, Alertmanager(hook.url) as am:
        am.push(alert("Disk", host="a") | {"annotations": {"summary": "full <90%> & more"}, "generatorURL": "http://p/g"})
        am.push(alert("Disk", host="b"))
        kit.wait_for("one webhook", lambda: len(bodies(hook)) == 1)
        body = bodies(hook)[0]
        assert names(body) == [("firing", "Disk", "a"), ("firing", "Disk", "b")], body
        assert list(body) == ["receiver", "status", "alerts", "notification_reason", "groupLabels", "commonLabels",
                              "commonAnnotations", "routeLabels", "externalURL", "version", "groupKey", "truncatedAlerts"]
        assert (body["receiver"], body["status"], body["version"]) == ("hook", "firing", "4"), body
        assert body["groupKey"] == '{}:{alertname="Disk"}' and body["groupLabels"] == {"alertname": "Disk"}, body
        assert body["commonLabels"] == {"alertname": "Disk"} and body["commonAnnotations"] == {}, body
        assert list(body["alerts"][0]) == ["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL",
                                           "fingerprint"], body
        assert body["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z", body
        assert r"full \u003c90%\u003e \u0026 more" in hook.requests[0][2], hook.requests[0][2]
        am.push(alert("Disk", ended=True, host="a"), alert("Disk", ended=True, host="b"))
        kit.wait_for("its end", lambda: len(bodies(hook)) == 2)
        assert bodies(hook)[1]["status"] == "resolved", bodies(hook)[1]
        assert names(bodies(hook)[1]) == [("resolved", "Disk", "a"), ("resolved", "Disk", "b")]
        kit.wait_for("no group", lambda: am.get("/api/v2/alerts/groups") == [])
        am.stop()


@kit.test("alertmanager: what still fires is repeated after repeat_interval")
def repeat():
    with kit.Receiver() as hook, Alertmanager(hook.url, repeat="2s") as am:
        am.push(alert("Again"))
        kit.wait_for("a repeat", lambda: len(bodies(hook)) >= 2)
        assert [b["notification_reason"] for b in bodies(hook)[:2]] == ["first notification", "repeat interval elapsed"]


@kit.test("alertmanager: a failing webhook is tried again; max_alerts, basic_auth and a templated url hold")
def sending():
    with kit.Receiver(answers=[(500, {}), (503, {})]) as hook:
        more = "max_alerts: 1\n    http_config: {basic_auth: {username: u, password: sesame}}"
        with Alertmanager('"' + hook.url + '/{{ .GroupLabels.alertname }}"', more=more) as am:
            am.push(alert("T", host="a"), alert("T", host="b"))
            kit.wait_for("it is taken", lambda: len(bodies(hook)) == 1)
            path, headers, _, _ = hook.requests[-1]
            body = bodies(hook)[0]
            assert len(body["alerts"]) == 1 and body["truncatedAlerts"] == 1, body
            assert path.endswith("/T") and headers["Authorization"] == "Basic dTpzZXNhbWU=", (path, headers)
            assert len(hook.requests) == 3, len(hook.requests)
            keys = {headers["Idempotency-Key"] for _, headers, _, _ in hook.requests}
            assert len(keys) == 1 and re.fullmatch("[0-9a-f]{32}", keys.pop()), keys
            assert "sesame" not in am.output()
            shown = am.get("/api/v2/status")["config"]["original"]
            assert "sesame" not in shown and hook.url not in shown and "<secret>" in shown, shown
            metrics = am.call("GET", "/metrics")[1]
            assert 'alertmanager_notification_requests_failed_total{integration="webhook"} 2' in metrics, metrics
            assert 'alertmanager_notifications_failed_total{integration="webhook"} 0' in metrics, metrics


@kit.test("alertmanager: url_file, payload, bearer tokens and headers; what http_config asks for in vain is said, not dropped")
def logins():
    with kit.Receiver() as hook:
        more = """http_config:
      authorization: {credentials_file: token}
      tls_config: {insecure_skip_verify: true}
      http_headers: {X-Team: {values: [red], secrets: [hidden]}}
    payload: {text: '{{ .CommonLabels.alertname }} fires', number: 7, list: [true, '{{ len .Alerts }}']}
  - url: http://127.0.0.1:9/
    http_config: {tls_config: {ca_ref: store}, basic_auth: {username: u}}"""
        with Alertmanager("http://x", more=more) as am:
            with open(os.path.join(am.folder, "token"), "w", encoding="utf-8") as file:
                file.write("sesame\n")
            with open(os.path.join(am.folder, "address"), "w", encoding="utf-8") as file:
                file.write(hook.url + "\n")
            am.write((CONFIG % am.settings).replace("url: http://x", "url_file: address"))
            assert am.call("POST", "/-/reload")[0] == 200, am.output()
            am.push(alert("Login"))
            kit.wait_for("one webhook", lambda: len(bodies(hook)) == 1)
            _, headers, body, _ = hook.requests[0]
            assert headers["Authorization"] == "Bearer sesame", headers
            assert json.loads(body) == {"text": "Login fires", "number": 7, "list": [True, 1]}, body
            kit.wait_for("the complaint", lambda: "http_config: ca_ref: there is no secret manager" in am.output())
            shown = am.get("/api/v2/status")["config"]["original"]
            assert "hidden" not in shown and "red" in shown and "127.0.0.1:9" not in shown, shown


@kit.test("Y-07 alertmanager: the status shows what is in force, with defaults, and it can be read again as the same")
def shown_config():
    with Alertmanager("http://127.0.0.1:9/hook") as am:
        am.write("""
global: {slack_api_url: 'https://hooks.example.com/services/T/B/sesame', smtp_smarthost: 'mail.example.com:587', smtp_from: a@example.com}
route:
  receiver: hook
  routes:
  - {matchers: [team="x", 'b=~"c d"'], receiver: chat, mute_time_intervals: [nights], continue: true, group_wait: 90s}
  - {match_re: {team: 'y|z'}, receiver: hook}
receivers:
- name: hook
  webhook_configs: [{url: 'http://127.0.0.1:9/hook', payload: {n: 7, list: [1, {a: b}, []]}}]
- name: chat
  slack_configs: [{channel: '#c', title: ''}]
  email_configs: [{to: b@example.com, headers: {X-Team: "a: b"}}]
time_intervals:
- name: nights
  time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}], weekdays: ['monday:friday'], location: Europe/Berlin}]
""")
        assert am.call("POST", "/-/reload")[0] == 200, am.output()
        shown = am.get("/api/v2/status")["config"]["original"]
        for wanted in ('resolve_timeout: 5m', 'pagerduty_url: https://events.pagerduty.com/v2/enqueue', "send_resolved: true",
                       "follow_redirects: true", 'title: ""', "smarthost: mail.example.com:587", "api_url: <secret>",
                       "url: <secret>", "group_wait: 1m30s", "{{ template \\\"slack.default.text\\\" . }}"):
            assert wanted in shown, (wanted, shown)
        assert "sesame" not in shown and "127.0.0.1:9" not in shown, shown
        am.write(shown)
        assert am.call("POST", "/-/reload")[0] == 200, am.output()
        assert am.get("/api/v2/status")["config"]["original"] == shown


@kit.test("Y-07 alertmanager: karma and dashboards find a semantic version, latencies and the process; the first API is gone")
def clients():
    with kit.Receiver() as hook, Alertmanager(hook.url) as am:
        am.push(alert("Seen"))
        kit.wait_for("one webhook", lambda: len(bodies(hook)) == 1)
        assert re.fullmatch(r"0\.34\.0\+tocsin\.[0-9.]+", am.get("/api/v2/status")["versionInfo"]["version"])

        def metrics():
            text = am.call("GET", "/metrics")[1]
            return text if 'alertmanager_notification_latency_seconds_count{integration="webhook"} 1' in text else None
        text = kit.wait_for("the latency", metrics)
        for wanted in ('alertmanager_build_info{version="0.34.0+tocsin.', "alertmanager_integrations 1\n",
                       'alertmanager_notification_latency_seconds_bucket{integration="webhook",le="+Inf"} 1',
                       'alertmanager_notification_latency_seconds_sum{integration="webhook"} ', "alertmanager_inhibition_rules 1\n",
                       "process_resident_memory_bytes ", "process_start_time_seconds "):
            assert wanted in text, (wanted, text)
        for method, path in (("GET", "/api/v1/alerts"), ("POST", "/api/v1/alerts"), ("GET", "/api/v1/alerts/groups"),
                             ("DELETE", "/api/v1/silence/1")):
            status, text = am.call(method, path)
            assert status == 410 and json.loads(text)["status"] == "deprecated", (path, status, text)


@kit.test("alertmanager: silences and inhibition keep quiet, and say so in the API")
def quiet():
    with kit.Receiver() as hook, Alertmanager(hook.url) as am:
        silence = am.silence(("host", "s"))
        am.push(alert("Silent", host="s"), alert("Cause", host="c", severity="critical"))
        am.push(alert("Effect", host="c", severity="warning"))
        kit.wait_for("the cause", lambda: len(bodies(hook)) >= 1)
        found = {a["labels"]["alertname"]: a for a in am.get("/api/v2/alerts")}
        assert found["Silent"]["status"] == {"inhibitedBy": [], "mutedBy": [], "silencedBy": [silence],
                                             "state": "suppressed"}, found["Silent"]
        assert found["Effect"]["status"]["inhibitedBy"] == [found["Cause"]["fingerprint"]], found["Effect"]
        assert found["Cause"]["status"]["state"] == "active" and found["Cause"]["receivers"] == [{"name": "hook"}]
        assert [a["labels"]["alertname"] for a in am.get("/api/v2/alerts?silenced=false&inhibited=false")] == ["Cause"]
        wanted = urllib.parse.quote('alertname=~"Sil.*"')
        assert len(am.get("/api/v2/alerts?filter=" + wanted)) == 1
        assert am.get("/api/v2/alerts?receiver=other") == []
        assert [g["labels"] for g in am.get("/api/v2/alerts/groups?silenced=false&inhibited=false")] == [{"alertname": "Cause"}]
        status, _ = am.call("DELETE", "/api/v2/silence/" + silence)
        assert status == 200
        kit.wait_for("what was silenced", lambda: ("firing", "Silent", "s") in [n for b in bodies(hook) for n in names(b)])
        assert all(n[1] != "Effect" for b in bodies(hook) for n in names(b)), bodies(hook)
        assert am.get("/api/v2/silence/" + silence)["status"] == {"state": "expired"}


@kit.test("alertmanager: silences are changed, pending, expired and refused as Alertmanager does")
def silences():
    with kit.Receiver() as hook, Alertmanager(hook.url) as am:
        now = datetime.datetime.now(datetime.timezone.utc)
        first = am.silence(("a", "b"))
        have = am.get("/api/v2/silence/" + first)
        assert have["matchers"] == [{"isEqual": True, "isRegex": False, "name": "a", "value": "b"}], have
        assert have["status"]["state"] == "active" and have["createdBy"] == "me" and have["comment"] == "works", have
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", have["updatedAt"]), have
        same = am.silence(("a", "b"), id=first, startsAt=have["startsAt"], comment="longer", seconds=900)
        assert same == first and am.get("/api/v2/silence/" + first)["comment"] == "longer"
        other = am.silence(("a", "c"), id=first)
        assert other != first and am.get("/api/v2/silence/" + first)["status"]["state"] == "expired"
        later = am.silence(("z", "z"), startsAt=iso(now + datetime.timedelta(seconds=300)))
        assert [(s["id"], s["status"]["state"]) for s in am.get("/api/v2/silences")] == [
            (other, "active"), (later, "pending"), (first, "expired")]
        assert [s["id"] for s in am.get("/api/v2/silences?filter=a%3Dc")] == [other]
        forever = am.silence(("for", "ever"), endsAt="9999-12-31T23:59:59Z")
        assert am.get("/api/v2/silence/" + forever)["status"]["state"] == "active"
        for change, status, text in (({"endsAt": iso(now - datetime.timedelta(hours=1)), "startsAt": iso(now - datetime.timedelta(hours=2))},
                                      400, "Failed to create silence: end time can't be in the past"),
                                     ({"startsAt": iso(now + datetime.timedelta(hours=9))}, 400,
                                      "Failed to create silence: start time must be before end time"),
                                     ({"id": "00000000-0000-4000-8000-000000000000"}, 404, "silence not found"),
                                     ({"matchers": [{"name": "a", "value": "", "isRegex": False}]}, 400,
                                      "invalid silence: matcher set 0: at least one matcher must not match the empty string")):
            body = {"matchers": [{"name": "a", "value": "b", "isRegex": False}], "startsAt": iso(now), "createdBy": "",
                    "endsAt": iso(now + datetime.timedelta(hours=1)), "comment": "", **change}
            got = am.call("POST", "/api/v2/silences", body)
            assert got[0] == status and json.loads(got[1]) == text, got
        assert am.call("GET", "/api/v2/silence/nonsense")[0] == 422
        assert am.call("DELETE", "/api/v2/silence/00000000-0000-4000-8000-000000000000")[0] == 404


@kit.test("alertmanager: alerts that are wrong are refused by name, and the good ones beside them are taken")
def refusals():
    with kit.Receiver() as hook, Alertmanager(hook.url) as am:
        got = am.call("POST", "/api/v2/alerts", [alert("Good"), {"labels": {}}, {"labels": {"a": ""}}])
        assert got[0] == 400 and json.loads(got[1]) == "at least one label pair required\nat least one label pair required", got
        assert [a["labels"] for a in am.get("/api/v2/alerts")] == [{"alertname": "Good"}]
        assert am.call("POST", "/api/v2/alerts", [{"annotations": {}}])[0] == 422
        assert am.call("POST", "/api/v2/alerts", "[{", raw=True)[0] == 400
        assert am.call("POST", "/api/v2/alerts", "[]", content="text/plain", raw=True)[0] == 415
        assert am.call("GET", "/api/v2/alerts?filter=%7B%7B")[0] == 400
        assert am.call("GET", "/api/v3/alerts")[0] == 404 and am.call("DELETE", "/api/v2/alerts")[0] == 405
        times = {"startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"}
        got = am.call("POST", "/api/v2/alerts", [alert("X") | times])
        assert got[0] == 400 and json.loads(got[1]) == "start time must be before end time", got


@kit.test("alertmanager: a reload keeps what was told; a bad file is refused and changes nothing")
def reload():
    with kit.Receiver() as hook, Alertmanager(hook.url) as am:
        am.push(alert("Kept"))
        kit.wait_for("one webhook", lambda: len(bodies(hook)) == 1)
        am.write(CONFIG % am.settings + "unknown: 1\n")
        status, text = am.call("POST", "/-/reload")
        assert status == 500 and text.startswith("failed to reload config: ") and "unknown" in text, (status, text)
        assert "alertmanager_config_last_reload_successful 0" in am.call("GET", "/metrics")[1]
        am.write(CONFIG % am.settings + "- name: mail\n  email_configs: [{to: a@b.c, from: d@e.f, smarthost: 'localhost:25'}]\n" +
                 "tracing: {endpoint: 'localhost:4317'}\n")
        assert am.call("POST", "/-/reload")[0] == 200
        assert "tracing is configured: this version does not trace" in am.output(), am.output()
        assert [r["name"] for r in am.get("/api/v2/receivers")] == ["hook", "mail"]
        am.process.send_signal(1)
        kit.wait_for("SIGHUP", lambda: am.output().count("Completed loading of configuration file") == 3)
        am.push(alert("Kept", host="new"))
        kit.wait_for("the new one", lambda: len(bodies(hook)) == 2)
        assert [b["notification_reason"] for b in bodies(hook)] == ["first notification", "new alerts added"]
        assert am.call("GET", "/-/healthy") == (200, "OK") and am.call("GET", "/-/ready") == (200, "OK")


@kit.test("alertmanager: silences and the notification log survive a kill: nothing is told twice")
def restart():
    with kit.Receiver() as hook, Alertmanager(hook.url) as am:
        silence = am.silence(("host", "s"))
        am.push(alert("Once"), alert("Silent", host="s"))
        kit.wait_for("told", lambda: len(bodies(hook)) == 1)
        kit.wait_for("and kept", lambda: "Notify success" in am.output())
        am.kill()
        state = os.path.join(am.folder, "data", "tocsin-alertmanager.state")
        with open(state, "ab") as file:
            file.write(b"torn")
        am.start()
        assert [s["id"] for s in am.get("/api/v2/silences")] == [silence]
        am.push(alert("Once"), alert("Silent", host="s"), alert("Other"))
        kit.wait_for("the other one", lambda: len(bodies(hook)) == 2)
        am.push(alert("Once", ended=True))
        kit.wait_for("the end of what was told before", lambda: len(bodies(hook)) == 3)
        assert [names(b) for b in bodies(hook)] == [[("firing", "Once", "")], [("firing", "Other", "")],
                                                    [("resolved", "Once", "")]], bodies(hook)
        am.stop()


SHOWN = """
route:
  receiver: team
  group_wait: 30s
  routes:
  - {matchers: ['team=~"a|b"'], receiver: hook, mute_time_intervals: [nights]}
receivers:
- name: team
  slack_configs: [{channel: '#x', api_url: 'https://hooks.slack.example/sesame', http_config: {authorization: {credentials: sesame}}}]
  email_configs: [{to: x@y.example, from: a@b.example, smarthost: 'localhost:25', auth_password: sesame}]
- name: hook
  webhook_configs: [{url: 'http://127.0.0.1:9/sesame', timeout: 90s}]
time_intervals:
- name: nights
  time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}], location: Europe/Berlin}]
"""


@kit.test("alertmanager: the status shows the configuration with all defaults and without secrets, and what is shown can be loaded")
def shown():
    with Alertmanager("http://127.0.0.1:9/") as am:
        am.write(SHOWN)
        assert am.call("POST", "/-/reload")[0] == 200, am.output()
        text = am.get("/api/v2/status")["config"]["original"]
        assert "sesame" not in text, text
        lines = text.splitlines()
        for line in ("global:", "  resolve_timeout: 5m", "    follow_redirects: true", "  smtp_hello: localhost", "  smtp_require_tls: true",
                     "  pagerduty_url: https://events.pagerduty.com/v2/enqueue", "  receiver: team", "  continue: false", "  group_wait: 30s",
                     "      continue: false", "    slack_configs:", "      - send_resolved: false", "        api_url: <secret>", "          authorization:",
                     "            credentials: <secret>", "        auth_password: <secret>", "        require_tls: true", '        smarthost: "localhost:25"',
                     "        timeout: 1m30s", "        max_alerts: 0", "      - send_resolved: true", "        location: Europe/Berlin", "templates: []"):
            assert line in lines, (line, text)
        assert '{{ template \\"slack.default.title\\" . }}' in text, text
        am.write(text)
        assert am.call("POST", "/-/reload")[0] == 200, am.output()
        assert am.get("/api/v2/status")["config"]["original"] == text, "it is what its own reading gives"


@kit.test("alertmanager: amtool works against it")
def amtool():
    found = glob.glob("build/peers/prometheus-alertmanager/usr/bin/amtool")
    if not found:
        raise kit.Skip("amtool is not here")
    with kit.Receiver() as hook, Alertmanager(hook.url) as am:
        def run(*args, code=0):
            done = subprocess.run([os.path.abspath(found[0]), f"--alertmanager.url=http://127.0.0.1:{am.port}", *args],
                                  capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == code, (args, done)
            return done.stdout
        run("alert", "add", "alertname=FromTool", "host=h", "--annotation=summary=yes")
        assert "FromTool" in run("alert", "query", "host=h")
        silence = run("silence", "add", "--author=me", "--comment=c", "host=h").strip()
        assert silence in run("silence", "query")
        assert "FromTool" not in run("alert", "query", "host=h")
        run("silence", "expire", silence)
        assert silence not in run("silence", "query")
        assert "receiver: hook" in run("config", "show")
        assert "ready" in run("cluster", "show")


@kit.test("alertmanager: called by that name it takes Alertmanager's flags")
def by_name():
    with kit.Receiver() as hook, Alertmanager(hook.url) as am:
        link = os.path.join(am.folder, "alertmanager")
        os.symlink(kit.TOCSIN, link)
        done = subprocess.run([link, "--config.file", "/nowhere.yml", "--web.listen-address=127.0.0.1:0", "--storage.path",
                               os.path.join(am.folder, "other"), "--cluster.listen-address="],
                              capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1 and "/nowhere.yml" in done.stderr, done
        done = subprocess.run([link, "--version"], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0 and done.stdout.startswith("tocsin "), done


@kit.test("alertmanager: --web.config.file: TLS, logins by bcrypt, headers; what is not done there is refused by name")
def web_config():
    with kit.Receiver() as hook, kit.temporary() as folder:
        own, path = peers.Certificates(folder), os.path.join(folder, "web.yml")

        def write(text):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        write("""
tls_server_config: {cert_file: cert.pem, key_file: key.pem, min_version: TLS12}
http_server_config: {headers: {X-Frame-Options: deny, Strict-Transport-Security: max-age=60}}
basic_auth_users: {ali: "%s"}
""" % bcrypt("sesame"))
        with Alertmanager(hook.url, args=["--web.config.file=" + path]) as am:
            context = ssl.create_default_context(cafile=own.ca)

            def ask(login):
                request = urllib.request.Request(f"https://127.0.0.1:{am.port}/api/v2/status")
                if login:
                    request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
                try:
                    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                        return answer.status, dict(answer.headers)
                except urllib.error.HTTPError as error:
                    return error.code, dict(error.headers)
            assert [ask(login)[0] for login in (None, "ali:wrong", "bob:sesame", "ali:sesame", "ali:sesame", "ali:wrong")] == [
                401, 401, 401, 200, 200, 401]
            assert ask(None)[1]["WWW-Authenticate"] == "Basic"
            headers = ask("ali:sesame")[1]
            assert headers["X-Frame-Options"] == "deny" and headers["Strict-Transport-Security"] == "max-age=60", headers

            def begun(login):  # half of a body
                line = f"Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
                sock = context.wrap_socket(socket.create_connection(("127.0.0.1", am.port), 10), server_hostname="127.0.0.1")
                sock.sendall(f"POST /api/v2/alerts HTTP/1.1\r\nHost: a\r\n{line}Content-Type: application/json\r\nContent-Length: 20000\r\n\r\n".encode() + b" " * 10000)
                return sock

            def kept():
                request = urllib.request.Request(f"https://127.0.0.1:{am.port}/metrics", headers={
                    "Authorization": "Basic " + base64.b64encode(b"ali:sesame").decode()})
                with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                    return int(re.search(r"^tocsin_alertmanager_body_bytes (\d+)$", answer.read().decode(), re.M)[1])
            with begun("ali:wrong") as stranger, begun("ali:sesame") as known:
                kit.wait_for("the body of who may enter, alone", lambda: kept() == 10000)
                for sock, status in ((known, b"400"), (stranger, b"401")):
                    sock.sendall(b" " * 10000)
                    assert sock.recv(100).split()[1] == status
                assert kept() == 0
            try:
                am.call("GET", "/api/v2/status")
                raise AssertionError("it answers without TLS")
            except (OSError, http.client.HTTPException):
                pass
        for text, problem in (("rate_limit: {burst: 1}", "web.yml:1: rate_limit is not done"), ("basic_auth_users: {a: plain}", "no bcrypt hash"),
                              ("tls_server_config: {cert_file: cert.pem}", "missing key_file"), ("tls_config: {}", "tls_config"),
                              ("tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: RequireAnyClientCert}",
                               "does not do client_auth_type RequireAnyClientCert")):
            write(text)
            code, _, err = kit.tocsin("alertmanager", "--config.file", am_config(folder, hook.url), "--web.config.file", path,
                                      "--storage.path", folder, "--web.listen-address=127.0.0.1:0", timeout=20)
            assert code == 1 and problem in err, (text, code, err)


def am_config(folder, url):
    path = os.path.join(folder, "am.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(CONFIG % {"url": url, "wait": "1s", "interval": "1s", "repeat": "1h", "more": ""})
    return path


def bcrypt(password):
    """A hash of cost 5, by the library that checks it."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), b"$2b$05$abcdefghijklmnopqrstuu").decode()


@kit.test("alertmanager: a socket that systemd hands over; a limit of alerts by name")
def handed_over():
    with kit.Receiver() as hook, kit.temporary() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"', kit.TOCSIN, "alertmanager", "--config.file",
                   am_config(folder, hook.url), "--storage.path", folder, "--web.systemd-socket", "--alerts.per-alertname-limit=2"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, preexec_fn=lambda: os.dup2(listener.fileno(), 3), close_fds=False)
        try:
            class Peer:
                port = None
            Peer.port = port
            body = json.dumps([alert("Flood", n=str(i)) for i in range(5)])
            status, text, _ = kit.Server.request(Peer, "POST", "/api/v2/alerts", body, {"Content-Type": "application/json"})
            assert status == 200, text
            metrics = kit.Server.request(Peer, "GET", "/metrics")[1]
            assert "alertmanager_alerts_limited_total 3" in metrics and 'alertmanager_alerts{state="active"} 2' in metrics, metrics
        finally:
            process.terminate()
            process.wait(20)
    code, _, err = kit.tocsin("alertmanager", "--config.file", "/dev/null", "--web.systemd-socket", timeout=20)
    assert code == 1, err


kit.main()
