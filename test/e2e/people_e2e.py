"""People with tokens of their own: what they do bears their name, and nobody else does anything in it."""
import json

import kit
from channels_e2e import World, event
from kit import test, tocsin, wait_for

kit.tests.clear()  # those of the file that the world comes from run there

ENV = {"ANNA": "anna-0123456789abcdef", "RITA": "rita-0123456789abcdef"}
PEOPLE = "people:\n  - {name: anna, token: env:ANNA}\n  - {name: rita, token: env:RITA, role: reader}\n"
CHANNEL = "channels: [{name: out, type: file, path: /dev/null}]\n"


def bearer(name):
    return {"Authorization": f"Bearer {ENV.get(name, name)}", "Content-Type": "application/json"}


@test("a command by a person's token bears that name, in history and after a kill; no other name, no other's name, no command of a reader's")
def authors():
    with World() as world, world.server(PEOPLE + CHANNEL, ENV) as server:
        server.send(event("P3"))
        (alert,) = wait_for("an alert", server.alerts)

        def note(by, headers=None):
            body = {"note": "x", **({"by": by} if by else {})}
            status, text, _ = server.request("POST", f"/v1/alerts/{alert['id']}/note", body=json.dumps(body), headers=headers or {})
            return status, text
        for by, headers, status, says in (("anna", None, 403, "has a token"), ("Anna ", None, 403, "has a token"), ("carol", None, 200, ""),
                                          ("carol", bearer("ANNA"), 403, "this token is anna's"), ("", bearer("ANNA"), 200, ""),
                                          ("anna", bearer("ANNA"), 200, ""), ("", bearer("RITA"), 403, "role: reader"), ("", bearer("no"), 401, "nobody's")):
            answer = note(by, headers)
            assert answer[0] == status and says in answer[1], (by, headers, answer)
        assert server.request("GET", "/v1/alerts", headers=bearer("RITA"))[0] == 200
        assert server.metric("auth_invalid_token_total") == 1
        url = ("--url", f"http://127.0.0.1:{server.port}")
        code, _, err = tocsin("alerts", "ack", alert["id"], *url, env={"TOCSIN_TOKEN": ENV["ANNA"]})
        assert code == 0, err
        code, _, err = tocsin("alerts", "resolve", alert["id"], "--by", "carol", *url, env={"TOCSIN_TOKEN": ENV["ANNA"]})
        assert code == 2 and "this token is anna's" in err, err
        code, out, err = tocsin("silence", "add", 'alertname="x"', "--until", "1h", "--note", "x", *url, env={"TOCSIN_TOKEN": ENV["ANNA"]})
        assert code == 0 and json.loads(out)["by"] == "anna", (out, err)
        code, _, err = tocsin("silence", "add", 'alertname="y"', "--until", "1h", "--note", "x", "--by", "anna", *url)
        assert code == 2 and "has a token" in err, err
        server.kill()
        server.start()
        alert = json.loads(server.get(f"/v1/alerts/{alert['id']}")[1])
        assert [(h["what"], h["by"]) for h in alert["history"]] == \
            [("created", "tocsin"), ("noted", "carol"), ("noted", "anna"), ("noted", "anna"), ("acknowledged", "anna")], alert["history"]
        assert not any(secret in server.output() for secret in ENV.values())


if __name__ == "__main__":
    kit.main()
