"""The parsers held against what others made of the same lines: Sigma's recorded Windows and CloudTrail events with their complete
matches, and log lines with their parsed fields. Each test prints its row of the table of agreement.

docs/parser-agreement.md has the table and explains every difference.
"""
import collections
import json
import os
import re
import subprocess

import csv
import ipaddress

import kit
from kit import lines, shared, test, tocsin

SETS = ("rules", "rules-emerging-threats", "rules-threat-hunting")


def rules():
    return [arg for name in SETS for arg in ("--rules", shared(f"sigma/{name}"))]


def unzst(path):
    return subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [line for line in file.read().split("\n") if line.strip()]


def fired(path):
    """Rules by line, or by index where the file is one array."""
    code, out, err = tocsin("scan", "--format", "json", *rules(), path)
    assert code == 0, err[-2000:]
    got = collections.defaultdict(set)
    for row in lines(out):
        got[row["line"] - 1, row["index"]].add(row["rule"]["id"])
    return got


def parsed(name, text):
    code, out, err = tocsin("parse", "--input", name, "-", stdin=text.encode())
    assert code == 0, err
    return lines(out)


PAGE = os.path.abspath("docs/parser-agreement.md")
TABLE = {}


def row(name, units, good, wanted):
    print(f"    {name}: {good} of {units} agree")
    TABLE[name] = f"| {name} | {good} | {units} | {100 * good / max(units, 1):.1f} % |"
    assert units > 0 and good >= wanted, f"{name}: {good} of {units}, expected {wanted}"


