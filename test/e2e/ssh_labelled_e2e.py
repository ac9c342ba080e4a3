"""The auth and ssh packs against logs that others have labelled: CrowdSec's scenario tests and fail2ban's lines for sshd.

Known misses, each for a reason:
- CrowdSec ssh-generic-test is a magic user name that stands for "the installation works"; one attempt is not an attack.
- CrowdSec sshd-impossible-travel-user needs distances; two countries of one user are ANOMALOUS_LOGIN_LOCATION, given a GeoIP file.
- CrowdSec endlessh is a tarpit with lines of its own, not sshd.
- fail2ban in its aggressive modes bans for any connection that ends early, for a PAM error that sshd tells again as a failed password, and
  for lines without an address, to which it carries the address of a line before; it also bans for a login after failures that the
  line before held back. The packs count an attempt once, by the line that has its address.
"""
import json
import os
import re

import kit
from kit import lines, shared, test, tocsin

PACKS = ["--rules", "packs/auth", "--rules", "packs/ssh"]
CROWDSEC = ("ssh-bf", "ssh-slow-bf", "ssh-timeout", "opnsense-sshd")
# What the packs count or tell of.
COUNTED = {"login_failed", "invalid_user", "user_not_allowed", "root_login_refused", "lockout_attempt_while_locked", "max_attempts",
           "no_identification", "bad_protocol", "negotiation_failed", "auth_timeout", "dispatch_fatal", "reverse_mapping_failed"}
COUNTED_TEXTS = ("authenticating user", "Too many authentication failures")


@test("CrowdSec's sshd scenarios: every address that they name is named")
def crowdsec():
    named = wanted = 0
    misses = []
    with open(shared("crowdsec/expected.jsonl"), encoding="utf-8") as file:
        entries = [e for e in map(json.loads, file) if e["test"] in CROWDSEC]
    assert len(entries) == len(CROWDSEC)
    for entry in entries:
        log = shared(f"crowdsec/tests/{entry['test']}/{entry['log_file']}")
        code, out, err = tocsin("scan", "--alerts", "--input", "sshd", "--format", "json", *PACKS, log)
        assert code == 0, err
        found = {value for alert in lines(out) if alert["severity"] != "P4" for value in alert["labels"].values()}
        for source in {s["value"] for alert in entry["alerts"] for s in alert["sources"]}:
            wanted += 1
            named += source in found
            misses += [] if source in found else [(entry["test"], source)]
    print(f"   {named} of {wanted} addresses named; misses: {misses}")
    assert not misses


@test("fail2ban's lines for sshd: what it counts as a failure, the packs count")
def fail2ban():
    path = shared("fail2ban/logs/sshd")
    label, cases = None, []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file.read().split("\n"):
            comment = re.match(r"# failJSON: (\{.*\})", line)
            if comment:
                label = json.loads(comment.group(1))
            elif line.strip() and not line.startswith("#") and label is not None:
                cases.append((label.get("match", False), label.get("host"), line))
                label = None
    code, out, err = tocsin("parse", "--input", "sshd", "-", stdin="\n".join(c[2] for c in cases).encode())
    assert code == 0, err
    events = lines(out)
    assert len(events) == len(cases), (len(events), len(cases))
    table = {True: [0, 0], False: [0, 0]}
    for (match, _, line), event in zip(cases, events):
        counted = event["fields"].get("event.action") in COUNTED or any(t in line for t in COUNTED_TEXTS)
        table[match][counted] += 1
        if match and not counted and os.environ.get("VERBOSE"):
            print("    miss:", event["fields"].get("event.action"), line[:150])
        if not match and counted and os.environ.get("VERBOSE"):
            print("    more:", event["fields"].get("event.action"), line[:150])
    print(f"   labelled failures: {table[True][1]} counted, {table[True][0]} missed; others: {table[False][1]} counted, {table[False][0]} not")
    assert table[True][1] >= 60 and table[False][1] <= 13


kit.main()
