"""Reading the rules anew while the service runs: on SIGHUP and by API; what is refused changes nothing."""
import datetime
import hashlib
import json
import os
import signal
import sys

import kit
from kit import Server, now, test, tocsin, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import mmdb  # noqa: E402  pylint: disable=wrong-import-position

RULES = """title: Failed
id: 00000000-0000-4000-8000-000000000001
name: failed
logsource: {{category: authentication}}
detection:
    selection: {{event_type: login_failed}}
    condition: selection
level: low
---
title: {title}
id: 00000000-0000-4000-8000-000000000002
correlation:
    type: event_count
    rules: [failed]
    group-by: [source.ip]
    timespan: 5m
    condition: {{gt: 5}}
level: high
---
title: Locked
id: 00000000-0000-4000-8000-000000000003
logsource: {{category: authentication}}
detection:
    selection: {{event_type: {locked}}}
    condition: selection
level: medium
"""


def failures(n, address="203.0.113.7"):
    return [{"@timestamp": now(), "event_type": "login_failed", "source.ip": address, "user.name": "alice"} for _ in range(n)]


def write(path, **words):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(RULES.format(**{"title": "Brute", "locked": "account_locked", **words}))
    os.rename(path + ".new", path)


def titles(server):
    return sorted(a["title"] for a in server.alerts())


class Ruled(Server):
    """A server of one rule file, which the test rewrites."""

    def __init__(self, directory):
        self.rules = os.path.join(directory, "rules.yml")
        write(self.rules)
        super().__init__(config=f"rules: [{self.rules}]\n")

    def hang_up(self, successful=True):
        stamp = self.metric("tocsin_config_last_reload_success_timestamp_seconds")
        self.process.send_signal(signal.SIGHUP)
        if successful:
            wait_for("the reload", lambda: self.metric("tocsin_config_last_reload_success_timestamp_seconds") > stamp)
            assert self.metric("tocsin_config_last_reload_successful") == 1
        else:
            wait_for("the refusal", lambda: self.metric("tocsin_config_last_reload_successful") == 0)
            assert self.metric("tocsin_config_last_reload_success_timestamp_seconds") == stamp


@test("Y-08 SIGHUP in mid-window keeps the window: three failures, reload, three more")
def mid_window():
    with kit.temporary() as directory, Ruled(directory) as server:
        server.send(*failures(3))
        write(server.rules, title="Brute force in other words", locked="account_closed")
        server.hang_up()
        assert titles(server) == []
        server.send(*failures(3))
        (alert,) = wait_for("the alert", server.alerts)
        assert alert["title"] == "Brute force in other words", alert
        server.send({"event_type": "account_closed", "user.name": "bob", "@timestamp": now()})
        wait_for("the changed rule", lambda: titles(server) == ["Brute force in other words", "Locked"])


@test("Y-08 I-12 a bad file refuses the whole reload, with its place; the rules in force go on")
def refused():
    with kit.temporary() as directory, Ruled(directory) as server:
        server.send(*failures(3))
        with open(server.rules, "a", encoding="utf-8") as file:
            file.write("---\ntitle: broken\ndetection:\n    s: {a: 1}\n    condition: nothing\n")
        status, text, _ = server.post("/-/reload", "")
        error = json.loads(text)["error"]
        assert status == 400 and f"{server.rules}:31:16:" in error, (status, error)
        assert server.metric("tocsin_config_last_reload_successful") == 0
        server.hang_up(successful=False)
        assert "rules.yml:31:16:" in server.output()
        server.send(*failures(3))
        wait_for("the alert of the old rules", lambda: titles(server) == ["Brute"])
        with open(os.path.join(server.data, "tocsin.yml"), "a", encoding="utf-8") as file:
            file.write("rulez: []\n")
        status, text, _ = server.post("/v1/reload", "")
        assert status == 400 and "tocsin.yml:2:1" in text and "rules" in text, (status, text)


