"""Alertmanager's configuration held against amtool, where it is installed or unpacked under build/peers: the receivers of random
alerts in random trees of routes, the printed tree, and verdicts.

Debian's amtool is 0.25, whose matchers are the classic ones, so that these tests run with --enable-feature classic-mode and within
what both versions know."""
import os
import random
import shutil
import subprocess
import tempfile

import kit
from kit import Skip, test, tocsin

NAMES = ("team", "severity", "service", "env", "region")
VALUES = ("web", "db", "db-1", "critical", "warning", "prod", "dev", "eu-1", "eu-2", "us-1", "a b", "", "x\\y")
PATTERNS = ("web|db.*", "eu-.", "crit.*", ".+", ".*", "", "[a-d].*", "(?i)PROD", "^db$", "\\\\d")


def amtool():
    for path in (os.path.abspath("build/peers/prometheus-alertmanager/usr/bin/amtool"), shutil.which("amtool")):
        if path and os.access(path, os.X_OK):
            return path
    raise Skip("amtool (Debian package prometheus-alertmanager) is not here")


def run(*args):
    done = subprocess.run([amtool(), *args], capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def matcher(rng):
    name, operator = rng.choice(NAMES), rng.choice(("=", "!=", "=~", "!~"))
    value = rng.choice(PATTERNS if "~" in operator else VALUES).replace('"', '\\"')
    return f'{name}{operator}"{value}"' if rng.random() < 0.7 or not value.isalnum() else f"{name}{operator}{value}"


def route(rng, depth, receivers, indent):
    """The lines of a route below the root, the first of which begins its entry."""
    lines = []
    if rng.random() < 0.7:
        lines.append(f"receiver: {rng.choice(receivers)}")
    if rng.random() < 0.7:
        lines.append("matchers: [" + ", ".join(quoted(matcher(rng)) for _ in range(rng.randint(1, 2))) + "]")
    elif rng.random() < 0.5:
        lines.append("match: {" + f"{rng.choice(NAMES)}: {quoted(rng.choice(VALUES))}" + "}")
    else:
        lines.append("match_re: {" + f"{rng.choice(NAMES)}: {quoted(rng.choice(PATTERNS))}" + "}")
    if rng.random() < 0.4:
        lines.append("continue: true")
    if depth < 3 and rng.random() < 0.5:
        lines.append("routes:")
        for _ in range(rng.randint(1, 3)):
            lines += route(rng, depth + 1, receivers, "")
    return [indent + ("- " if i == 0 else "  ") + line for i, line in enumerate(lines)]


def tree(rng):
    receivers = [f"r{i}" for i in range(6)]
    lines = ["route:", "  receiver: r0", "  routes:"]
    for _ in range(rng.randint(1, 6)):
        lines += route(rng, 0, receivers, "  ")
    return "\n".join(lines + ["receivers:"] + [f"- name: {name}" for name in receivers]) + "\n"


@test("routes agree with amtool on random trees and label sets, and print the same tree")
def routes_agree():
    amtool()
    rng = random.Random(20261121)
    compared = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "alertmanager.yml")
        for _ in range(12):
            with open(path, "w", encoding="utf-8") as file:
                file.write(tree(rng))
            code, out, err = tocsin("check", "--alertmanager", path, "--enable-feature", "classic-mode")
            assert code == 0, (err, out)
            assert run("check-config", path)[0] == 0
            code, out, err = tocsin("routes", "--alertmanager", path, "--enable-feature", "classic-mode", "--tree")
            assert code == 0, err
            # older versions of the tree's printer write spaces that do not break
            assert out == run("config", "routes", "show", f"--config.file={path}")[1].replace("\u00a0", " ")
            for _ in range(20):
                labels = [f'{name}="{rng.choice(VALUES)}"'.replace("\\", "\\\\")
                          for name in rng.sample(NAMES, rng.randint(0, len(NAMES)))]
                code, out, err = tocsin("routes", "--alertmanager", path, "--enable-feature", "classic-mode", *labels)
                assert code == 0, err
                theirs = run("config", "routes", "test", f"--config.file={path}", *labels)
                assert out == theirs[1], (labels, out, theirs)
                compared += 1
    print(f"     {compared} label sets")


