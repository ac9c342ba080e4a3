"""The cloud pack against events that others have labelled (Panther's tests of their own rules, for CloudTrail, GitHub and Okta), and against
attacks that others have recorded (Stratus Red Team's techniques in CloudTrail), which no rule was written by. The web pack against CrowdSec's
scenario tests on access logs, likewise.

Each event says whether a rule of theirs fires. Where a rule of the pack is about the same thing it must fire where theirs does and hold where
theirs does not. docs/rule-agreement.md has the table and explains every difference; it fails here where it is stale.
"""
import collections
import json
import os
import subprocess

import kit
from kit import lines, shared, test, tocsin

PAGE = os.path.abspath("docs/rule-agreement.md")
# Theirs to ours.
SAME = {
    "AWS.CloudTrail.Stopped": "CLOUDTRAIL_STOPPED", "AWS.CloudTrail.EventSelectorsDisabled": "CLOUDTRAIL_EVENTS_DESELECTED",
    "AWS.ConfigService.DisabledDeleted": "AWS_CONFIG_STOPPED", "AWS.VPCFlow.LogsDeleted": "FLOW_LOGS_DELETED", "AWS.Macie.Evasion": "MACIE_CHANGED",
    "AWS.WAF.Disassociation": "WAF_DISASSOCIATED", "AWS.EC2.EBS.Encryption.Disabled": "EBS_ENCRYPTION_OFF",
    "AWS.CloudTrail.AMIModifiedForPublicAccess": "AMI_SHARED", "AWS.CloudTrail.SnapshotMadePublic": "EBS_SNAPSHOT_SHARED",
    "AWS.RDS.InstanceMadePublic": "RDS_MADE_PUBLIC", "AWS.RDS.SnapshotShared": "RDS_SNAPSHOT_SHARED",
    "AWS.S3.DeletePublicAccessBlock": "S3_PUBLIC_BLOCK_REMOVED", "AWS.S3.DeleteBucketEncryption": "S3_ENCRYPTION_REMOVED",
    "AWS.S3.BucketPolicyModified": "S3_POLICY_CHANGED", "AWS.Console.RootLogin": "ROOT_CONSOLE_LOGIN",
    "AWS.CloudTrail.RootAccessKeyCreated": "ROOT_ACCESS_KEY_CREATED", "AWS.CloudTrail.RootPasswordChanged": "ROOT_PASSWORD_CHANGED",
    "AWS.IAM.AttachAdminUserPolicy": "ADMIN_POLICY_ATTACHED", "AWS.IAM.AttachAdminRolePolicy": "ADMIN_POLICY_ATTACHED",
    "AWS.IAM.Backdoor.User.Keys": "ACCESS_KEY_FOR_ANOTHER_USER", "AWS.IAM.BackdoorRole": "ROLE_TRUST_OPENED",
    "AWS.IAM.AccessKeyCompromised": "LEAKED_KEY_QUARANTINED", "AWS.Suspicious.SAML.Activity": "SAML_PROVIDER_CHANGED",
    "AWS.KMS.CustomerManagedKeyLoss": "KMS_KEY_LOST", "AWS.RDS.InstanceDeletion": "RDS_DELETED", "AWS.RDS.SnapshotDeleted": "RDS_SNAPSHOT_DELETED",
    "GitHub.Branch.PolicyOverride": "GITHUB_BRANCH_PROTECTION_OVERRIDDEN", "GitHub.Repo.RulesetModified": "GITHUB_RULESET_CHANGED",
    "GitHub.User.RoleUpdated": "GITHUB_MEMBER_ROLE_CHANGED", "GitHub.Webhook.Modified": "GITHUB_WEBHOOK_CHANGED",
    "GitHub.Repo.HookModified": "GITHUB_WEBHOOK_CHANGED", "GitHub.Workflow.PermissionsModified": "GITHUB_WORKFLOW_PERMISSIONS_CHANGED",
    "Github.Repo.VulnerabilityDismissed": "GITHUB_VULNERABILITY_DISMISSED", "GitHub.Org.Moderators.Add": "GITHUB_MODERATOR_ADDED",
    "Okta.APIKeyCreated": "OKTA_API_TOKEN_CREATED", "Okta.Support.Access": "OKTA_SUPPORT_ACCESS",
    "Okta.Identity.Provider.Created.Modified": "OKTA_IDENTITY_PROVIDER_CHANGED", "Okta.User.Account.Locked": "OKTA_ACCOUNT_LOCKED",
    "Okta.App.Unauthorized.Access.Attempt": "OKTA_APP_ACCESS_DENIED", "Okta.Anonymizing.VPN.Login": "OKTA_ANONYMIZER_LOGIN",
}
# Their collector writes some names of Okta's in small letters; here they stand as Okta sends them.
OKTA = {"eventtype": "eventType", "displaymessage": "displayMessage", "securitycontext": "securityContext", "debugcontext": "debugContext",
        "authenticationcontext": "authenticationContext", "legacyeventtype": "legacyEventType"}
HEAD = "<!-- The table is written by test/e2e/packs_labelled_e2e.py: WRITE_AGREEMENT=1 -->\n"
TAIL = "<!-- end of the table -->\n"


TECHNIQUES = ("<!-- This one, too -->\n", "<!-- end of the second table -->\n")