@test("Y-08 by API: what changed is said; the same again changes nothing; a restart goes on with the same")
def by_api():
    with kit.temporary() as directory, Ruled(directory) as server:
        server.send(*failures(4))
        write(server.rules, locked="account_closed")
        status, text, _ = server.request("POST", "/-/reload")
        assert status == 200, (status, text)
        assert json.loads(text) == {"status": "success", "rules": 3, "unchanged": 2, "changed": 1, "added": 0, "removed": 0, "metric_rules": 0,
                                    "restart_needed": []}
        status, text, _ = server.request("POST", "/-/reload")
        assert json.loads(text)["unchanged"] == 3
        server.kill()
        server.start()
        server.send(*failures(2))
        wait_for("the alert", lambda: titles(server) == ["Brute"])
        assert server.stop() == 0
        code, out, err = tocsin("verify", server.data)
        assert code == 0, (out, err)


class Routed:
    """Two files that are told of alerts, and a configuration that says which of them is told of what."""

    def __init__(self, directory, more=""):
        self.directory = directory
        self.rules = os.path.join(directory, "rules.yml")
        write(self.rules)
        self.server = Server(config=self.text("routing: {P3: [one]}\n" + more))

    def text(self, rest, channels=("one", "two")):
        rows = "".join(f"  - {{name: {name}, type: file, path: '{self.directory}/{name}'}}\n" for name in channels)
        return f"rules: [{self.rules}]\nchannels:\n{rows}{rest}"

    def reload(self, rest, channels=("one", "two")):
        with open(os.path.join(self.server.data, "tocsin.yml"), "w", encoding="utf-8") as file:
            file.write(self.text(rest, channels))
        status, text, _ = self.server.post("/-/reload", "")
        return status, json.loads(text)

    def told(self, name):
        path = f"{self.directory}/{name}"
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [line["alert"]["labels"]["user_name"] for line in kit.lines(file.read())]

    def lock(self, user):
        self.server.send({"event_type": "account_locked", "user.name": user, "@timestamp": now()})

    def explained(self, user):
        (alert,) = [a for a in self.server.alerts() if a["labels"]["user_name"] == user]
        return " ".join(stage["says"] for stage in json.loads(self.server.get(f"/v1/alerts/{alert['id']}/explain")[1]))


@test("Y-08 X-18 routing is in force with a reload: whom the next alert tells, its routes, and what explain says of it")
def routing_anew():
    with kit.temporary() as directory:
        world = Routed(directory)
        with world.server as server:
            world.lock("anna")
            wait_for("the first", lambda: world.told("one") == ["anna"])
            status, answer = world.reload("routing: {P3: [one], routes: [{match: 'user_name=~\"b.*\"', P3: [two]}]}\nalerts: {dedup_window: 2h}\n")
            assert status == 200 and answer["restart_needed"] == [] and answer["unchanged"] == 3, answer
            world.lock("ben")
            world.lock("carl")
            wait_for("both", lambda: world.told("two") == ["ben"] and world.told("one") == ["anna", "carl"])
            text = world.explained("ben")
            assert "two is told: routing names it for P3, by the 1. of its routes" in text and "one is not told" in text, text
            assert "within 2h" in text, text
            status, answer = world.reload("routing: {P3: [three]}\n")
            assert status == 400 and 'there is no channel "three"' in answer["error"], answer
            world.lock("bo")
            wait_for("the old routes go on", lambda: world.told("two") == ["ben", "bo"])
            for i in range(20):  # while alerts are decided
                assert world.reload(f"routing: {{P3: [{'one' if i % 2 else 'two'}]}}\n")[0] == 200
                world.lock(f"u{i}")
            wait_for("each of them once", lambda: len(world.told("one")) + len(world.told("two")) == 24)
            assert server.metric("tocsin_config_last_reload_successful") == 1
            assert server.stop() == 0, server.output()


