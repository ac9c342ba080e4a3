"""What is kept how long: over a running server, with times of seconds; what others read of it: tools/jdump, a backup, the archive."""
import json
import os
import shutil
import subprocess
import sys

import kit
from kit import Server, temporary, test, tocsin, wait_for

CONFIG = """
seal:
  key: {0}/seal.key
  interval: 1s
retention:
  security: 1h
  audit: 2h
  debug: 2s
  segment_age: 1s
  cold_after: 1s
  archive: {0}/archive
  classes:
    - class: debug
      level: [debug, trace]
    - class: audit
      source: "http:*"
      level: notice
  holds:
    - name: case 7
      class: debug
      text: "held for the court"
"""


def events(data, **wish):
    out = kit.lines(tocsin("query", "--data", data, "--all")[1])
    return [e for e in out if all(e.get(k) == v for k, v in wish.items())]


def jdump(*args):
    done = subprocess.run([sys.executable, os.path.abspath("tools/jdump"), *map(str, args)], capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check_others(data):
    """An independent reader says the same as tocsin of what is left."""
    report = json.loads(tocsin("verify", data, "--format", "json")[1])
    code, out, err = jdump("--summary", data)
    assert code == 0, err
    summary = json.loads(out)
    for key in ("segments", "records", "head", "dropped_records"):
        assert report[key] == summary[key], (key, report, summary)
    ours, theirs = events(data), kit.lines(jdump(data)[1])
    assert [e["id"] for e in ours] == [e["id"] for e in theirs]
    for our, their in zip(ours, theirs):
        assert our["raw"] == their["raw"] and our.get("position", their["position"]) == their["position"], (our, their)
    return report


@test("J-06 X-13 classes at intake, cold segments, drops that are told before, holds, archive; verify, proof, backup, jdump after them")
def retention():
    with temporary() as data:
        code, out, err = tocsin("seal", "init", f"{data}/seal.key", "--name", "tocsin.example.org/test")
        assert code == 0, err
        with Server(data=data, config=CONFIG.format(data)) as server:
            server.send({"n": 1, "message": "stays"}, {"n": 2, "level": "debug", "message": "goes"},
                        {"n": 3, "level": "TRACE", "message": "held for the court"}, {"n": 4, "log": {"level": "notice"}, "message": "audit"})
            classes = {json.loads(e["raw"])["n"]: e["id"].split("-")[1] for e in server.query()}
            assert classes == {1: "security", 2: "debug", 3: "debug", 4: "audit"}, classes
            first, gone = (next(e for e in server.query() if text in e["raw"]) for text in ('"stays"', '"goes"'))
            wait_for("a drop", lambda: server.metric("tocsin_retention_drops_total") >= 1, 30)
            wait_for("the debug event to go", lambda: not any('"goes"' in e["raw"] for e in server.query()), 30)
            raws = [e["raw"] for e in server.query()]
            assert any("held for the court" in r for r in raws) and any('"stays"' in r for r in raws) and any('"audit"' in r for r in raws)
            told = [json.loads(e["raw"]) for e in server.query("--all") if "-audit-" in e["id"] and "retention_drop" in e["raw"]]
            assert told and told[0]["classes"] == ["debug"] and told[0]["first_position"] == 1, told
            policy = [json.loads(e["raw"]) for e in server.query("--all") if "retention_policy" in e["raw"]]
            assert policy and policy[0]["holds"][0]["name"] == "case 7" and policy[0]["debug_seconds"] == 2, policy
            assert server.metric("tocsin_journal_cold_segments") >= 1
            code, out, err = tocsin("backup", "--data", data, "--to", f"{data}/backup")
            assert code == 0, err
            server.stop()
        code, out, err = tocsin("verify", data, "--key", f"{data}/seal.key.pub", "--prove", first["id"], "--proof", f"{data}/proof")
        assert code == 0 and "dropped by retention" in out, (out, err)
        report = check_others(data)
        every = events(data)
        for at in range(0, len(every) - 1, 2):  # a position is a cursor, over cold segments as over others
            behind = kit.lines(tocsin("query", "--data", data, "--all", "--after", every[at]["position"], "--limit", "2")[1])
            assert [e["id"] for e in behind] == [e["id"] for e in every[at + 1:at + 3]], (at, behind)
        assert report["dropped_records"] > 0 and report["cold_segments"] > 0, report
        for name, why in ((gone["id"], "retention dropped until"), (gone["position"], "dropped by retention")):
            code, out, err = tocsin("verify", data, "--key", f"{data}/seal.key.pub", "--prove", str(name), "--proof", f"{data}/no-proof")
            assert code == 1 and why in err and not os.path.exists(f"{data}/no-proof"), (code, err)
        # the archive has what went, and is read as a data directory is
        assert any('"goes"' in e["raw"] for e in events(f"{data}/archive")), "the archive lacks what was dropped"
        assert tocsin("verify", f"{data}/archive")[0] == 0
        # a backup of all this, and a start from it
        code, out, err = tocsin("restore", "--from", f"{data}/backup", "--data", f"{data}/restored")
        assert code == 0, err
        assert tocsin("verify", f"{data}/restored")[0] == 0
        for name in ("state.sqlite", "checkpoint"):
            path = os.path.join(data, name)
            if os.path.exists(path):
                os.remove(path)
        with Server(data=data, config=CONFIG.format(data)) as server:  # the fold over what is left
            server.send({"n": 5, "message": "after"})
            wait_for("the new event", lambda: any('"after"' in e["raw"] for e in server.query()))
            server.stop()
        # damage in a cold segment is told with its file
        name = sorted(n for n in os.listdir(f"{data}/journal") if n.endswith(".cold"))[0]
        path = f"{data}/journal/{name}"
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)
            file.seek(os.path.getsize(path) // 2)
            file.write(bytes([byte[0] ^ 1]))
        code, out, err = tocsin("verify", data)
        assert code == 1 and name in err, (code, err)
        assert jdump(data)[0] == 1
        shutil.rmtree(f"{data}/archive")


HOLDS = """
retention:
  debug: 2s
  classes: [{class: debug, level: [debug]}]
  segment_age: 1s
  cold_after: 1s
  holds:
    - {name: of the file, text: nobody says this}
"""


def drops(server):
    """How many there were since the start; 0 also while the thread of retention does not run yet."""
    return server.metric("tocsin_retention_drops_total") if "tocsin_retention_drops_total" in server.get("/metrics")[1] else 0


def said(server, text):
    return any(text in e["raw"] for e in server.query())


@test("J-06 X-13 a hold made at run time: in force at once, over a kill and without the checkpoint; released, what it held goes; all of it in the journal")
def holds():
    def hold(*args, code=0):
        got, out, err = tocsin("hold", *args, "--url", f"http://127.0.0.1:{server.port}")
        assert got == code, (args, got, out, err)
        return kit.lines(out) if code == 0 else err

    with Server(config=HOLDS) as server:
        (made,) = hold("add", "case 8/a", "--text", "for the court", "--class", "debug", "--note", "letter of the court", "--by", "olga")
        assert made["name"] == "case 8/a" and made["classes"] == ["debug"] and made["by"] == "olga" and made["configured"] is False, made
        assert "already" in hold("add", "case 8/a", "--note", "again", code=2)
        assert "note" in hold("add", "case 9", code=2) and "time" in hold("add", "case 9", "--note", "x", "--from", "monday", code=2)
        assert "configuration" in hold("release", "of the file", "--note", "x", code=2)
        server.send({"level": "debug", "message": "kept for the court"}, {"level": "debug", "message": "goes"})
        wait_for("the other to go", lambda: not said(server, '"goes"'), 30)
        assert said(server, "kept for the court") and server.metric("tocsin_retention_holds") == 1
        server.kill()
        checkpoint = os.path.join(server.data, "checkpoint")
        if os.path.exists(checkpoint):
            os.remove(checkpoint)
        server.start()
        assert [(h["name"], h["configured"]) for h in hold("list")] == [("of the file", True), ("case 8/a", False)]
        server.send({"level": "debug", "message": "goes, too"})
        wait_for("a drop after the restart", lambda: drops(server) >= 1 and not said(server, "goes, too"), 30)
        assert said(server, "kept for the court"), "the hold of before the kill"
        assert server.stop() == 0
        server.start()  # from the checkpoint
        assert len(hold("list")) == 2 and said(server, "kept for the court")
        hold("release", "case 8/a", "--note", "the case is over", "--by", "olga")
        wait_for("what was held to go", lambda: not said(server, "kept for the court"), 30)
        assert [h["name"] for h in hold("list")] == ["of the file"]
        commands = [json.loads(e["raw"]) for e in server.query("--all") if e["type"] == "command" and '"hold_' in e["raw"]]
        assert [(c["verb"], c["by"]) for c in commands if c.get("by") == "olga"] == [("hold_add", "olga"), ("hold_release", "olga")], commands
        policies = [json.loads(e["raw"]) for e in server.query("--all") if "retention_policy" in e["raw"]]
        assert [h["name"] for h in policies[1]["holds"]] == ["of the file", "case 8/a"], "each start tells what is held"
        server.stop()
        assert tocsin("verify", server.data)[0] == 0


def content(path):
    with open(path, "rb") as file:
        return file.read()


def cold_of(folder):
    return sorted(os.path.join(folder, "journal", n) for n in os.listdir(os.path.join(folder, "journal")) if n.endswith(".cold"))


@test("J-06 an archive that cannot be written: nothing is dropped, and an alert says so")
def no_archive():
    with temporary() as folder:
        blocked = f"{folder}/file"
        with open(blocked, "w", encoding="ascii") as file:
            file.write("no directory\n")
        config = ("shipped_packs: true\nretention: {security: 1h, audit: 2h, debug: 2s, segment_age: 1s, cold_after: 1s, "
                  f"archive: {blocked}/archive, classes: [{{class: debug, level: [debug]}}]}}\n")
        with Server(config=config) as server:
            def told():
                server.send({"level": "debug", "message": "goes"})  # so that segments end
                return [a for a in server.alerts() if a["title"] == "RETENTION_FAILED"]
            (alert,) = wait_for("an alert", told, 60)
            assert alert["count"] == 1 and server.metric("tocsin_retention_failures_total") >= 10, alert
            assert sum(e["raw"].count("goes") for e in server.query()) > 1, "dropped without a copy"


@test("J-06 the archive: listed, put back into a stopped directory where it proves itself, refused where it was changed; a hold keeps it")
def archive():
    hold = "  holds: [{name: back, text: goes}]\n"
    with temporary() as folder:
        data, there = f"{folder}/data", f"{folder}/archive"
        os.mkdir(data)
        assert tocsin("seal", "init", f"{folder}/seal.key", "--name", "tocsin.example.org/test")[0] == 0
        text = HOLDS.split("  holds:")[0] + f"  archive: {there}\n"
        seal = f"seal: {{key: {folder}/seal.key, interval: 1s}}\n"

        def ask(verb, *args, code=0):
            got, out, err = tocsin("archive", verb, "--data", data, "--from", there, *args)
            assert got == code, (verb, args, got, out, err)
            return kit.lines(out) if "json" in args else out + err

        with Server(data=data, config=text + seal) as server:
            server.send({"n": 1, "message": "stays"}, {"n": 2, "level": "debug", "message": "goes"})
            wait_for("a drop", lambda: not said(server, "goes"), 30)
            refused = ask("restore", code=3)
            assert "in use" in refused, refused
            server.stop()
        listed = ask("list", "--format", "json")
        lacking = [one for one in listed if one["archived_records"] > one["records"]]
        assert lacking and listed[0]["first_position"] == 1 and listed[0]["restored"] is False, listed
        assert not any("goes" in e["raw"] for e in events(data))
        # a copy that was changed, anywhere, is refused, and the file here stays as it is
        copy, mine = cold_of(there)[0], cold_of(data)[0]
        good, before = content(copy), content(mine)
        for at in (600, len(good) // 2, len(good) - 40):
            with open(copy, "wb") as file:
                file.write(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
            ask("restore", "--at", "1", code=1)
            assert content(mine) == before and not [n for n in os.listdir(f"{data}/journal") if n.endswith(".new")]
        # one of another journal, whole in itself, too
        with Server(config=text) as other:
            other.send({"n": 1, "message": "forged"}, {"n": 2, "level": "debug", "message": "goes, too"})
            wait_for("a cold segment of another journal", lambda: cold_of(other.data), 30)
            shutil.copy(cold_of(other.data)[0], copy)
        assert "another journal" in ask("restore", "--at", "1", code=1) and content(mine) == before
        with open(copy, "wb") as file:
            file.write(good)
        assert "no segment with position" in ask("restore", "--at", "9999999", code=2)
        back = ask("restore", "--format", "json")
        assert [b["first_position"] for b in back] == [one["first_position"] for one in lacking] and all(b["restored"] for b in back), back
        assert any('"goes"' in e["raw"] for e in events(data)) and ask("restore").startswith("0 segments")
        code, out, err = tocsin("verify", data, "--key", f"{folder}/seal.key.pub", "--format", "json")
        report = json.loads(out)
        assert code == 0 and report["intact"] is True and report["dropped_records"] == 0 and report["checkpoints"]["state"] == "agree", report
        with Server(data=data, config=text + hold + seal) as server:  # held: the rounds that follow leave it
            wait_for("a drop of what is not held", lambda: drops(server) >= 1, 30)
            assert said(server, '"goes"')


if __name__ == "__main__":
    kit.main()
