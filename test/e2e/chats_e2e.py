"""Chat, paging and ticket services, each held to its published API by a contract server on loopback."""
import kit
from kit import test, tocsin, wait_for
from vendors import Chats
from world import World, deliveries, event

CHANNELS = """channels:
  - {{name: teams, type: teams, url: env:TEAMS}}
  - {{name: discord, type: discord, url: env:DISCORD, mentions: {{P1: "@here"}}}}
  - {{name: telegram, type: telegram, api_url: "{url}/telegram", token: env:TOKEN, to: ["-1001"]}}
  - {{name: mattermost, type: mattermost, url: env:MATTERMOST, mentions: {{P1: "@channel"}}}}
  - {{name: pushover, type: pushover, api_url: "{url}/pushover", token: env:TOKEN, to: [uQiRzpo4DXghDmr9QzzfQu27cmVRsG]}}
  - {{name: webex, type: webex, api_url: "{url}/webex/", token: env:TOKEN, to: [Y2lzROOM]}}
  - {{name: opsgenie, type: opsgenie, api_url: "{url}/opsgenie", token: env:TOKEN}}
  - {{name: victorops, type: victorops, api_url: "{url}/victorops", token: env:TOKEN, routing_key: env:ROUTING}}
  - {{name: sns, type: sns, api_url: "{url}/sns", account: AKID, token: env:TOKEN, region: eu-west-1, to: ["arn:aws:sns:eu-west-1:123456789012:soc"]}}
  - {{name: jira, type: jira, api_url: "{url}/jira", project: SEC, issue: Incident, transition: "31", auth_username: tocsin@example.com,
     auth_password: env:TOKEN}}
  - {{name: ticket, type: ticket, url: env:TICKET, token: env:TOKEN}}
"""
NAMES = ("teams", "discord", "telegram", "mattermost", "pushover", "webex", "opsgenie", "victorops", "sns", "jira", "ticket")


def world_of(chats):
    env = {"TOKEN": Chats.TOKEN, "ROUTING": "soc", "TEAMS": chats.url + "/teams/hook", "DISCORD": chats.url + "/discord/hook",
           "MATTERMOST": chats.url + "/mattermost/hook", "TICKET": chats.url + "/ticket/tickets"}
    return CHANNELS.format(url=chats.url), env


@test("E-10 E-11 chat, paging and ticket services: told, acknowledged and ended as each one's API wants it; the id in the receipt, no secret anywhere")
def all_of_them():
    with World() as world, Chats() as chats:
        config, env = world_of(chats)
        with world.server(config, env) as server:
            server.send(event("P1", "<b>*_`[x](javascript:y)@here&"))

            def sent(count):
                return wait_for(f"{count} receipts", lambda: server.metric("tocsin_notifications_sent_total") +
                                server.metric("tocsin_notifications_failed_total") == count)
            sent(11)
            (alert,) = server.alerts()
            url = f"http://127.0.0.1:{server.port}"
            tocsin("alerts", "ack", alert["id"], "--url", url, "--by", "carol")
            sent(21)  # SNS is not told
            tocsin("alerts", "resolve", alert["id"], "--url", url, "--by", "dave")
            sent(32)
            bad = [(r.path, r.status, r.body) for r in chats.requests if not 200 <= r.status < 300]
            assert not bad and server.metric("tocsin_notifications_failed_total") == 0, bad
            counts = {name: len(chats.of(name)) for name in NAMES}
            assert counts == {**dict.fromkeys(NAMES, 3), "pushover": 5, "sns": 2, "jira": 4}, counts
            ids = {d["channel"]: d["provider_id"] for d in deliveries(server, alert["id"]) if d["key"].split(":")[0].endswith("-new")}
            assert ids == {"teams": "", "discord": "1088", "telegram": "17", "mattermost": "", "pushover": "647d2300-702c-4b38-8b2f-d56326ae460b",
                           "webex": "Y2lzY29zcGFyazovL3VzL01FU1NBR0Uv", "opsgenie": "43a29c5c-3dbf-4fa4-9c26-f4f71023e120", "victorops": alert["id"],
                           "sns": "94f20ce6-13c5-43a0-9a9e-ca52d816e90b", "jira": "SEC-24", "ticket": "7001"}, ids
            assert chats.of("discord")[0].json()["content"] == "@here" and "content" not in chats.of("discord")[1].json()
            assert [r.json().get("reply_to_message_id") for r in chats.of("telegram")] == [None, 17, 17]
            assert [r.json().get("parentId") for r in chats.of("webex")] == [None] + ["Y2lzY29zcGFyazovL3VzL01FU1NBR0Uv"] * 2
            assert [r.json()["message_type"] for r in chats.of("victorops")] == ["CRITICAL", "ACKNOWLEDGEMENT", "RECOVERY"]
            assert [r.path.rpartition("/")[2].split("?")[0] for r in chats.of("opsgenie")] == ["alerts", "acknowledge", "close"]
            assert [r.path.rpartition("/")[2] for r in chats.of("jira")] == ["issue", "comment", "comment", "transitions"]
            assert [(r.method, r.json()["action"]) for r in chats.of("ticket")] == [("POST", "create"), ("PUT", "update"), ("PUT", "close")]
            assert [r.json()["priority"] for r in chats.of("pushover") if "user" in r.json()] == [2, -1, -1]
            said = server.output() + str(deliveries(server, alert["id"]))
            assert Chats.TOKEN not in said and "/hook" not in said


