"""Rules from the command line: pipelines, explanations, lints, tests with JUnit, correlations of numbers."""
import json
import os
import re
import tempfile
import xml.etree.ElementTree

import kit
from kit import lines, test, tocsin

RULE = """title: R
id: r
logsource: {product: windows, category: process_creation}
tocsin: {owner: o, runbook: b}
detection:
  sel:
    Image|endswith: '\\cmd.exe'
    User: bob
  condition: sel
"""


def folder():
    return tempfile.TemporaryDirectory(prefix="tocsin-sigma-")


def write(where, name, text):
    path = os.path.join(where, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def count(*args):
    code, out, err = tocsin("scan", "--format", "json", *args)
    assert code == 0, (code, err)
    return len(lines(out))


@test("C-110 a pipeline lets a rule judge events of other names; an unknown one is refused by name and place")
def pipelines():
    with folder() as where:
        rule = write(where, "rule.yml", RULE)
        ecs = write(where, "ecs.json", json.dumps({"process": {"executable": "C:\\cmd.exe"}, "user": {"name": "bob"}}) + "\n")
        flat = write(where, "flat.json", json.dumps({"Image": "C:\\cmd.exe", "User": "bob"}) + "\n")
        assert count("--rules", rule, flat) == 1 and count("--rules", rule, ecs) == 0
        assert count("--rules", rule, "--pipeline", "ecs", ecs) == 1 and count("--rules", rule, "--pipeline", "ecs", flat) == 0
        own = write(where, "own.yml", "transformations:\n  - type: field_name_mapping\n    mapping: {process.executable: exe}\n")
        exe = write(where, "exe.json", json.dumps({"exe": "C:\\cmd.exe", "user": {"name": "bob"}}) + "\n")
        later = write(where, "later.yml", "priority: 99\n" + open(own).read())
        assert count("--rules", rule, "--pipeline", "ecs", "--pipeline", later, exe) == 1
        assert count("--rules", where, flat) == 1, "a pipeline that lies among rules is not used unless named"
        bad = write(where, "bad.yml", "transformations:\n  - type: set_state\n    key: a\n    val: b\n  - type: make_coffee\n")
        for verb in (["scan", "--rules", rule, "--pipeline", bad, flat], ["check", "--pipeline", bad, rule]):
            code, out, err = tocsin(*verb)
            assert code == 2 and f"{bad}:5:" in err and "make_coffee" in err, (code, err)
        code, out, err = tocsin("scan", "--rules", rule, "--pipeline", "nobody", flat)
        assert code == 2 and "sysmon" in err and "ecs" in err, err
        code, out, err = tocsin("check", "--config", write(where, "tocsin.yml", f"rules: [{rule}]\npipelines: [ecs]\n"))
        assert code == 0, err
        code, out, err = tocsin("check", "--config", write(where, "tocsin2.yml", f"rules: [{rule}]\npipelines: [{bad}]\n"))
        assert code == 2 and "make_coffee" in err, err


@test("C-110 explain says of each part why it holds or not, as table and JSON")
def explain():
    with folder() as where:
        rule = write(where, "rule.yml", RULE)
        code, out, err = tocsin("explain", "rule", "r", '{"Image":"C:\\\\cmd.exe","User":"eve"}', "--rules", rule)
        assert code == 1 and "no      line User: no value matches [eve] (line 8)" in out, (code, out, err)
        code, out, err = tocsin("explain", "rule", "R", '{"Image":"C:\\\\cmd.exe","User":"BOB"}', "--rules", rule, "--format", "json")
        tree = json.loads(out)
        assert code == 0 and tree["holds"] and tree["parts"][-1]["text"] == "sel" and len(tree["parts"][-1]["parts"]) == 2, out
        events = write(where, "events.json", '{"Image":"x"}\n{"User":"bob","Image":"\\\\cmd.exe"}\n')
        code, out, err = tocsin("explain", "rule", "r", events, "--rules", rule, "--format", "json")
        assert code == 0 and [one["holds"] for one in lines(out)] == [False, True], out
        assert lines(out)[0]["parts"][-1]["parts"][1]["why"] == "the event has no such field", out
        for args in (["rule", "nobody", "{}"], ["rule", "r", "{"], ["rule", "r", "/no/such/file"], ["alert", "r", "{}"]):
            code, out, err = tocsin("explain", *args, "--rules", rule)
            assert code == 2 and err, (args, code, err)


@test("D-19 check lints with file, line and column; --strict and JSON")
def lint():
    with folder() as where:
        rule = write(where, "rule.yml", RULE + "  filter: {a: 1}\n")
        code, out, err = tocsin("check", rule)
        assert code == 0 and f"{rule}:10:3: " in err and "1 warnings" in out, (out, err)
        assert tocsin("check", "--strict", rule)[0] == 1
        code, out, err = tocsin("check", "--format", "json", rule)
        (note,) = lines(out)
        assert (note["verdict"], note["construct"], note["line"], note["column"]) == ("warning", "unused selection", 10, 3), note
        bad = write(where, "bad.yml", RULE.replace("condition: sel", "condition: 1 of other_*"))
        code, out, err = tocsin("check", "--format", "json", bad)
        assert code == 2 and lines(out)[0]["verdict"] == "error" and lines(out)[0]["construct"] == "unknown selection", out
        old = write(where, "old.yml", RULE.replace("condition: sel", "condition: sel | count() > 5"))
        code, out, err = tocsin("check", old)
        assert code == 2 and "correlation" in err, err


@test("C-110 test: exit codes, last line, JUnit")
def rule_tests():
    with folder() as where:
        write(where, "rule.yml", RULE)
        good = "tests:\n  - name: <fires> & \"fires\"\n    events:\n      - {at: 0s, event: {Image: 'C:\\cmd.exe', User: bob}}\n    expect: [{rule: R, exactly: %d}]\n"
        path = write(where, "a.yml", good % 1)
        junit = os.path.join(where, "out.xml")
        code, out, err = tocsin("test", "--junit", junit, path)
        assert code == 0 and out.splitlines()[-1] == "1 passed, 0 failed", (code, out, err)
        (case,) = xml.etree.ElementTree.parse(junit).getroot()
        assert case.get("name") == '<fires> & "fires"' and len(case) == 0
        write(where, "b.yml", good % 2)
        write(where, "c.yml", "tests: 5\n")
        code, out, err = tocsin("test", "--junit", junit, path, os.path.join(where, "b.yml"))
        assert code == 1 and out.splitlines()[-1] == "1 passed, 1 failed", out
        code, out, err = tocsin("test", "--junit", junit, where)
        assert code == 2 and out.splitlines()[-1] == "1 passed, 1 failed", out
        root = xml.etree.ElementTree.parse(junit).getroot()
        assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1"), root.attrib
        assert tocsin("test", "--junit", "/no/such/dir/x.xml", path)[0] == 2


@test("C-111 value_sum and a condition in words from a file, threads make no difference")
def numbers():
    with folder() as where:
        rules = write(where, "rules.yml", """title: Sent
id: s
name: sent
logsource: {category: proxy}
detection: {s: {kind: sent}, condition: s}
---
title: Login
id: l
name: login
logsource: {category: proxy}
detection: {s: {kind: login}, condition: s}
---
title: Exfiltration
id: x
correlation:
  type: value_sum
  rules: [sent]
  group-by: [user]
  timespan: 1h
  condition: {field: bytes, gt: 1000}
---
title: Sent without login
id: w
correlation: {type: temporal, condition: sent and not login, group-by: [user], timespan: 10m}
""")
        events = []
        for minute in range(60):
            for user in ("ann", "bob"):
                time = f"2026-01-05T10:{minute:02}:00Z"
                if user == "ann" and minute % 5 == 0:
                    events.append({"@timestamp": time, "kind": "login", "user": user})
                events.append({"@timestamp": time, "kind": "sent", "user": user, "bytes": 10 if user == "ann" else 20.5})
        path = write(where, "events.json", "".join(json.dumps(e) + "\n" for e in events))
        outs = [tocsin("scan", "--format", "json", "--rules", rules, "--threads", n, path)[1] for n in ("1", "4")]
        assert outs[0] == outs[1]
        found = lines(outs[0])
        (sum_,) = [f for f in found if f["rule"]["title"] == "Exfiltration"]
        assert sum_["group"] == {"user": "bob"} and sum_["value"] == "1004.5" and sum_["count"] == 49, sum_
        without = [f for f in found if f["rule"]["title"] == "Sent without login"]
        assert without and {f["group"]["user"] for f in without} == {"bob"}, without


@test("C-111 replay finds in the journal what a server with the same rules found")
def replay():
    rules = RULES_OF_REPLAY
    with folder() as where:
        path = write(where, "rules.yml", rules)
        config = "lateness: 1h\nrules: [" + path + "]\n"
        with kit.Server(config=config) as server:
            for batch in range(6):
                server.send(*[{"@timestamp": kit.now(-600 + batch * 100 + i), "kind": "k%d" % (i % 3), "user": "u%d" % (i % 4), "n": i}
                              for i in range(40)])
            kit.wait_for("all findings", lambda: len(live(server)) >= 4)
            code, while_running, err = tocsin("replay", "--rules", path, "--data", server.data, "--format", "json")
            assert code == 0, err
            server.kill()
            expected = live(server)
            found = replayed(path, server.data)
            assert found == expected and len(found) >= 4, (len(found), len(expected))
            assert replayed(path, server.data, "--threads", "1") == expected
            times = sorted(f["time"] for f in found)
            later = replayed(path, server.data, "--from", times[-1])
            assert 0 < len(later) < len(found) and all(f["time"] >= times[-1] for f in later)
            other = write(where, "other.yml", rules.replace("k1", "k2"))
            assert replayed(other, server.data) != expected
            assert tocsin("replay", "--rules", path)[0] == 2
            assert tocsin("replay", "--rules", path, "--data", "/no/such")[0] == 2


@test("absence: who stays away is told of by a tick, also when the process was killed in between; replay finds the same")
def absence():
    rule = ("title: Silent\nid: a\nlogsource: {category: heartbeat}\ndetection:\n  beat: {event_type: beat}\n  condition: beat\n"
            "level: high\ntocsin: {owner: o, runbook: r, absence: {group-by: [host.name], timespan: 4s}}\n")
    with folder() as where:
        path = write(where, "rule.yml", rule)
        with kit.Server(config=f"lateness: 1s\nrules: [{path}]\n") as server:
            def beat(host):
                server.send({"@timestamp": kit.now(), "event_type": "beat", "host.name": host})

            def silent():
                return sorted(json.dumps(alert["labels"]) for alert in server.alerts())
            beat("one")
            beat("two")
            server.kill()
            server.start()
            beat("two")
            kit.wait_for("the first", lambda: len(silent()) >= 1)
            assert "one" in silent()[0], silent()
            kit.wait_for("both, with nothing coming in at all", lambda: len(silent()) == 2)
            beat("one")
            server.kill()
            found = replayed(path, server.data)
            assert found == live(server) and len(found) == 2, found
            server.start()
            kit.wait_for("one again", lambda: sum(alert["count"] for alert in server.alerts()) == 3)


@test("C-110 check --data warns of fields that no event in the journal has, with file, line and column")
def never_seen():
    rules = ("title: used\nid: a\nlogsource: {category: authentication}\ntocsin: {owner: o, runbook: b}\ndetection:\n  s:\n    Image: x\n    Imagee: y\n"
             "    Other|exists: false\n  f: {Misspelt: z}\n  condition: s and not f\n---\n"
             "title: foreign\nid: b\nlogsource: {product: okta}\ntocsin: {owner: o, runbook: b}\ndetection: {s: {eventType: x}, condition: s}\n---\n"
             "title: counted\nid: c\ntocsin: {owner: o, runbook: b}\n"
             "correlation: {type: event_count, rules: [a], group-by: [Userr], timespan: 1h, condition: {gte: 3}}\n")
    with folder() as where:
        path = write(where, "rule.yml", rules)
        with kit.Server() as server:
            server.send({"@timestamp": kit.now(), "event_type": "login_failed", "Image": "x"})
            kit.wait_for("the event", lambda: tocsin("check", "--data", server.data, path)[0] == 0)
            code, out, err = tocsin("check", "--data", server.data, "--format", "json", "--strict", path)
            found = [(note["line"], note["column"], note["construct"]) for note in lines(out)]
            assert code == 1 and found == [(8, 5, "field never seen"), (17, 17, "field never seen"), (19, 1, "field never seen")], (code, out)
            code, out, err = tocsin("check", "--data", os.path.join(where, "nowhere"), path)
            assert code == 2 and "nowhere" in err, (code, err)


BEHAVIOUR = """title: failed
id: failed
name: failed
logsource: {category: authentication}
detection: {s: {event_type: login_failed}, condition: s}
---
title: Many failed
id: many
level: medium
correlation: {type: event_count, rules: [failed], group-by: [user.name], timespan: 10m, condition: {gte: 3}}
tocsin: {owner: soc, secondary_owner: leadership, runbook: r, actions: [z first, a then], raise: [{severity: critical, condition: {gte: 5}}]}
---
title: Came in
id: came
logsource: {category: authentication}
detection: {s: {event_type: login_success}, condition: s}
tocsin: {owner: soc, runbook: r, action: reset, resets: [many]}
---
title: Travelled
id: travel
level: high
logsource: {category: authentication}
detection: {s: {event_type: login_success}, condition: s}
tocsin: {owner: soc, runbook: r, travel: {group-by: [user.name], place: at, timespan: 1d}}
---
title: Late work
id: late
level: low
logsource: {category: any}
detection: {s: {sensitive: true}, h: {'@timestamp|expand': '%office%'}, condition: s and not h}
tocsin: {owner: soc, runbook: r}
"""
ALWAYS, NEVER = ("calendar: office\nhours: {monday-sunday: \"00:00-24:00\"}\n",
                 "calendar: office\nhours: {monday-sunday: \"00:00-24:00\"}\nholidays: [1990-01-01..2100-01-01]\n")


@test("D-13 D-21 C-89 a server raises, resets, and knows of travel and of hours, over kills and a reload in the middle; replay finds the same")
def behaviour():
    with folder() as where:
        rules = write(where, "rules.yml", BEHAVIOUR)
        calendar = write(where, "calendar.yml", ALWAYS)
        with kit.Server(config=f"rules: [{rules}, {calendar}]\n") as server:
            def event(**fields):
                server.send({"@timestamp": kit.now(), **fields})

            def alert(title, state="firing"):
                return [a for a in server.alerts() if a["title"] == title and a["state"] == state]
            for _ in range(2):
                event(event_type="login_failed", **{"user.name": "ann"})
            event(event_type="login_success", at={"location": {"lat": 50.9, "lon": 7}}, **{"user.name": "bob"})
            event(sensitive=True, **{"user.name": "ann"})
            server.kill()
            server.start()
            event(event_type="login_failed", **{"user.name": "ann"})
            (many,) = kit.wait_for("the third", lambda: alert("Many failed"))
            assert many["severity"] == "P3" and many["secondary_owner"] == "leadership" and many["actions"] == ["z first", "a then"], many
            write(where, "rules.yml", BEHAVIOUR.replace("title: Travelled", "title: Travelled far"))
            write(where, "calendar.yml", NEVER)
            assert server.request("POST", "/-/reload")[0] == 200
            for _ in range(2):
                event(event_type="login_failed", **{"user.name": "ann"})
            (raised,) = kit.wait_for("the raise", lambda: [a for a in alert("Many failed") if a["severity"] == "P1"])
            assert raised["id"] == many["id"] and raised["labels"]["severity"] == "critical" and raised["count"] == 3, raised
            event(sensitive=True, **{"user.name": "ann"})
            kit.wait_for("a calendar that is closed now", lambda: alert("Late work"))
            event(event_type="login_success", at={"location": {"lat": 35.7, "lon": 139.7}}, **{"user.name": "bob"})
            (travel,) = kit.wait_for("what was learned before the kill and the reload", lambda: alert("Travelled far"))
            assert "9333 km in" in travel["message"] and "at most 900 km/h" in travel["message"], travel
            event(event_type="login_success", **{"user.name": "ann"})
            (ended,) = kit.wait_for("the reset", lambda: [a for a in server.alerts("ended") if a["title"] == "Many failed"])
            assert ended["history"][-1]["note"] == "reset by Came in", ended
            server.kill()
            code, out, err = tocsin("replay", "--rules", rules, "--rules", calendar, "--format", "json", "--data", server.data)
            titles = sorted(finding["rule"]["title"] for finding in lines(out))
            assert code == 0 and titles == ["Late work", "Late work", "Many failed", "Travelled far"], (titles, err)


@test("D-23 replay --noise says how often each rule fires in a day, and which is above the budget")
def noise():
    rules = "".join(f"title: {name}\nid: {name}\nlogsource: {{category: any}}\ndetection: {{s: {{kind: {name}}}, condition: s}}\n---\n"
                    for name in ("loud", "seldom", "never"))
    with folder() as where:
        path = write(where, "rules.yml", rules)
        with kit.Server(config="lateness: 72h\n") as server:
            server.send(*({"@timestamp": kit.now(-172800 + i * 7200), "kind": "loud" if i % 4 else "seldom"} for i in range(25)))
            for limit, expected in ((8, 1), (9, 0)):
                code, out, err = tocsin("replay", "--rules", path, "--data", server.data, "--noise", str(limit), "--format", "json")
                rows = [(row["rule"], row["findings"], row["per_day"], row["over"]) for row in lines(out)]
                assert code == expected and rows == [("loud", 18, 9.0, limit == 8), ("seldom", 7, 3.5, False)], (code, rows, err)
            code, out, err = tocsin("replay", "--rules", path, "--data", server.data, "--noise", "8")
            assert code == 1 and "over  loud" in out and "never" not in out, out


@test("lateness is declared per source: files of their own count events in their order where others take the time of receipt")
def declared_lateness():
    rule = ("title: hit\nid: h\nname: h\nlogsource: {category: any}\ndetection: {s: {kind: hit}, condition: s}\n---\n"
            "title: Three\nid: three\ncorrelation: {type: event_count, rules: [h], group-by: [from], timespan: 10s, condition: {gte: 3}}\n"
            "level: high\ntocsin: {owner: o, runbook: r}\n")
    with folder() as where:
        path = write(where, "rule.yml", rule)
        for name in ("slow", "quick"):  # three hits a minute apart, two hours ago
            write(where, name + ".log", "".join(json.dumps({"@timestamp": kit.now(offset), "kind": "hit", "from": name}) + "\n"
                                                for offset in (-7200, -7140, -7080)))
        config = (f"rules: [{path}]\nlateness: 1h\nfiles:\n  - {{name: slow, paths: ['{where}/slow.log'], start: beginning, lateness: 3h}}\n"
                  f"  - {{name: quick, paths: ['{where}/quick.log'], start: beginning}}\n")
        with kit.Server(config=config) as server:
            # what is later than declared is judged by its receipt: three at once. What is not keeps its minutes.
            kit.wait_for("the burst that is none", lambda: [a["labels"]["from"] for a in server.alerts()] == ["quick"])
            server.send({"@timestamp": kit.now(3600), "kind": "hit", "from": "future"}, {"@timestamp": kit.now(7200), "kind": "hit", "from": "future"},
                        {"@timestamp": kit.now(), "kind": "hit", "from": "future"})
            kit.wait_for("times that lie ahead are those of receipt", lambda: len(server.alerts()) == 2)
            assert sorted(a["labels"]["from"] for a in server.alerts()) == ["future", "quick"], server.alerts()


@test("lateness is declared for single HTTP senders, and for standard input, which its section switches on")
def declared_lateness_of_senders():
    rule = ("title: hit\nid: h\nname: h\nlogsource: {category: any}\ndetection: {s: {kind: hit}, condition: s}\n---\n"
            "title: Three\nid: three\ncorrelation: {type: event_count, rules: [h], group-by: [from], timespan: 10s, condition: {gte: 3}}\n"
            "level: high\ntocsin: {owner: o, runbook: r}\n")

    def hits(name):  # a minute apart, two hours ago
        return [{"@timestamp": kit.now(offset), "kind": "hit", "from": name} for offset in (-7200, -7140, -7080)]

    with folder() as where:
        config = (f"rules: [{write(where, 'rule.yml', rule)}]\nstdin: {{lateness: 3h}}\nsources:\n"
                  "  - {name: export, token: env:EXPORT, lateness: 3h}\n  - {name: web, token: env:WEB}\n")
        pipe, end = os.pipe()
        with os.fdopen(pipe) as stdin, os.fdopen(end, "w") as out:
            with kit.Server(config=config, env={"EXPORT": "export-token", "WEB": "web-token"}, stdin=stdin) as server:
                out.write("".join(json.dumps(e) + "\n" for e in hits("stdin")))
                out.flush()
                server.send(*hits("export"), headers={"Authorization": "Bearer export-token"})
                server.send(*hits("web"), headers={"Authorization": "Bearer web-token"})
                kit.wait_for("the burst that is none", lambda: server.alerts())
                kit.wait_for("all nine", lambda: len(server.query()) == 9)
                server.send({"@timestamp": kit.now(), "kind": "other"}, headers={"Authorization": "Bearer web-token"})
                kit.wait_for("what came after is judged", lambda: server.metric("tocsin_detect_events_total") >= 10)
                assert [a["labels"]["from"] for a in server.alerts()] == ["web"], server.alerts()
                assert server.metric("tocsin_intake_suspect_time_total") == 3
        wrong = write(where, "wrong.yml", "sources:\n  - {name: a, token: env:WEB, lateness: soon}\n")
        code, _, err = tocsin("check", "--config", wrong, env={**os.environ, "WEB": "w"})
        assert code == 2 and f"{wrong}:2:" in err and "duration" in err, (code, err)


@test("D-23 a profile leaves out what it does not name: at the start, by a reload, in a replay; the shipped one is listed and strict")
def profiles():
    rule = "".join(f"title: {name}\nid: {name}\nname: {name}\nlogsource: {{category: any}}\ndetection: {{s: {{kind: hit}}, condition: s}}\n"
                   "level: high\ntocsin: {owner: o, runbook: r}\n---\n" for name in ("one", "two"))
    with folder() as where:
        rules = write(where, "rules.yml", rule)
        profile = write(where, "ours.yml", "profile: ours\nrules: [one]\n")
        with kit.Server(config=f"rules: [{rules}]\nprofiles: [{profile}]\n") as server:
            server.send({"kind": "hit"})
            kit.wait_for("the rule that is named", lambda: [a["rule_id"] for a in server.alerts()] == ["one"])
            code, out, err = tocsin("replay", "--rules", rules, "--profile", profile, "--data", server.data, "--format", "json")
            assert code == 0 and len(lines(out)) == 1, (out, err)
            write(where, "ours.yml", "profile: ours\nrules: [none]\n")
            status, text, _ = server.post("/-/reload", b"")
            assert status == 400 and f"{profile}:2:9" in text, text
            write(where, "ours.yml", "profile: ours\nrules: [two]\n")
            status, text, _ = server.post("/-/reload", b"")
            assert status == 200 and json.loads(text)["rules"] == 1, text
            server.kill()
            server.start()
            server.send({"kind": "hit", "n": 1})
            kit.wait_for("the other", lambda: sorted(a["rule_id"] for a in server.alerts()) == ["one", "two"])
        code, out, _ = tocsin("profile", "list", "--format", "json")
        assert code == 0 and [p["name"] for p in lines(out)] == ["baseline", "full", "standard"], out
        counts = {}
        for name in ("baseline", "standard", "full"):
            shipped = write(where, "shipped.yml", f"profiles: [{name}]\n")
            code, out, err = tocsin("check", "--config", shipped)
            assert code == 0 and "rules loaded" in out, (out, err)
            counts[name] = int(out.split(" rules loaded")[0].split()[-1])
        assert 10 <= counts["baseline"] < counts["standard"] < counts["full"], counts
        code, out, _ = tocsin("profile", "show", "baseline")
        assert code == 0 and "break_glass_role_assumed" in out, out
        code, _, err = tocsin("profile", "show", "nothing")
        assert code == 2 and "baseline" in err, err


@test("C-110 a server's pipelines are in force, also after a kill")
def server_pipelines():
    with folder() as where:
        rule = write(where, "rule.yml", RULE)
        with kit.Server(config=f"rules: [{rule}]\npipelines: [ecs]\n") as server:
            event = {"process": {"executable": "C:\\cmd.exe"}, "user": {"name": "bob"}}
            server.send({"@timestamp": kit.now(), **event})
            kit.wait_for("the finding", lambda: len(live(server)) == 1)
            server.kill()
            server.start()
            server.send({"@timestamp": kit.now(1), **event}, {"@timestamp": kit.now(1), "Image": "C:\\cmd.exe", "User": "bob"})
            kit.wait_for("the next finding", lambda: len(live(server)) == 2)
            assert replayed(rule, server.data, "--pipeline", "ecs") == live(server)


@test("scan --top says which rules cost most, and the numbers are the same with any threads")
def top():
    with folder() as where:
        rules = write(where, "rules.yml", "".join(
            f"title: {name}\nid: {name}\nlogsource: {{category: any}}\ndetection: {{s: {{{line}}}, condition: s}}\n---\n"
            for name, line in (("cheap", "kind: nothing"), ("dear", "text|re: 'x.*y.*z'"), ("usual", "text|contains: word"))))
        events = write(where, "events.json", "".join(json.dumps({"kind": "k", "text": "x word y" * 50}) + "\n" for _ in range(500)))
        tables = []
        for threads in ("1", "4"):
            code, out, err = tocsin("scan", "--rules", rules, "--top", "5", "--threads", threads, events)
            assert code == 0, err
            tables.append([line.split() for line in err.splitlines() if "(" + rules in line])
        assert tables[0] == tables[1], tables
        names = {line[4]: line for line in tables[0]}
        assert tables[0][0][4] == "dear" and names["usual"][2:4] == ["500", "500"] and "cheap" not in names, tables[0]


RULES_OF_REPLAY = """title: One
id: one
name: one
logsource: {category: any}
detection: {s: {kind: k1}, condition: s}
---
title: Many
id: many
correlation: {type: event_count, rules: [one], group-by: [user], timespan: 60s, condition: {gte: 4}}
---
title: Sum
id: sum
correlation: {type: value_sum, rules: [one], group-by: [user], timespan: 90s, condition: {field: n, gte: 100}}
"""


def live(server):
    code, out, err = tocsin("query", "--all", "--data", server.data)
    assert code == 0, err
    findings = [json.loads(record["raw"]) for record in lines(out) if record["type"] == "finding"]
    for finding in findings:  # a replay has no book of alerts
        assert re.fullmatch("[0-9a-f]{32}", finding.pop("alert")), finding
    return findings


def replayed(rules, data, *args):
    code, out, err = tocsin("replay", "--rules", rules, "--data", data, "--format", "json", *args)
    assert code == 0, err
    return lines(out)


kit.main()
