"""Privacy: nothing of a person in clear in any file or message, revealing is audited, erasing is for ever."""
import glob
import json
import os
import re

import kit
from kit import Receiver, Server, now, test, tocsin, wait_for

OFFICER = {"OFFICER_TOKEN": "a-long-token-of-an-officer"}
PERSONAL = ["alice@example.com", "ALICE", "2079460958", "7946 0958", "DE89370400440532013000", "Zelda Fitzgerald", "078-05-1120",
            "hunter2secret", "0123456789abcdefsig"]
PRIVACY = """privacy:
  officers:
    - {name: olga, token: env:OFFICER_TOKEN}
  fields:
    - customer.name token
    - ssn mask
    - notes truncate 5
    - sql sql
"""


def config(extra=""):
    return f"channels:\n  - name: security\n    type: slack\n    url: env:HOOK\n{extra}{PRIVACY}"


def failures(n, **more):
    return [{"@timestamp": now(), "event_type": "login_failed", "source.ip": "203.0.113.7", "user.name": "alice@example.com",
             **more} for _ in range(n)]


def personal():
    return dict(phone="+44 20 7946 0958", customer={"name": "Zelda Fitzgerald"}, ssn="078-05-1120", iban="DE89370400440532013000",
                url="https://u:hunter2secret@x.example/a?sig=0123456789abcdefsig", message="call ALICE@Example.com on +442079460958")


def files_with(folder, texts):
    found = []
    for path, _, names in os.walk(folder):
        for name in names:
            if name == "tocsin.yml":
                continue
            with open(os.path.join(path, name), "rb") as file:
                content = file.read()
            found += [(name, text) for text in texts if text.encode() in content]
    return found


def token_of(server, field="user.name"):
    raw = json.loads(server.query()[-1]["raw"])
    return raw[field]


def officer(*args, url, token=OFFICER["OFFICER_TOKEN"]):
    return tocsin(*args, "--url", url, env={"TOCSIN_PRIVACY_TOKEN": token})


@test("H-02 H-04 nothing personal in clear in any file of the data directory nor in Slack")
def nothing_in_clear():
    with Receiver() as hook, Server(config=config(), env={"HOOK": hook.url, **OFFICER}) as server:
        server.send(*failures(6, **personal()))
        wait_for("an alert", server.alerts)
        (message,) = wait_for("a Slack message", hook.bodies)
        text = json.dumps(message)
        assert not [p for p in PERSONAL + ["203.0.113.7"] if p in text], text
        assert re.search(r"source\.ip=ip-[0-9a-f]{8}", text) or "ip-" in text, text
        assert server.alerts()[0]["labels"].get("source_ip") == "203.0.113.7", "the console knows"
        assert server.stop() == 0
        assert files_with(server.data, PERSONAL) == []
        assert not [p for p in PERSONAL if p in server.output()]


@test("H-07 reveal: addresses for a channel that may know them")
def destination():
    with Receiver() as hook, Server(config=config("    reveal: addresses\n"), env={"HOOK": hook.url, **OFFICER}) as server:
        server.send(*failures(6))
        wait_for("an alert", server.alerts)
        (message,) = wait_for("a Slack message", hook.bodies)
        assert "203.0.113.7" in json.dumps(message)


@test("H-02 revealing needs an officer and a reason, and is audited; tokens survive a kill")
def reveal():
    with Receiver() as hook, Server(config=config(), env={"HOOK": hook.url, **OFFICER}) as server:
        url = f"http://127.0.0.1:{server.port}"
        server.send(*failures(6, **personal()))
        token = token_of(server)
        assert re.fullmatch(r"<email:[0-9a-f]{16}>", token), token
        code, out, err = officer("vault", "reveal", token, "--reason", "case 7", url=url)
        assert code == 0 and json.loads(out) == {"token": token[7:-1], "kind": "email", "value": "alice@example.com"}, (out, err)
        assert officer("vault", "reveal", token, "--reason", "x", url=url, token="wrong")[0] == 2
        assert officer("vault", "reveal", token, "--reason", " ", url=url)[0] == 2
        assert officer("vault", "reveal", token, url=url)[0] == 2
        (alert,) = wait_for("an alert", server.alerts)
        code, out, err = officer("alerts", "reveal", alert["id"], "--reason", "case 8", "--format", "json", url=url)
        assert code == 0 and json.loads(out)["id"] == alert["id"], err
        server.kill()
        with open(server.segments()[0], "rb") as file:
            journal = file.read()
        assert b'{"verb":"vault_reveal","token":"' + token[7:-1].encode() + b'","by":"olga","note":"case 7"}' in journal
        assert b'"verb":"vault_reveal_alert"' in journal
        server.start()
        server.send(*failures(1))
        assert token_of(server) == token, "the same person, the same token, also after kill -9"
        code, out, _ = officer("vault", "reveal", token, "--reason", "again", url=url)
        assert code == 0 and json.loads(out)["value"] == "alice@example.com"


@test("H-02 without officers nobody may reveal")
def nobody():
    with Server() as server:
        server.send(*failures(1))
        code, _, err = officer("vault", "reveal", token_of(server), "--reason", "x", url=f"http://127.0.0.1:{server.port}")
        assert code == 2 and "403" in err, err