@test("Y-08 routing that names a channel of tomorrow waits for the restart, all of it, and says so; rules and alerts do not wait")
def routing_waits():
    with kit.temporary() as directory:
        world = Routed(directory)
        with world.server as server:
            status, answer = world.reload("routing: {P3: [three]}\ndigest: {channels: [two]}\nalerts: {dedup_window: 3h}\n", ("one", "two", "three"))
            assert status == 200 and sorted(answer["restart_needed"]) == ["channels", "digest", "routing"], answer
            assert "channel three is made at a restart only" in server.output(), server.output()
            world.lock("anna")
            wait_for("the old channel", lambda: world.told("one") == ["anna"])
            assert "within 3h" in world.explained("anna")
            status, answer = world.reload("routing: {P3: [two]}\n")
            assert status == 200 and answer["restart_needed"] == [], answer
            world.lock("ben")
            wait_for("the new one", lambda: world.told("two") == ["ben"])


@test("Y-08 D-18 a policy that tells a channel which is made at a restart only refuses the reload")
def policy_of_tomorrow():
    with kit.temporary() as directory:
        people = os.path.join(directory, "people.yml")
        world = Routed(directory, f"oncall: {people}\n")
        with open(people, "w", encoding="utf-8") as file:
            file.write("roles: {manager: [{channel: two}]}\n")
        with world.server:
            with open(people, "w", encoding="utf-8") as file:
                file.write("roles: {manager: [{channel: three}]}\n")
            status, answer = world.reload(f"oncall: {people}\n", ("one", "two", "three"))
            assert status == 400 and "three" in answer["error"] and "made at a restart" in answer["error"] and people in answer["error"], answer


CALENDAR = "---\ncalendar: work\nhours: {{monday-sunday: '{hours}'}}\nholidays: [{holidays}]\n"


@test("D-17 the next business day is that of a calendar among the rules; a reload and a restart keep to it; one that is not there is refused")
def business_days():
    today = datetime.datetime.now(datetime.timezone.utc).date()
    days = [today + datetime.timedelta(days=n) for n in range(1, 12)]
    with kit.temporary() as directory:
        world = Routed(directory)

        def calendar(hours, holidays):
            write(world.rules)
            with open(world.rules, "a", encoding="utf-8") as file:
                file.write(CALENDAR.format(hours=hours, holidays=holidays))

        def due(user):
            (alert,) = [a for a in world.server.alerts() if a["labels"]["user_name"] == user]
            status, text, _ = world.server.post(f"/v1/alerts/{alert['id']}/task", json.dumps({"what": "verify_next_business_day", "by": "me"}),
                                                {"Content-Type": "application/json"})
            assert status == 200, text
            return json.loads(text)["tasks"][-1]["due"]
        with world.server as server:
            world.lock("anna")
            wait_for("the alert", lambda: world.told("one") == ["anna"])
            assert due("anna").endswith("T09:00:00Z")
            status, answer = world.reload("alerts: {business_calendar: work}\n")
            assert status == 400 and 'there is no calendar "work" among the rules' in answer["error"], answer
            calendar("07:30-16:00", f"{days[0]}..{days[4]}")
            assert world.reload("alerts: {business_calendar: work}\n")[0] == 200
            assert due("anna") in [f"{day}T07:30:00Z" for day in days[5:7]], due("anna")
            calendar("06:15-16:00", f"{days[0]}..{days[6]}")
            assert world.reload("alerts: {business_calendar: work}\n")[0] == 200
            assert due("anna") in [f"{day}T06:15:00Z" for day in days[7:9]], due("anna")
            server.kill()
            server.config = world.text("alerts: {business_calendar: work}\n")
            server.start()
            assert due("anna") in [f"{day}T06:15:00Z" for day in days[7:9]], due("anna")
            write(world.rules)
            code, _, err = tocsin("check", "--config", os.path.join(server.data, "tocsin.yml"))
            assert code == 2 and 'there is no calendar "work"' in err, (code, err)