@test("Sigma's regression events fire their rule, and no rule more or less")
def sigma_regression():
    wanted, events = [], []
    matrix = collections.defaultdict(dict)
    for entry in map(json.loads, read_lines(shared("sigma/regression/match-matrix.jsonl"))):
        matrix[entry["events_file"]][entry["i"]] = entry
    rule_fired = collections.defaultdict(bool)
    for name in sorted(matrix):
        for i, line in enumerate(read_lines(shared(f"sigma/regression/{name}"))):
            events.append(line)
            wanted.append(matrix[name][i])
    with kit.temporary() as folder:
        path = os.path.join(folder, "events.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(events) + "\n")
        got = fired(path)
    good = 0
    for i, entry in enumerate(wanted):
        rule_fired[entry["rule_id"]] |= entry["rule_id"] in got[i, 0]
        good += got[i, 0] == set(entry["matches"])
    assert all(rule_fired.values()), [rule for rule, did in rule_fired.items() if not did]
    row("Sigma regression events", len(wanted), good, len(wanted))


@test("recorded attacks on Windows: the same rules fire on each event")
def security_datasets():
    entries = [json.loads(line) for line in unzst(shared("security-datasets/sigma-matches.jsonl.zst")).splitlines()]
    by_file = collections.defaultdict(list)
    for entry in entries:
        by_file[entry["file"]].append(entry)
    events, wanted = [], []
    for name in sorted(by_file):
        records = unzst(shared(f"security-datasets/{name}")).split(b"\n")
        events += [records[entry["line"] - 1] for entry in by_file[name]]
        wanted += by_file[name]
    with kit.temporary() as folder:
        path = os.path.join(folder, "events.jsonl")
        with open(path, "wb") as file:
            file.write(b"\n".join(events) + b"\n")
        got = fired(path)
    missing = sum(len(set(entry["matches"]) - got[i, 0]) for i, entry in enumerate(wanted))
    more = [rule for i, entry in enumerate(wanted) for rule in got[i, 0] - set(entry["matches"])]
    assert missing == 0, missing
    assert set(more) <= {"06d71506-7beb-4f22-8888-e2e5e2ca7fd8"} and len(more) <= 5, more
    row("security-datasets events", len(wanted), len(wanted) - len(more), len(wanted) - 5)


@test("CloudTrail: the same rules fire on each event")
def cloudtrail():
    wanted = collections.defaultdict(lambda: collections.defaultdict(set))
    for entry in map(json.loads, read_lines(shared("cloudtrail/sigma-matches.jsonl"))):
        wanted[entry["file"]][entry["i"]] |= set(entry["matches"])
    ours = set()
    for name in SETS:
        for folder, _, files in os.walk(shared(f"sigma/{name}")):
            for file in files:
                with open(os.path.join(folder, file), encoding="utf-8") as text:
                    content = text.read()
                if "service: cloudtrail" in content:
                    ours.add(re.search(r"^id: (\S+)", content, re.M).group(1))
    units = good = 0
    for name, events in sorted(wanted.items()):
        got = collections.defaultdict(set)
        for (line, index), ids in fired(shared(f"cloudtrail/{name}")).items():
            got[index if name.endswith(".json") else line] |= ids
        assert all(ids <= ours for ids in got.values()), (name, "a rule for another log source fired")
        for i in set(events) | {i for i in got if got[i]}:
            units += 1
            good += events[i] == got[i]
    row("CloudTrail events that fire", units, good, units)


def has(fields, value):
    return any(str(value) == str(field) for field in fields.values())


@test("lines of Vector's examples")
def vrl():
    names = {"parse_apache_log": "apache", "parse_aws_alb_log": "alb", "parse_aws_vpc_flow_log": "vpcflow", "parse_cef": "cef",
             "parse_key_value": "kv", "parse_logfmt": "logfmt", "parse_nginx_log": "nginx"}
    elsewhere = {"timestamp", "protocol", "identity", "request", "http_x_forwarded_for", "client_host", "request_protocol"}
    units = good = 0
    for example in map(json.loads, read_lines(shared("logs/parser-examples-vrl.jsonl"))):
        if example["function"] not in names:
            continue
        text = example["input"]
        columns = re.search(r'format: "([^"]*)"', example["vrl_call"])
        if columns and names[example["function"]] == "vpcflow":
            text = columns.group(1) + "\n" + text
        event = parsed(names[example["function"]], text)[0]
        assert not event["text"], text
        for name, value in example["result_json"].items():
            if name in elsewhere or value in (None, []) or (name == "message" and value.startswith("GET ")):
                continue
            units += 1
            good += has(event["fields"], value)
    row("Vector's examples, values", units, good, units)


WEB = {"source_ip": "source.address", "http_verb": "http.request.method", "http_status": "http.response.status_code",
       "http_user_agent": "user_agent.original", "http_path": "url.original"}


@test("web logs that CrowdSec parsed")
def crowdsec_web():
    units = good = 0
    misses = []
    for entry in map(json.loads, read_lines(shared("crowdsec/expected.jsonl"))):
        folder = f"crowdsec/tests/{entry['test']}"
        kind = {"nginx": "nginx", "apache2": "apache", "aws-alb": "alb"}.get(entry["log_type"])
        if kind is None or not os.path.exists(os.path.join(kit.SHARED, folder, "parsed.jsonl")):
            continue
        for result in map(json.loads, read_lines(shared(f"{folder}/parsed.jsonl"))):
            if not result["success"] or result["parser"] not in ("crowdsecurity/nginx-logs", "crowdsecurity/apache2-logs",
                                                                "crowdsecurity/aws-alb"):
                continue
            if entry["test"] == "nginx_http-catch-npm":
                continue
            fields = parsed(kind, result["parsed"]["message"])[0]["fields"]
            for theirs, name in WEB.items():
                value = result["meta"].get(theirs)
                if value in (None, "", "-"):
                    continue
                units += 1
                mine = str(fields.get(name, fields.get("source.ip")))
                target = re.sub(r"^[a-z]+://[^/]*", "", mine)
                same = value in (mine, target)
                good += same
                misses += [] if same else [(kind, theirs, value, mine)]
    for miss in misses[:5]:
        print("    ", miss)
    row("CrowdSec's web logs, values", units, good, units)


@test("every line of the shared web logs is understood by its parser")
def web_lines():
    units = good = 0
    for name in ("loghub/Apache/Apache_2k.log", "logs/elastic-examples/apache_logs.zst", "logs/grafana-agent/nginx-short-access.log.zst"):
        code, out, err = tocsin("parse", "--count", shared(name))
        assert code == 0, err
        records, text = (int(re.search(rf"{what} (\d+)", out).group(1)) for what in ("records", "kept as text"))
        units += records
        good += records - text
    row("web log lines", units, good, units)


@test("Apache's error log against loghub's columns")
def loghub_apache():
    import csv
    units = good = 0
    with open(shared("loghub/Apache/Apache_2k.log"), encoding="utf-8") as file:
        events = parsed("auto", file.read())
    with open(shared("loghub/Apache/Apache_2k.log_structured.csv"), encoding="utf-8") as file:
        for event, want in zip(events, csv.DictReader(file), strict=True):
            fields = event["fields"]
            units += 1
            # loghub leaves "[client a.b.c.d]" in the text
            good += fields["log.level"] == want["Level"] and want["Content"].endswith(fields["message"]) and event["time"] is not None
    row("loghub Apache", units, good, units)


RESOLVED = {"arch", "syscall", "result", "subj_category", "subj_domain", "subj_level", "subj_role", "subj_user", "sig"}


@test("audit records against go-libaudit's decoding")
def auditd():
    units = good = 0
    misses = []
    for name in ("audit-rhel6", "audit-ubuntu14", "audit-ubuntu17", "test3"):
        with open(shared(f"auditd/auparse/{name}.log"), encoding="utf-8") as file:
            events = parsed("auditd", file.read())
        golden = json.load(open(shared(f"auditd/auparse/{name}.log.golden"), encoding="utf-8"))
        assert len(events) == len(golden)
        for event, want in zip(events, golden, strict=True):
            data = {**(want.get("data") or {}), "type": want["record_type"].upper(), "auditd.sequence": str(want["sequence"])}
            for key, value in data.items():
                if key in RESOLVED or not isinstance(value, str):
                    continue
                units += 1
                mine = str(event["fields"].get(key))
                good += mine == value
                misses += [] if mine == value else [(key, value, mine)]
    for miss in misses[:12]:
        print("    ", miss)
    row("audit records, values", units, good, units * 95 // 100)


@test("formats are recognised by their lines, and sentences are text")
def recognised():
    for text, service in (("192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1\n", "nginx"),
                          ("[Sun Dec 04 04:47:44 2005] [notice] a\n", "apache"),
                          ("type=SYSCALL msg=audit(1451781471.394:1): a0=c\n", "auditd")):
        assert parsed("auto", text)[0]["fields"]["logsource.service"] == service, text
    for text in ("user=alice said: a=b\n", "the CEF: was here\n", "2 plus 2 is 4 or so they say in the good old town of ours\n"):
        assert "logsource.service" not in parsed("auto", text)[0]["fields"], text


# --- shipped parser files --------------------------------------------------------------------------------

# Jails whose daemon has a parser of another name.
JAILS = {"apache-botsearch": "web-probes", "nginx-botsearch": "web-probes", "apache-modsecurity": "apache-auth",
         "apache-nohome": "apache-auth", "apache-shellshock": "apache-auth", "zoneminder": "apache-auth", "apache-pass": "nginx",
         "courier-auth": "courier", "drupal-auth": "drupal", "froxlor-auth": "froxlor", "gssftpd": "ftpd", "wuftpd": "ftpd",
         "haproxy-http-auth": "haproxy", "lighttpd-auth": "lighttpd", "named-refused": "named", "nagios": "nrpe",
         "roundcube-auth": "roundcube", "sendmail-auth": "sendmail", "sieve": "cyrus", "uwimap-auth": "uw-imap",
         "sshd": "sshd-attempts"}


def address(text):
    try:
        value = ipaddress.ip_address(text)
        return str(getattr(value, "ipv4_mapped", None) or value)
    except ValueError:
        return text


def labelled(path):
    """Each log line with the label above it."""
    label, cases = None, []
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in file.read().split("\n"):
            found = re.match(r"#\s*failJSON:\s*(\{.*\})", line)
            if found:
                label = json.loads(found.group(1))
            elif label is not None and line.strip() and not line.startswith("#"):
                cases.append((label, line))
                label = None
    return cases


def is_time(event, label):
    """fail2ban writes local times of Zurich; lines that name a zone are told in it, so minutes and seconds are compared."""
    return "time" not in label or (event["time"] or "")[13:19] == label["time"][13:19]


@test("fail2ban's lines: which is a failure, and from which address")
def fail2ban():
    units = good = times = time_units = 0
    for name in sorted(os.listdir(shared("fail2ban/logs"))):
        path = shared(f"fail2ban/logs/{name}")
        cases = [] if os.path.isdir(path) else labelled(path)
        if not cases:
            continue
        text = "\n".join(line for _, line in cases).encode(errors="surrogateescape")
        code, out, err = tocsin("parse", "--year", "2005", "--input", JAILS.get(name, name), "-", stdin=text)
        assert code == 0, err
        events = lines(out)
        assert len(events) == len(cases), name
        for (label, _), event in zip(cases, events):
            fields = event["fields"]
            host = address(str(fields.get("source.ip") or fields.get("source.domain") or ""))
            fails = fields.get("event.outcome") == "failure" and host != ""
            units += 1
            good += fails == label["match"] and (not fails or "host" not in label or address(label["host"]) == host)
            time_units += label["match"] and "time" in label
            times += label["match"] and "time" in label and is_time(event, label)
    row("fail2ban lines, match and host", units, good, units * 95 // 100)
    row("fail2ban lines, minute and second", time_units, times, time_units * 93 // 100)


LOGHUB = {"HDFS": ("hdfs", {"Level": "log.level", "Component": "log.logger", "Pid": "process.pid", "Content": "message"}),
          "Hadoop": ("hadoop", {"Level": "log.level", "Component": "log.logger", "Process": "process.thread.name", "Content": "message"}),
          "Spark": ("spark", {"Level": "log.level", "Component": "log.logger", "Content": "message"}),
          "Zookeeper": ("zookeeper", {"Level": "log.level", "Id": "log.origin.file.line", "Content": "message"}),
          "HealthApp": ("healthapp", {"Component": "log.logger", "Pid": "process.pid", "Content": "message"}),
          "OpenSSH": ("sshd", {"Component": "host.name", "Pid": "process.pid", "Content": "message"}),
          "Mac": ("sshd", {"User": "host.name", "Component": "process.name", "PID": "process.pid", "Content": "message"})}


@test("loghub's systems against their columns")
def loghub():
    for system, (parser, columns) in LOGHUB.items():
        with open(shared(f"loghub/{system}/{system}_2k.log"), encoding="utf-8") as file:
            events = parsed(parser, file.read())
        units = good = 0
        with open(shared(f"loghub/{system}/{system}_2k.log_structured.csv"), encoding="utf-8") as file:
            for event, want in zip(events, csv.DictReader(file)):
                units += 1
                good += event["time"] is not None and all(
                    str(event["fields"].get(name, "")).strip() == (want[column] or "").strip() for column, name in columns.items())
        row(f"loghub {system}, all columns of a line", units, good, units * 85 // 100)


CROWDSEC = {"crowdsecurity/exim-logs": "exim", "crowdsecurity/dovecot-logs": "dovecot", "crowdsecurity/postfix-logs": "postfix",
            "Dominic-Wagner/vaultwarden-logs": "vaultwarden", "crowdsecurity/haproxy-logs": "haproxy",
            "crowdsecurity/mariadb-logs": "mysqld", "crowdsecurity/modsecurity": "apache-auth",
            "crowdsecurity/dropbear-logs": "dropbear", "crowdsecurity/sshd-logs": "sshd", "crowdsecurity/asterisk-logs": "asterisk",
            "fulljackz/proxmox-logs": "proxmox"}


@test("daemons' logs that CrowdSec parsed: the address")
def crowdsec_daemons():
    units, good, misses = collections.Counter(), collections.Counter(), []
    for entry in map(json.loads, read_lines(shared("crowdsec/expected.jsonl"))):
        path = os.path.join(kit.SHARED, f"crowdsec/tests/{entry['test']}/parsed.jsonl")
        if not os.path.exists(path):
            continue
        for result in map(json.loads, read_lines(path)):
            parser, source = CROWDSEC.get(result["parser"]), result.get("meta", {}).get("source_ip") if result["success"] else None
            if parser is None or not source or "message" not in result.get("parsed", {}):
                continue
            line, program = result["parsed"]["message"], result["parsed"].get("program")
            if result["parsed"].get("timestamp") or result["parsed"].get("timestamp8601") or parser in ("dropbear", "haproxy"):
                line = f"Jan  1 00:00:00 host {program}[1]: {line}"
            if parser == "apache-auth" and re.match(r"\d{4}/", line):
                parser = "nginx-auth"
            fields = parsed(parser, line)[0]["fields"]
            units[parser] += 1
            same = address(str(fields.get("source.ip"))) == address(source)
            good[parser] += same
            misses += [] if same else [(parser, source, line[:200])]
    for miss in misses[:12]:
        print("    ", miss)
    row("CrowdSec's daemon logs, address", sum(units.values()), sum(good.values()), sum(units.values()) * 85 // 100)


@test("cloud audit events are told by their content")
def classification():
    units = good = 0
    folder = shared("rule-labelled-events/rsigma-schema-classification")
    for name in sorted(os.listdir(folder)):
        if not os.path.isdir(os.path.join(folder, name)):
            continue
        with open(os.path.join(folder, name, "expected_classification.yaml"), encoding="utf-8") as file:
            want = dict(re.findall(r"(product|platform|service|source): (\S+)", file.read()))
        with open(os.path.join(folder, name, "test_event.json"), encoding="utf-8") as file:
            fields = parsed("auto", file.read())[0]["fields"]
        service = want.get("service", want.get("source", "")).split(".")[-1]
        units += 1
        good += (fields.get("logsource.product"), fields.get("logsource.service")) == (want.get("product", want.get("platform")), service)
    row("rsigma's kinds of cloud events", units, good, units - 1)


@test("shipped parser files hold their own examples")
def shipped_parsers():
    code, out, err = tocsin("check", "--shipped-parsers")
    assert code == 0, err
    assert re.match(r"\d+ parsers, \d+ examples hold", out), out


DECLARED = """name: shop
kind: pattern
logsource: {product: shop, category: application, service: till}
time: {formats: ["%d.%m.%Y %H:%M"], zone: "+02:00"}
patterns:
  - {name: refused, event: login_failed, outcome: failure, regex: '^(?<time>\\S+ \\S+) Till refuses (?<user>.*) at %{ADDRESS}$'}
"""
RULE = """title: Till
id: 2d0c7c0e-6a39-4b5b-8f0e-6f1a1d7f5f01
status: test
logsource: {product: shop, service: till}
detection:
    selection: {user.name: eve}
    condition: selection
level: high
"""


@test("a user's parser: in parse and scan, with its log source; what is wrong with it is told with its place")
def declared():
    with kit.temporary() as folder:
        def write(name, text):
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return path
        parser, rule = write("shop.yml", DECLARED), write("rule.yml", RULE)
        log = write("till.log", "02.01.2026 03:04 Till refuses eve at 192.0.2.1\nsomething else\n" * 500)
        code, out, err = tocsin("parse", "--parsers", folder + "/shop.yml", "--input", "shop", log)
        assert code == 0, err
        event, other = lines(out)[:2]
        assert event["time"] == "2026-01-02T01:04:00Z" and event["fields"]["source.ip"] == "192.0.2.1", event
        assert other["text"] and other["fields"]["message"] == "something else", other
        results = [tocsin("scan", "--format", "json", "--stats", "--threads", threads, "--parsers", parser, "--input", "shop",
                          "--rules", rule, log) for threads in ("1", "2")]
        assert results[0][1] == results[1][1] and len(lines(results[0][1])) == 500, results[0][2]
        assert "kept as text 500" in results[0][2], results[0][2]
        bad = write("bad.yml", DECLARED.replace("%{ADDRESS}", "%{ADRESS}"))
        code, _, err = tocsin("scan", "--parsers", bad, "--input", "shop", "--rules", rule, log)
        assert code == 2 and f"{bad}:6:" in err and "ADRESS" in err, err
        code, _, err = tocsin("check", "--parsers", write("ex.yml", DECLARED + "examples: [{line: x, fields: {a: b}}]\n"))
        assert code == 2 and "no pattern matches" in err, err
        config = write("tocsin.yml", f"parsers: [{parser}]\nsyslog: {{udp: '127.0.0.1:0', parser: shop}}\n")
        code, out, err = tocsin("check", "--config", config)
        assert code == 0, err
        code, _, err = tocsin("check", "--config", write("bad2.yml", "syslog: {parser: shop}\n"))
        assert code == 2 and "no parser shop" in err and "bad2.yml:1:" in err, err


@test("text formats give the same events on any number of threads")
def threads():
    with kit.temporary() as folder:
        path = os.path.join(folder, "access.log")
        with open(path, "w", encoding="utf-8") as file:
            for i in range(20000):
                file.write(f'192.0.2.{i % 250} - - [10/Oct/2000:13:55:36 -0700] "GET /{i} HTTP/1.1" 200 {i}\n')
        one, two = (tocsin("parse", "--threads", n, "--input", "nginx", path) for n in ("1", "4"))
        assert one[0] == 0 and one[1] == two[1] and one[1].count("\n") == 20000, one[2]


HEAD = "<!-- The table is written by test/e2e/parsers_e2e.py: WRITE_AGREEMENT=1 -->\n"
TAIL = "<!-- end of the table -->\n"


@test("the page of agreement says what these tests found")
def page():
    table = HEAD + "| data | agree | of | share |\n|---|---|---|---|\n" + "\n".join(TABLE.values()) + "\n" + TAIL
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    start, end = text.index(HEAD), text.index(TAIL) + len(TAIL)
    if os.environ.get("WRITE_AGREEMENT"):
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(text[:start] + table + text[end:])
        return
    if len(TABLE) > 10:
        assert text[start:end] == table, "docs/parser-agreement.md is stale: run this test with WRITE_AGREEMENT=1"


kit.main()