@test("what amtool refuses is refused in the same words")
def verdicts_agree():
    amtool()
    head = "route: {receiver: r}\nreceivers:\n- name: r\n"
    cases = ("", "abc\n", "[1]\n", "{", "route: *x\n", "a: b: c\n", head + "bogus: 1\n", head + "route: {receiver: r}\n",
             "route: {receiver: q}\nreceivers: [{name: r}]\n", "route: {receiver: r, group_by: [a, a]}\nreceivers: [{name: r}]\n",
             "route: {receiver: r, group_wait: -5s}\nreceivers: [{name: r}]\n", "route: {receiver: r, group_wait: 5}\nreceivers: [{name: r}]\n",
             head + "  email_configs: [{to: a, smarthost: x, from: b}]\n", head + "  slack_configs: [{api_url: 'ftp://x/'}]\n",
             head + "  pagerduty_configs: [{}]\n", head + "  pushover_configs: [{user_key: a, token: b, retry: 5}]\n",
             head + "inhibit_rules: [{source_matchers: ['a!b']}]\n", head + "inhibit_rules: [{target_match_re: {a: '['}}]\n",
             head + "time_intervals: [{name: t, time_intervals: [{months: ['may:april']}]}]\n",
             head + "time_intervals: [{name: t, time_intervals: [{times: [{start_time: '9:00', end_time: '10:00'}]}]}]\n")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "alertmanager.yml")
        for text in cases:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            theirs, out, _ = run("check-config", path)
            code, _, err = tocsin("check", "--alertmanager", path, "--enable-feature", "classic-mode")
            assert theirs != 0 and code == 2, (text, theirs, code)
            words = out.split("FAILED: ", 1)[1].split("\n\n")[0]
            assert err == f"tocsin check: {path}: {words}\n", (text, err, words)
    print(f"     {len(cases)} configurations")


@test("check reads the templates that a configuration names, and only those")
def templates_are_checked():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "alertmanager.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("route: {receiver: r}\nreceivers: [{name: r}]\ntemplates: ['own/*.tmpl', 'nothing/*.tmpl']\n")
        assert tocsin("check", "--alertmanager", path)[0] == 0
        os.mkdir(os.path.join(folder, "own"))
        with open(os.path.join(folder, "own", "a.tmpl"), "w", encoding="utf-8") as file:
            file.write('{{ define "x" }}{{ .Labels.a | toUpper }}{{ end }}')
        assert tocsin("check", "--alertmanager", path)[0] == 0
        with open(os.path.join(folder, "own", "b.tmpl"), "w", encoding="utf-8") as file:
            file.write('{{ define "y" }}{{ nonsense }}{{ end }}')
        code, _, err = tocsin("check", "--alertmanager", path)
        assert code == 2 and 'function "nonsense" not defined' in err, err


ROUTES_TEST = """
alertmanager: alertmanager.yml
tests:
- name: the warning waits for the critical one to end
  start: 2026-11-21T12:00:00Z
  until: 20m
  alerts:
  - {at: 0s, ends: 6m, labels: {alertname: full, severity: critical, host: a}}
  - {at: 5s, labels: {alertname: slow, severity: warning, host: a}}
  - {at: 5s, labels: {alertname: slow, severity: warning, host: b}}
  silences:
  - {from: 0s, to: 4m, matchers: [host=b]}
  expect:
  - {at: 30s, receiver: r, reason: first notification, firing: 1, resolved: 0}
  - {at: 5m30s, receiver: r, integration: webhook, reason: new alerts added, firing: 2}
  - {at: 10m30s, reason: new alerts added, firing: 2, resolved: 1}
"""


@test("test routes: what is expected comes, and what is not is shown")
def routes_tests():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "routes.yml")
        with open(os.path.join(folder, "alertmanager.yml"), "w", encoding="utf-8") as file:
            file.write("route: {receiver: r, group_wait: 30s, group_interval: 5m}\n"
                       "inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [host]}]\n"
                       "receivers: [{name: r, webhook_configs: [{url: 'http://x/'}]}]\n")
        with open(path, "w", encoding="utf-8") as file:
            file.write(ROUTES_TEST)
        code, out, err = tocsin("test", "routes", path)
        assert code == 0 and out.endswith("1 passed, 0 failed\n"), (out, err)
        with open(path, "w", encoding="utf-8") as file:
            file.write(ROUTES_TEST.replace("at: 30s, receiver: r, reason", "at: 31s, receiver: r, reason"))
        code, out, err = tocsin("test", "routes", path)
        assert code == 1 and "not expected: at 30s r (webhook): first notification, 1 firing, 0 resolved" in out, (out, err)
        assert "expected and did not come: at 31s, line" in out and out.endswith("0 passed, 1 failed\n"), out
        with open(path, "w", encoding="utf-8") as file:
            file.write(ROUTES_TEST.replace("host=b", "host!b"))
        code, out, err = tocsin("test", "routes", path)
        assert code == 2 and "bad matcher format" in err, (out, err)