CROWDSEC = ("<!-- And this one -->\n", "<!-- end of the third table -->\n")
WEB_LOGS = ("nginx", "apache2")


def agree_with_page(head, tail, table):
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    start, end = text.index(head), text.index(tail) + len(tail)
    if os.environ.get("WRITE_AGREEMENT"):
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(text[:start] + table + text[end:])
        return
    assert text[start:end] == table, "docs/rule-agreement.md is stale: run this test with WRITE_AGREEMENT=1"


def labelled():
    text = subprocess.run(["zstdcat", shared("rule-labelled-events/panther.jsonl.zst")], check=True, capture_output=True).stdout.decode()
    rows = [row for row in map(json.loads, text.splitlines()) if row["rule"] in SAME and isinstance(row["log"], dict)]
    assert {row["rule"] for row in rows} == set(SAME), set(SAME) - {row["rule"] for row in rows}
    for row in rows:
        row["log"] = {OKTA.get(key, key): value for key, value in row["log"].items()}
    return rows


def table_of(rows, fired):
    lines_of = collections.OrderedDict()
    for number, row in enumerate(rows, 1):
        agrees = (SAME[row["rule"]] in fired[number]) == row["expected"]
        cell = lines_of.setdefault((SAME[row["rule"]], row["rule"]), {True: [0, 0], False: [0, 0], "misses": []})
        cell[row["expected"]][0] += agrees
        cell[row["expected"]][1] += 1
        cell["misses"] += [] if agrees else [row["test"]]
    out = ["| rule of the pack | label of | fires | holds | differs on |\n|---|---|---|---|---|\n"]
    total = [0, 0, 0, 0]
    for (ours, theirs), cell in sorted(lines_of.items()):
        numbers = cell[True] + cell[False]
        total = [a + b for a, b in zip(total, numbers)]
        out.append("| `{}` | {} | {} of {} | {} of {} | {} |\n".format(ours, theirs, *numbers, ", ".join(cell["misses"])))
    out.append("| all | | {} of {} | {} of {} | |\n".format(*total))
    return HEAD + "".join(out) + TAIL, total


@test("C-46 C-47 C-48 the cloud pack fires where labelled events say so, holds where they say so, and the page says how often")
def panther():
    rows = labelled()
    with kit.temporary() as folder:
        path = os.path.join(folder, "events.json")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row["log"]) + "\n" for row in rows)
        code, out, err = tocsin("scan", "--input", "json", "--format", "json", "--rules", "packs/cloud", path)
        assert code == 0, err
    fired = collections.defaultdict(set)
    for finding in lines(out):
        fired[finding["line"]].add(finding["rule"]["title"])
    table, total = table_of(rows, fired)
    print(f"   fires {total[0]} of {total[1]}, holds {total[2]} of {total[3]}")
    agree_with_page(HEAD, TAIL, table)


@test("attacks that were recorded: which of them the cloud pack tells of, and the page says so")
def recorded():
    folder, out, told = shared("cloudtrail/stratus-red-team"), [], 0
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json"):
            continue
        code, findings, err = tocsin("scan", "--input", "json", "--format", "json", "--rules", "packs/cloud", os.path.join(folder, name))
        assert code == 0, err
        titles = sorted({finding["rule"]["title"] for finding in lines(findings)})
        told += bool(titles)
        out.append("| {} | {} |\n".format(name[:-len(".json")], ", ".join(f"`{title}`" for title in titles) or "nothing"))
    out.append(f"| all | {told} of {len(out)} |\n")
    agree_with_page(*TECHNIQUES, TECHNIQUES[0] + "| technique | told by |\n|---|---|\n" + "".join(out) + TECHNIQUES[1])


@test("CrowdSec's web logs: the addresses that its scenarios name and that the web pack names, and the page says so")
def web():
    out, total = [], [0, 0, 0]
    with open(shared("crowdsec/expected.jsonl"), encoding="utf-8") as file:
        entries = [entry for entry in map(json.loads, file) if entry["log_type"] in WEB_LOGS]
    for entry in sorted(entries, key=lambda entry: entry["test"]):
        log = shared(f"crowdsec/tests/{entry['test']}/{entry['log_file']}")
        code, found, err = tocsin("scan", "--alerts", "--format", "json", "--rules", "packs/web", log)
        assert code == 0, err
        named = {value for alert in lines(found) for value in alert["labels"].values()}
        wanted = {source["value"] for alert in entry.get("alerts") or [] for source in alert["sources"]}
        scenarios = sorted({alert["scenario"] for alert in entry.get("alerts") or []})
        total = [total[0] + len(wanted & named), total[1] + len(wanted), total[2] + (not wanted and not lines(found))]
        out.append("| {} | {} | {} of {} |\n".format(entry["test"], ", ".join(scenarios) or "none", len(wanted & named), len(wanted)))
    quiet = sum(not entry.get("alerts") for entry in entries)
    out.append(f"| all | | {total[0]} of {total[1]}; silent on {total[2]} of {quiet} without an alert of theirs |\n")
    agree_with_page(*CROWDSEC, CROWDSEC[0] + "| test | their scenarios | addresses named |\n|---|---|---|\n" + "".join(out) + CROWDSEC[1])


kit.main()
