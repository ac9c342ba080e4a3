"""What tests of channels begin with: a rule for each priority, certificates, a mail server, in a directory of the test's own."""
import json
import os

from kit import Server, now, temporary
from peers import PASSWORD, Certificates, MailServer

RULES = "".join(f"""title: RULE_{p}
id: 00000000-0000-0000-0000-00000000000{p[1]}
description: A rule of priority {p}.
logsource: {{category: test}}
detection:
    s: {{event_type: event_{p.lower()}}}
    condition: s
level: {level}
tocsin:
    severity: {p}
    owner: security team
    runbook: runbook.md
    actions: [First do this, then <b>that</b>]
    entity: [user.name]
---
""" for p, level in (("P1", "critical"), ("P2", "high"), ("P3", "medium"), ("P4", "low")))


def event(priority, user="bob"):
    return {"@timestamp": now(), "event_type": f"event_{priority.lower()}", "user.name": user}


class World:
    """Rules, certificates and a mail server, in a directory of the test's own."""

    def __init__(self, tls=True):
        self.tls = tls

    def __enter__(self):
        self.directory = temporary()
        path = self.directory.__enter__()
        self.rules = os.path.join(path, "rules.yml")
        with open(self.rules, "w", encoding="utf-8") as file:
            file.write(RULES.rstrip("-\n") + "\n")
        self.certificates = Certificates(path)
        self.mail = None
        return self

    def __exit__(self, *args):
        if self.mail is not None:
            self.mail.__exit__(*args)
        self.directory.__exit__(*args)

    def email_channel(self, extra="", to="soc@example.com", name="mail"):
        self.mail = MailServer(self.certificates, self.tls).__enter__()
        return (f"  - {{name: {name}, type: email, reveal: all, smarthost: '127.0.0.1:{self.mail.port}', from: Tocsin <tocsin@example.com>, to: [{to}], "
                f"hello: tocsin.test, auth_username: tocsin, auth_password: env:MAIL_PASSWORD, ca_file: {self.certificates.ca}{extra}}}\n")

    def server(self, config, env=None, **more):
        return Server(config=f"rules: [{self.rules}]\n{config}", env={"MAIL_PASSWORD": PASSWORD, **(env or {})}, **more)


def deliveries(server, alert_id):
    return json.loads(server.get(f"/v1/alerts/{alert_id}/deliveries")[1])