OWN = """channels:
- {name: one, type: file, path: /dev/null}
- {name: pager, type: pagerduty, routing_key: env:PAGER_KEY}
- {name: web-room, type: file, path: /dev/null}
routing:
  P1: [one, pager]
  routes:
  - {tags: [security, attack.*], P1: [pager]}
  - {match: 'team="web", owner=~"plat.*"', P1: [web-room, pager], P2: [web-room]}
"""
OWN_TESTS = """tests:
- {name: security comes first, priority: P1, labels: {team: web}, owner: platform, tags: [attack.t1110], told: [pager]}
- {name: the order of names is nothing, priority: P1, labels: {team: web, owner: platform}, told: [pager, web-room]}
- {name: low ones, priority: P4, labels: {team: web}, told: [one%s]}
"""


@test("E-09 X-18 Y-07 routes of our own configuration: who is told and why, and tests of it")
def own_routes():
    with tempfile.TemporaryDirectory() as folder:
        path, tests = os.path.join(folder, "tocsin.yml"), os.path.join(folder, "tests.yml")

        def put(name, text):
            with open(name, "w", encoding="utf-8") as file:
                file.write(text)

        def run(*args):
            return tocsin("routes", "--config", path, *args, env={"PAGER_KEY": "k"})
        put(path, OWN)
        code, out, err = run("team=web", "owner=platform")
        assert (code, err) == (0, "") and out.splitlines() == [
            "P1: pager,web-room  (route 2)", "P2: web-room  (route 2)",
            "P3: one,web-room  (min_severity of the channels; route 2 fits and says nothing of P3)",
            "P4: one,web-room  (min_severity of the channels; route 2 fits and says nothing of P4)"], out
        assert run("--priority", "P1", "--tag", "attack.t1110", "--tag", "x")[1] == "pager\n"
        assert run("--priority", "P1", "team=db")[1] == "one,pager\n"
        put(tests, OWN_TESTS % ", web-room")
        assert run("--test", tests) == (0, "3 passed, 0 failed\n", "")
        put(tests, OWN_TESTS % "")
        code, out, _ = run("--test", tests)
        assert code == 1 and out.splitlines()[-1] == "2 passed, 1 failed", out
        assert f"{tests}:4: FAILED low ones: told are one,web-room (min_severity of the channels), expected one" in out, out
        for wrong, said in (("tests: [{priority: P1, told: [two]}]", "a channel that the configuration does not have"),
                            ("tests: [{priority: P9, told: []}]", "P1 to P4"), ("tests: [{priority: P1}]", "`told`"), ("{}", "`tests` is needed"),
                            ("tests: [{priority: P1, told: [], lables: {}}]", "labels"), ("tests: [{priority: P1, told: [], labels: [a]}]", "a map")):
            put(tests, wrong + "\n")
            code, _, err = run("--test", tests)
            assert code == 2 and said in err and f"{tests}:1:" in err, (wrong, code, err)
        assert run("a!=b")[0] == 2 and run("--priority", "P7")[0] == 2 and run(*(f"l{i}=v" for i in range(40)))[0] == 2
        assert tocsin("routes", "--config", path, "--alertmanager", path)[0] == 2


@test("routes and check say what they want")
def usage():
    assert tocsin("routes")[0] == 2
    assert tocsin("routes", "--alertmanager", "/nonexistent.yml")[0] == 3
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "alertmanager.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("route: {receiver: r}\nreceivers: [{name: r}]\n")
        assert tocsin("routes", "--alertmanager", path)[1] == "r\n"
        assert tocsin("routes", "--alertmanager", path, "a!=b")[0] == 2
        assert tocsin("routes", "--alertmanager", path, "nonsense")[0] == 2
        assert tocsin("check", "--alertmanager", path, "--enable-feature", "x")[0] == 2


kit.main()