@test("Y-08 reloads under load lose no event")
def under_load():
    with kit.temporary() as directory, Ruled(directory) as server:
        for i in range(30):
            write(server.rules, title=f"Brute {i}")
            server.send(*failures(10, f"203.0.113.{i}"))
            status, text, _ = server.request("POST", "/-/reload")
            assert status == 200, text
        wait_for("all alerts", lambda: len(server.alerts()) == 30)
        wait_for("all counts", lambda: sum(a["count"] for a in server.alerts()) == 30 * 5)
        assert server.metric("tocsin_events_accepted_total") == 300


@test("Y-08 the alert of a rule that is gone stays, and can be resolved")
def rule_gone():
    with kit.temporary() as directory, Ruled(directory) as server:
        server.send({"event_type": "account_locked", "user.name": "bob", "@timestamp": now()})
        (alert,) = wait_for("the alert", server.alerts)
        with open(server.rules, "w", encoding="utf-8") as file:
            file.write(RULES.format(title="Brute", locked="x").split("---")[0])
        assert json.loads(server.request("POST", "/-/reload")[1])["removed"] == 2
        assert titles(server) == ["Locked"]
        status, text, _ = server.post(f"/v1/alerts/{alert['id']}/resolve", json.dumps({"by": "carol"}))
        assert status == 200, text
        assert titles(server) == []


@test("C-110 placeholders have values from files that the configuration names, for run and check; a reload reads them anew")
def placeholders():
    with kit.temporary() as directory:
        rules, values = os.path.join(directory, "rules.yml"), os.path.join(directory, "values.yml")
        with open(rules, "w", encoding="utf-8") as file:
            file.write("title: Stranger\nid: s\nlogsource: {category: authentication}\ndetection:\n    s: {event_type: login_success}\n"
                       "    known: {'user.name|expand': '%people%'}\n    condition: s and not known\nlevel: high\n")
        config = f"rules: [{rules}]\nplaceholders: [{values}]\n"
        with open(values, "w", encoding="utf-8") as file:
            file.write("placeholders: {people: [alice, 'svc_*']}\n")
        with Server(config=config) as server:
            server.send(login("alice", "10.0.0.1"), login("svc_backup", "10.0.0.1"), login("bob", "10.0.0.1"))
            (alert,) = wait_for("an alert", server.alerts)
            assert "bob" in alert["message"] or "bob" in json.dumps(alert["labels"]), alert
            with open(values, "w", encoding="utf-8") as file:
                file.write("placeholders: {people: [bob]}\n")
            assert json.loads(server.request("POST", "/-/reload")[1])["changed"] == 1
            server.send(login("bob", "10.0.0.1"), login("alice", "10.0.0.1"))
            wait_for("alice", lambda: "alice" in json.dumps(server.alerts()))
            path = os.path.join(server.data, "tocsin.yml")
            assert tocsin("check", "--config", path)[0] == 0
            os.remove(values)
            assert tocsin("check", "--config", path)[0] == 2
            assert server.request("POST", "/-/reload")[0] == 400