@test("Y-15 erase: the value is gone for ever, the chain verifies, an old vault does not bring it back")
def erase():
    with Receiver() as hook, Server(config=config(), env={"HOOK": hook.url, **OFFICER}) as server:
        url = f"http://127.0.0.1:{server.port}"
        server.send(*failures(2, **personal()))
        token = token_of(server)
        entries = os.path.join(server.data, "vault", "entries")
        with open(entries, "rb") as file:
            old = file.read()
        assert officer("vault", "erase", "Alice@example.com", "--reason", "asked on 2026-11-20", url=url)[0] == 0
        assert officer("vault", "reveal", token, "--reason", "x", url=url)[0] == 2
        assert officer("vault", "erase", "Alice@example.com", "--reason", "again", url=url)[0] == 2
        server.send(*failures(1))
        assert token_of(server) != token, "a new token: nothing leads to the old one"
        server.stop()
        assert tocsin("verify", server.data)[0] == 0
        with open(entries, "wb") as file:
            file.write(old)
        server.start()
        code, _, err = officer("vault", "reveal", token, "--reason", "x", url=url)
        assert code == 2 and "erased" in err, err
        code, out, err = officer("vault", "reveal", token_of(server), "--reason", "x", url=url)
        assert code == 2, (out, err)  # its entry was not in the old file


def cold_files(server):
    found = {}
    for path in glob.glob(f"{server.data}/journal/*.cold"):
        with open(path, "rb") as file:
            found[path] = file.read()
    return found


def first_of(path):
    """The first position of a segment file."""
    return int(os.path.basename(path).split(".")[0])


@test("Y-15 erase over cold segments: the person is gone from all of them, none of their bytes changes, the chain verifies")
def erase_cold():
    retention = "retention:\n  segment_age: 1s\n  cold_after: 1s\n"
    with Receiver() as hook, Server(config=config() + retention, env={"HOOK": hook.url, **OFFICER}) as server:
        url = f"http://127.0.0.1:{server.port}"
        server.send(*failures(2, **personal()))
        token = token_of(server)
        position = server.query()[-1]["position"]
        wait_for("the person's records to be cold", lambda: all(first_of(path) > position for path in server.segments()), 30)
        before = cold_files(server)
        assert before
        assert officer("vault", "reveal", token, "--reason", "x", url=url)[0] == 0, "cold: the token leads to the value still"
        assert officer("vault", "erase", "alice@example.com", "--reason", "asked on 2026-11-20", url=url)[0] == 0
        assert officer("vault", "reveal", token, "--reason", "x", url=url)[0] == 2
        server.stop()
        after = cold_files(server)
        assert all(after[path] == content for path, content in before.items())
        code, out, err = tocsin("verify", server.data)
        assert code == 0, err
        said = tocsin("query", "--data", server.data, "--all")[1]
        assert token in said and not [p for p in PERSONAL if p in said], "what is left names the token only"
        assert files_with(server.data, PERSONAL) == []
        server.start()
        assert officer("vault", "reveal", token, "--reason", "x", url=url)[0] == 2, "nor does a restart bring it back"


@test("the vault's key: kept elsewhere, and its loss is told")
def key():
    with kit.temporary() as folder:
        path = os.path.join(folder, "key")
        with Server(config=f"channels: []\nprivacy:\n  vault_key: {path}\n") as server:
            server.send(*failures(1))
            server.stop()
            assert os.path.getsize(path) == 32 and not os.path.exists(os.path.join(server.data, "vault.key"))
            os.unlink(path)
            server.start(ready=False)
            assert server.process.wait(20) == 3
            assert "restore the key" in server.output()


@test("H-09 strict: fields that are not named are dropped; broken JSON is quarantined")
def strict():
    text = "channels: []\nprivacy:\n  strict: true\n  fields: ['@timestamp keep', event_type keep, user.name keep]\n"
    with Server(config=text) as server:
        server.send(*failures(1, diary="dear diary"))
        raw = json.loads(server.query()[-1]["raw"])
        assert raw["diary"] is None and raw["event_type"] == "login_failed" and raw["source.ip"] is None, raw
        assert files_with(server.data, ["dear diary"]) == []


@test("H-04 a rule that reads a replaced field is refused by name, by check and run")
def rules():
    rule = ("title: Bob\nid: 5f9cf0a5-34b4-4a0f-9a14-0a1d1c6a2b11\nlogsource:\n  product: x\ndetection:\n  s:\n"
            "    customer.name|contains: bob\n  condition: s\n")
    with kit.temporary() as folder:
        path = os.path.join(folder, "bob.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(rule)
        text = f"channels: []\nrules: [{path}]\nprivacy:\n  fields: [customer.name token]\n"
        conf = os.path.join(folder, "tocsin.yml")
        with open(conf, "w", encoding="utf-8") as file:
            file.write("data: /nowhere\n" + text)
        code, _, err = tocsin("check", "--config", conf)
        assert code == 2 and f"{path}:1" in err and "customer.name" in err and "random tokens" in err, err
        with Server(config=text) as server:
            assert f"\"file\":\"{path}\",\"line\":1" in server.output() and "customer.name" in server.output()


kit.main()