@test("E-11 a finding that comes again changes its one ticket; after a crash before the receipt the same key asks for the same ticket")
def one_ticket():
    with World() as world, Chats() as chats:
        config = "channels:\n  - {name: ticket, type: ticket, url: env:TICKET, token: env:TOKEN}\n"
        with world.server(config, world_of(chats)[1]) as server:
            server.send(*[event("P2") for _ in range(2)])
            wait_for("the ticket", lambda: server.metric("tocsin_notifications_sent_total") == 1)
            server.send(*[event("P2") for _ in range(8)])
            wait_for("its change", lambda: server.metric("tocsin_notifications_sent_total") == 2)
            assert len(chats.tickets) == 1 and [r.method for r in chats.of("ticket")] == ["POST", "PUT"]
            assert chats.of("ticket")[1].path == "/ticket/tickets/7001" and chats.of("ticket")[1].json()["occurrences"] == 10
            server.kill()
            server.start()
            server.send(*[event("P2") for _ in range(40)])
            wait_for("its next change", lambda: len(chats.of("ticket")) == 3)
            assert chats.of("ticket")[2].method == "PUT" and len(chats.tickets) == 1, "the receipt bears the ticket over a restart"


@test("E-11 a ticket's body by a template: texts as JSON whatever they hold; one that makes no JSON is final, and says so")
def template():
    with World() as world, Chats() as chats:
        good = '{"action":{{ .action | toJson }},"id":{{ .id | toJson }},"short":{{ .title | toJson }},"user":{{ .labels.user_name | toJson }},"n":{{ .occurrences }}}'
        config = ("channels:\n" + "".join(f"  - {{name: {n}, type: ticket, url: env:TICKET, token: env:TOKEN, reveal: all, body: '{b}'}}\n"
                                          for n, b in (("good", good), ("bad", '{"a":{{ .title }}}'))) + "routing: {P2: [good, bad]}\n")
        with world.server(config, world_of(chats)[1]) as server:
            server.send(event("P2", 'a"b'))
            (alert,) = wait_for("an alert", server.alerts)

            def ended():
                return [d for d in deliveries(server, alert["id"]) if d["status"] != "pending"]
            rows = {d["channel"]: d for d in wait_for("both ends", lambda: len(ended()) == 2 and ended())}
            body = chats.of("ticket")[0].json()
            assert body == {"action": "create", "id": "", "short": "[P2] RULE_P2", "user": 'a"b', "n": 1}, body
            assert rows["good"]["provider_id"] == "7001" and rows["bad"]["status"] == "failed" and "toJson" in rows["bad"]["detail"], rows


@test("a wrong token, a chat that is not there: final, in the service's own words, and the fallback is told")
def refusals():
    with World() as world, Chats() as chats, kit.temporary() as directory:
        config = ("channels:\n" + "".join(f"  - {{{{name: {n}, type: telegram, api_url: '{{url}}/telegram', token: env:{t}, to: ['{c}'], fallback: log}}}}\n"
                                          for n, t, c in (("wrong", "WRONG", "-1001"), ("absent", "TOKEN", "-1002"))).format(url=chats.url) +
                  f"  - {{name: log, type: file, path: {directory}/log}}\nrouting: {{P2: [wrong, absent]}}\n")
        with world.server(config, {"TOKEN": Chats.TOKEN, "WRONG": "1234:wr0ng"}) as server:
            server.send(event("P2"))
            (alert,) = wait_for("an alert", server.alerts)
            rows = wait_for("both ends", lambda: len([d for d in deliveries(server, alert["id"]) if d["status"] == "failed"]) == 2 and
                            {d["channel"]: d["detail"] for d in deliveries(server, alert["id"])})
            assert rows["wrong"] == "HTTP status 401: Unauthorized" and rows["absent"] == "HTTP status 400: Bad Request: chat not found", rows
            wait_for("the fallback", lambda: len(open(f"{directory}/log", encoding="utf-8").readlines()) == 2)
            assert "wr0ng" not in server.output() + str(rows)


@test("check: what each service needs is said")
def checked():
    with kit.temporary() as directory:
        for text, said in (
                ("{name: a, type: teams}", "needs a url"), ("{name: a, type: telegram, token: env:K}", "needs to"),
                ("{name: a, type: telegram, to: [x]}", "token"), ("{name: a, type: sns, to: [arn:x], account: A, token: env:K}", "region"),
                ("{name: a, type: sns, to: [x], account: A, token: env:K, region: eu}", "ARN"), ("{name: a, type: jira}", "api_url"),
                ("{name: a, type: jira, api_url: 'https://h', project: S}", "login"), ("{name: a, type: opsgenie}", "API key"),
                ("{name: a, type: victorops}", "endpoint"), ("{name: a, type: pushover, token: env:K}", "keys"),
                ("{name: a, type: webex, to: [r]}", "token"), ("{name: a, type: ticket, url: env:Q}", "question mark"),
                ("{name: a, type: ticket, url: env:U, body: '{{ .x'}", "template: body:1"),
                ("{name: a, type: opsgenie, token: env:K, api_url: 'ftp://h'}", "not an http"), ("{name: a, type: pigeon}", "victorops")):
            with open(f"{directory}/c.yml", "w", encoding="utf-8") as file:
                file.write(f"channels:\n  - {text}\n")
            code, _, err = tocsin("check", "--config", f"{directory}/c.yml", env={"K": "s3cret", "U": "https://h/s3cret", "Q": "https://h/t?s3cret"})
            assert code == 2 and said in err and "s3cret" not in err, (text, code, err)


if __name__ == "__main__":
    kit.main()