@test("C-110 lists among the rules: asked by name, read anew on SIGHUP, each content on record; kill -9 and a start give the same alerts")
def lists():
    with kit.temporary() as directory:
        rules, bad = os.path.join(directory, "rules.yml"), os.path.join(directory, "bad.list")
        contents = ["203.0.113.0/24\n198.51.100.1;2020-01-01\n", "".join(f"10.{n >> 12 & 255}.{n >> 4 & 255}.{n << 4 & 255}/28\n" for n in range(200000))]

        def found(server):
            return sum(alert["count"] for alert in server.alerts())

        def fill(content):
            with open(bad + ".new", "w", encoding="utf-8") as file:
                file.write(content)
            os.rename(bad + ".new", bad)

        with open(rules, "w", encoding="utf-8") as file:
            file.write("title: Bad\nid: b\nlogsource: {category: authentication}\ndetection:\n    s: {'source.ip|cidr|expand': '%bad%'}\n"
                       "    condition: s\nlevel: high\n")
        fill(contents[0])
        with Server(config=f"rules: [{directory}]\n") as server:
            server.send(login("carol", "198.51.100.1"), login("bob", "10.2.3.4"), login("alice", "203.0.113.7"))
            (alert,) = wait_for("an alert", server.alerts)
            assert alert["count"] == 1 and "203.0.113.7" in json.dumps(alert), alert
            fill(contents[1])
            stamp = server.metric("tocsin_config_last_reload_success_timestamp_seconds")
            server.process.send_signal(signal.SIGHUP)
            wait_for("the reload", lambda: server.metric("tocsin_config_last_reload_success_timestamp_seconds") > stamp)
            server.send(login("bob", "10.2.3.4"), login("bob", "10.2.3.5"), login("alice", "203.0.113.7"))
            wait_for("three", lambda: found(server) == 3)
            server.kill()
            for name in ("checkpoint", "state.sqlite", "state.sqlite-wal", "state.sqlite-shm"):
                if os.path.exists(os.path.join(server.data, name)):
                    os.remove(os.path.join(server.data, name))
            fill("")  # old events are judged by what was in force then, not by what lies there now
            server.start()
            assert found(server) == 3, server.alerts()
            server.send(login("bob", "10.2.3.4"), login("eve", "203.0.113.7"))
            assert server.stop() == 0
            for content in contents:
                with open(os.path.join(server.data, "objects", hashlib.sha256(content.encode()).hexdigest()), "rb") as file:
                    assert file.read() == content.encode()
            server.start()
            assert found(server) == 3, server.alerts()


def write_places(path, **countries):
    """An MMDB of countries: a=DE is 203.0.113.0/25, b=… the other half."""
    networks = {"a": "203.0.113.0/25", "b": "203.0.113.128/25"}
    content = mmdb.build({networks[k]: {"country": {"iso_code": v}} for k, v in countries.items()})
    with open(path + ".new", "wb") as file:
        file.write(content)
    os.rename(path + ".new", path)
    return hashlib.sha256(content).hexdigest()


def login(user, address):
    return {"@timestamp": now(), "event_type": "login_success", "source.ip": address, "user.name": user}


@test("C-81 A-29 a login from a country that the user never showed: the file in force is on record, and is read anew")
def places():
    with kit.temporary() as directory:
        path = os.path.join(directory, "places.mmdb")
        first = write_places(path, a="DE", b="DE")
        with Server(config=f"geoip: [{path}]\n") as server:
            server.send(login("alice", "203.0.113.7"), login("bob", "10.0.0.1"), login("bob", "203.0.113.7"))
            second = write_places(path, a="DE", b="BR")
            server.send(login("alice", "203.0.113.200"))
            assert server.request("POST", "/-/reload")[0] == 200
            server.send(login("alice", "203.0.113.7"), login("alice", "203.0.113.201"), login("carol", "203.0.113.202"))
            (alert,) = wait_for("the alert", server.alerts)
            assert alert["title"] == "ANOMALOUS_LOGIN_LOCATION" and alert["severity"] == "P3", alert
            assert alert["labels"]["user_name"] == "alice", alert
            with open(path, "wb") as file:
                file.write(b"no such file")
            status, text, _ = server.request("POST", "/-/reload")
            assert status == 400 and "places.mmdb" in text, (status, text)
            server.send(login("bob", "203.0.113.203"))
            wait_for("the old file is still asked", lambda: len(server.alerts()) == 2)
            server.kill()
            with open(path, "wb") as file:
                file.write(mmdb.build({"203.0.113.0/24": {"country": {"iso_code": "JP"}}}))
            server.start()
            server.send(login("alice", "203.0.113.7"))
            wait_for("JP is new", lambda: [a["count"] for a in server.alerts() if a["labels"]["user_name"] == "alice"] == [2])
            assert server.stop() == 0
            records = b"".join(open(os.path.join(server.data, "journal", name), "rb").read()
                               for name in sorted(os.listdir(os.path.join(server.data, "journal"))))
            at = [records.find(b'"files":[{"what":"geoip"'), records.find(first.encode()), records.find(second.encode())]
            assert min(at) >= 0 and at[1] < at[2], at


kit.main()
