"""From an alert to its events and back, over HTTP and the command line, also once the journal's segments are cold."""
import glob
import json

import kit
from kit import Server, now, test, tocsin, wait_for

RULE = """title: Seen twice
id: 3b0a1c52-7f0a-4b55-9a54-6a6fd3a2b001
logsource:
  product: x
detection:
  s:
    action: forbidden
  condition: s
level: high
"""


def failures(n):
    return [{"@timestamp": now(), "event_type": "login_failed", "source.ip": "203.0.113.7", "user.name": "alice"} for _ in range(n)]


def asked(server, *args, code=0):
    got, out, err = tocsin("alerts", *args, "--url", f"http://127.0.0.1:{server.port}")
    assert got == code, (args, got, out, err)
    return out, err


def check_links(server, alert, raws):
    """Both ways, by both doors."""
    status, body, _ = server.get(f"/v1/alerts/{alert['id']}/events")
    answer = json.loads(body)
    assert status == 200 and answer["alert"] == alert["id"] and answer["truncated"] is False, answer
    assert [json.loads(e["raw"])["n"] for e in answer["events"]] == raws, answer
    stored = {e["position"]: e for e in server.query()}
    for event in answer["events"]:
        assert event["rule_id"] == alert["rule_id"] and event["type"] == "event", event
        assert {k: event[k] for k in stored[event["position"]]} == stored[event["position"]], "as `tocsin query` has it"
        status, body, _ = server.get(f"/v1/events/{event['position']}")
        back = json.loads(body)
        assert status == 200 and back["raw"] == event["raw"], back
        assert {"id": alert["id"], "rule_id": alert["rule_id"], "title": alert["title"]} in back["alerts"], back
    out, _ = asked(server, "events", alert["id"][:8], "--format", "json")
    assert kit.lines(out) == answer["events"]
    out, _ = asked(server, "of", answer["events"][0]["position"])
    assert out.split(" ")[0] == alert["id"] and alert["title"] in out, out
    return answer["events"]


@test("Y-05 round trip: an alert names its events, an event its alerts; the same over cold segments and after a restart")
def round_trip():
    with kit.temporary() as folder:
        with open(f"{folder}/rule.yml", "w", encoding="utf-8") as file:
            file.write(RULE)
        text = f"channels: []\nrules: [{folder}/rule.yml]\nshipped_packs: true\nretention:\n  segment_age: 1s\n  cold_after: 1s\n"
        with Server(config=text) as server:
            server.send(*[{**e, "n": n} for n, e in enumerate(failures(6), 1)])
            server.send({"product": "x", "action": "forbidden", "n": 7}, {"action": "allowed", "n": 8}, {"product": "x", "action": "forbidden", "n": 9})
            wait_for("two alerts", lambda: {"BRUTE_FORCE_ATTACK", "Seen twice"} <= {a["title"] for a in server.alerts()})
            by_title = {a["title"]: a for a in server.alerts()}
            brute, twice = by_title["BRUTE_FORCE_ATTACK"], by_title["Seen twice"]
            (last,) = check_links(server, brute, [6])
            first, _ = check_links(server, twice, [7, 9])
            allowed = next(e for e in server.query() if json.loads(e["raw"])["n"] == 8)
            assert json.loads(server.get(f"/v1/events/{allowed['position']}")[1])["alerts"] == []
            answer = json.loads(server.get(f"/v1/alerts/{twice['id']}/events?limit=1")[1])
            assert answer["truncated"] is True and [e["position"] for e in answer["events"]] == [first["position"]]
            for path, status in (("/v1/alerts/abcdef/events", 404), ("/v1/events/999999", 404), ("/v1/events/x", 400),
                                 ("/v1/events/0", 400), (f"/v1/alerts/{brute['id']}/events?limit=0", 400)):
                assert server.get(path)[0] == status, path
            out, err = asked(server, "events", twice["id"])
            assert out.count("forbidden") == 2 and err == "", (out, err)
            asked(server, "of", "none", code=2)

            server.send({"n": 10})  # so that the segment before closes
            cold = lambda: glob.glob(f"{server.data}/journal/*.cold")
            wait_for("a cold segment", cold, 30)
            server.stop()
            server.start()
            assert cold()
            check_links(server, brute, [6])
            check_links(server, twice, [7, 9])
            assert last["position"] > 0
            assert tocsin("verify", server.data)[0] == 0


if __name__ == "__main__":
    kit.main()
