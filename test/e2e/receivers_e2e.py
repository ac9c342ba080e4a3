"""What Alertmanager's receivers are sent: the same configuration and alerts go to `tocsin alertmanager` and to a real Alertmanager
(TOCSIN_ALERTMANAGER, or Debian's for the kinds that it has), and their requests are compared one by one."""
import email
import email.policy
import http.server
import json
import os
import re
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.parse

import kit
import peers
from kit import Skip, temporary, test, wait_for

ANSWERS = {
    "telegram": '{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":-100,"type":"group"}}}',
    "rocketchat": '{"success":true}',
    "slack": "ok",
    "gettoken": '{"access_token":"the token"}',
    "wechat": '{"errcode":0}',
    "sns": "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>",
    "search": '{"issues":[]}',
    "/transitions": '{"transitions":[{"id":"41","name":"Done"},{"id":"42","name":"To Do"}]}',
    "token": '{"access_token":"an oauth token","token_type":"bearer","expires_in":3600}',
}
FOUND = '{"issues":[{"key":"OPS-7","fields":{"status":{"name":"Open","statusCategory":{"key":"%s"}}}}]}'


class Capture:
    """Keeps every request; a proxy, too, that answers for whatever address CONNECT names."""

    def __init__(self, certificates):
        self.requests, self.lock, self.issue = [], threading.Lock(), None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.cert, certificates.key)
        capture = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self):
                self.send_response(200)
                self.end_headers()
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb", -1)
                self.wfile = socketserver._SocketWriter(self.connection)  # pylint: disable=protected-access

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with capture.lock:
                    capture.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                path = self.path.split("?")[0]
                text = next((a for key, a in ANSWERS.items() if key in path), "{}")
                if path.endswith("/search") and capture.issue:
                    text = FOUND % capture.issue
                self.send_response(200)
                self.send_header("Content-Type", "text/plain" if text == "ok" else "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_GET = do_PUT = answer

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that hung up

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def old_kinds(url, proxy, smtp):
    """What Alertmanager 0.25 has."""
    return f"""
  webhook_configs:
  - url: {url}/webhook
    max_alerts: 1
  - url: {url}/webhook-auth
    http_config: {{basic_auth: {{username: me, password: secret}}}}
  - url: {url}/webhook-bearer
    http_config: {{authorization: {{type: Token, credentials: abc}}}}
  - url: {url}/webhook-oauth
    http_config:
      oauth2: {{client_id: 'a client', client_secret: 'its secret', token_url: '{url}/oauth/token', scopes: [a, b], endpoint_params: {{audience: x y}}}}
  email_configs:
  - to: 'One <one@example.com>, two@example.com'
    from: 'Käthe "K" <k@example.com>'
    smarthost: {smtp}
    hello: here.example
    require_tls: false
    send_resolved: true
    text: '{{{{ template "__subject" . }}}} ünïcode = and a long line that has to be folded somewhere because it is longer than seventy-six bytes  '
    html: '<p title="{{{{ .CommonAnnotations.summary }}}}">{{{{ range .Alerts }}}}<a href="{{{{ .GeneratorURL }}}}">{{{{ .Labels.instance }}}}</a>{{{{ end }}}}'
    headers: {{X-Custom: '{{{{ .CommonLabels.cluster }}}} ü', subject: '[{{{{ .Status }}}}] é {{{{ .GroupLabels.alertname }}}} and more of it so that it is folded into words'}}
  slack_configs:
  - api_url: {url}/slack
    channel: '#{{{{ .GroupLabels.alertname }}}}'
    send_resolved: true
  - api_url: {url}/slack-full
    channel: ops
    send_resolved: true
    username: bot
    title: '{{{{ range $i := stringSlice "a" "b" }}}}{"x" * 600}{{{{ end }}}}'
    text: 'a & b < c'
    pretext: pre
    image_url: http://x/i.png
    thumb_url: http://x/t.png
    link_names: true
    short_fields: true
    icon_emoji: ':fire:'
    mrkdwn_in: [text]
    fields: [{{title: T, value: '{{{{ .CommonLabels.cluster }}}}'}}, {{title: U, value: v, short: false}}]
    actions:
    - {{type: button, text: Go, url: 'http://x/{{{{ .Status }}}}', style: danger, name: n, value: v}}
    - {{type: button, text: Stop, name: n, value: v, confirm: {{text: sure, title: t, ok_text: y, dismiss_text: 'no'}}}}
  pagerduty_configs:
  - routing_key: key-two
    url: {url}/pagerduty2
    severity: '{{{{ .CommonLabels.severity }}}}'
    class: c
    component: d
    group: g
    images: [{{src: http://x/i.png, alt: a, href: http://x}}, {{src: '', alt: b}}]
    links: [{{href: http://x, text: t}}, {{href: '', text: u}}]
  - service_key: key-one
    http_config: {{proxy_url: '{proxy}', tls_config: {{insecure_skip_verify: true}}}}
  opsgenie_configs:
  - api_url: {url}/opsgenie/
    api_key: ops-{{{{ .Status }}}}
    details: {{cluster: over, more: '{{{{ .CommonLabels.job }}}}'}}
    responders: [{{name: 'a,b', type: teams}}, {{username: u@example.com, type: user}}, {{id: i, name: '{{{{ .CommonLabels.job }}}}', type: team}}]
    tags: 'x, y,,z'
    note: n
    priority: P1
    entity: e
    actions: 'one,two'
    update_alerts: true
  victorops_configs:
  - api_url: {url}/victorops/
    api_key: vkey
    routing_key: 'team a/{{{{ .CommonLabels.severity }}}}'
    message_type: '{{{{ .CommonLabels.severity }}}}'
    custom_fields: {{zone: '{{{{ .CommonLabels.cluster }}}}', alpha: b}}
  pushover_configs:
  - user_key: ukey
    token: tkey
    url_title: more
    sound: siren
    http_config: {{proxy_url: '{proxy}', tls_config: {{insecure_skip_verify: true}}}}
  - user_key: uhtml
    token: tkey
    html: true
    message: '<b>{{{{ .CommonAnnotations.summary }}}}</b>'
    retry: 2m
    expire: 30m
    http_config: {{proxy_url: '{proxy}', tls_config: {{insecure_skip_verify: true}}}}
  wechat_configs:
  - api_url: {url}/wechat/
    api_secret: 'a secret'
    corp_id: corp
    agent_id: '7'
    to_user: '@all'
    send_resolved: true
  - api_url: {url}/wechat2/
    api_secret: s
    corp_id: corp
    to_party: p
    to_tag: t
    message: '**{{{{ .Status }}}}**'
    message_type: markdown
    send_resolved: true
  sns_configs:
  - api_url: {url}/sns
    topic_arn: arn:aws:sns:eu-central-1:123456789012:t.fifo
    subject: 's {{{{ .Status }}}}'
    attributes: {{b: '{{{{ .CommonLabels.cluster }}}}', a: x}}
    sigv4: {{region: eu-central-1, access_key: AKID, secret_key: SECRET}}
  - api_url: {url}/sns-sms
    phone_number: '+123'
    message: '{"x" * 1700}'
    sigv4: {{region: us-east-1, access_key: AKID, secret_key: SECRET}}
  telegram_configs:
  - api_url: {url}/telegram
    bot_token: '1:abc'
    chat_id: -100
    disable_notifications: true
  - api_url: {url}/telegram2
    bot_token: '1:abc'
    chat_id: 5
    parse_mode: ''
    message: '{{{{ range $i := stringSlice "a" "b" "c" }}}}{"é" * 1500}{{{{ end }}}}'
"""


def new_kinds(url):
    return f"""
  - api_url: {url}/telegram3
    bot_token: '1:abc'
    chat_id: 5
    message_thread_id: 77
    parse_mode: MarkdownV2
  discord_configs:
  - webhook_url: {url}/discord
    content: '{"x" * 2100}'
    username: '{{{{ .Status }}}}'
    avatar_url: http://x/a.png
  webex_configs:
  - api_url: {url}/webex
    room_id: 'room-{{{{ .CommonLabels.cluster }}}}'
    message: '{"x" * 8000}'
    http_config: {{authorization: {{credentials: wtoken}}}}
  msteams_configs:
  - webhook_url: {url}/msteams
  msteamsv2_configs:
  - webhook_url: {url}/msteamsv2
  jira_configs:
  - api_url: {url}/jira/rest/api/2/
    project: '{{{{ .CommonLabels.cluster | toUpper }}}}'
    issue_type: Bug
    labels: ['zeta', 'alert-{{{{ .GroupLabels.alertname }}}}']
    priority: High
    summary: {{template: 's {{{{ .Status }}}}', enable_update: false}}
    reopen_transition: To Do
    resolve_transition: Done
    reopen_duration: 2h
    wont_fix_resolution: Won't "Do"
    fields: {{components: {{name: 'x {{{{ .Status }}}}'}}, customfield_1: '12', customfield_2: [a, '{{{{ .Status }}}}'], customfield_3: {{value: red, child: {{value: '{{{{ .CommonLabels.job }}}}'}}}}}}
  - api_url: {url}/jira3/rest/api/3
    api_type: cloud
    project: P
    issue_type: Task
    description: '{{"type":"doc","version":1,"content":[{{"a":"<b>"}}]}}'
  incidentio_configs:
  - url: {url}/incidentio
    alert_source_token: itoken
    max_alerts: 1
  rocketchat_configs:
  - api_url: {url}/rocketchat/
    token: rtoken
    token_id: rid
    channel: '#a'
    send_resolved: true
    short_fields: true
    fields: [{{title: T, value: '{{{{ .Status }}}}'}}, {{title: U, value: v, short: false}}]
    actions: [{{type: x, text: t, url: http://x, msg: m, iswebview: true}}]
  mattermost_configs:
  - webhook_url: {url}/mattermost
    channel: c
    fields: [{{title: T, value: v, short: true}}, {{title: U, value: w}}]
    priority: {{priority: Important, requested_ack: true, persistent_notifications: true}}
    props: {{card: '{{{{ .Status }}}}'}}
  - webhook_url: {url}/mattermost2
    text: '{"x" * 17000}'
    attachments: [{{title: '{{{{ .Status }}}}', color: red, fields: [{{title: T, value: v}}]}}, {{text: b}}]
    type: custom_x
    priority: {{priority: strange, requested_ack: true}}
"""


def newest_kinds(url):
    return f"""
  webhook_configs:
  - url: '{url}/{{{{ .GroupLabels.alertname }}}}/payload'
    payload:
      text: '{{{{ .GroupLabels.alertname }}}} & <co>'
      n: 8
      number: '{{{{ .Alerts.Firing | len }}}}'
      list: [true, '1', '[a, 1.5, {{b: 0x10}}]', yes, ~, 3.0, 1e3, 012, "012", '']
      json: '{{{{ .GroupLabels | toJson }}}}'
      empty: '{{{{ .CommonLabels.absent }}}}'
      colon: 'a: b: c'
      date: '2026-01-02'
      deep: {{'{{{{ .Status }}}}': {{x: 'y'}}}}
  slack_configs:
  - app_token: xoxb-1
    app_url: {url}/slack-app
    channel: c
    message_text: 'm {{{{ .Status }}}}'
    send_resolved: true
"""


def configuration(receiver):
    return f"""
route: {{receiver: all, group_by: [alertname], group_wait: 200ms, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: all
{receiver}"""


class Peer:
    """A `tocsin alertmanager` or an Alertmanager, running on a configuration."""

    def __init__(self, binary, directory, config):
        self.port, self.log = kit.free_port(), os.path.join(directory, "log")
        path = os.path.join(directory, "am.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        command = [*binary, f"--config.file={path}", f"--storage.path={directory}/data", f"--web.listen-address=127.0.0.1:{self.port}",
                   "--cluster.listen-address=", "--web.external-url=http://am.example/x", "--log.level=debug"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for("ready", lambda: self.request("GET", "/x/-/ready"))

    def request(self, method, path, body=None):
        assert self.process.poll() is None, open(self.log, encoding="utf-8").read()[-3000:]
        try:
            status, text, _ = kit.Server.request(self, method, path, body, {"Content-Type": "application/json"} if body else {})
        except OSError:
            return False
        assert status == 200, (path, status, text)
        return True

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        code = self.process.wait(20)
        assert kind or code == 0, open(self.log, encoding="utf-8").read()[-3000:]


def alerts(ended):
    common = {"alertname": "Über", "cluster": "eu", "job": "node", "severity": "WARNING"}
    annotations = {"summary": "a <b> & \"c\"\n\u2028 end", "description": "d"}
    made = [{"labels": {**common, "instance": f"i{i}"}, "annotations": annotations, "startsAt": f"2036-01-02T03:04:0{i}.5Z",
             "endsAt": "2036-02-02T03:04:05Z", "generatorURL": "http://prom/graph?g0.expr=a&x=1"} for i in (2, 1)]
    for alert in made if ended else []:
        alert.update(startsAt="2026-01-02T03:00:00Z", endsAt="2026-01-02T05:00:00Z")
    return json.dumps(made)


def canonical_body(headers, body):
    kind = headers.get("content-type", "")
    if "json" in kind and body:
        return json.loads(body)
    if "form" in kind:
        return sns_form(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
    return body.decode()


def sns_form(pairs):
    """AWS numbers a message's attributes in any order."""
    entries, rest = {}, []
    for name, value in pairs:
        found = re.fullmatch(r"MessageAttributes\.entry\.(\d+)\.(.*)", name)
        if found:
            entries.setdefault(found[1], []).append((found[2], value))
        else:
            rest.append((name, value))
    return sorted(rest) + sorted(sorted(e) for e in entries.values())


KEPT_HEADERS = ("authorization", "content-type", "x-auth-token", "x-user-id", "accept-language")


def canonical(request):
    method, path, headers, body = request
    kept = {k: v for k, v in headers.items() if k in KEPT_HEADERS}
    if "AWS4" in kept.get("authorization", ""):
        kept["authorization"] = re.sub(r"/\d{8}/|SignedHeaders=\S+|Signature=\w+", "", kept["authorization"])
    return [method, path, kept, canonical_body(headers, body)]


def mail(content):
    message = email.message_from_bytes(content, policy=email.policy.default)
    headers = {k: str(v) for k, v in message.items() if k not in ("Message-Id", "Date", "Content-Type", "X-Peer", "X-MailFrom", "X-RcptTo")}
    return [headers, message.get_content_type(), [(p.get_content_type(), p.get_content()) for p in message.iter_parts()]]


def record(binary, certificates, make, expected=None):
    """The requests of both rounds (fires, has ended), in an order of their own, and the mails; `expected` is what another one
    gave, and how many are waited for."""
    capture, server, rounds = Capture(certificates), peers.MailServer(certificates, tls=False), []
    with server:
        smtp = f"127.0.0.1:{server.port}"
        with temporary() as directory, Peer(binary, directory, configuration(make(capture.url, capture.url, smtp))) as peer:
            for ended in (False, True):
                capture.issue = "new" if ended else None
                wait_for("the post", lambda e=ended: peer.request("POST", "/x/api/v2/alerts", alerts(e)))
                rounds.append(settle(capture, server, peer, expected and expected[ended]))
    capture.close()
    return rounds


def settle(capture, server, peer, expected):
    """All that comes until nothing has come for a while: shortly where all is there that is expected."""
    want = expected and (len(expected[0]), len(expected[1]))
    last, since, start = None, time.monotonic(), time.monotonic()
    while time.monotonic() < start + 15:
        with capture.lock:
            now = len(capture.requests), len(server.mails)
        if now != last:
            last, since = now, time.monotonic()
        elif now != (0, 0) and time.monotonic() > since + (3 if want and now != want else 0.3 if want else 1.5):
            break
        time.sleep(0.05)
    with capture.lock:
        requests, capture.requests = capture.requests, []
        mails, server.mails = server.mails, []
    key = lambda r: json.dumps([re.sub(r"127\.0\.0\.1:\d+", "HOST", r[1]), r[0], str(r[2].get("accept-language"))])
    neutral = [json.loads(json.dumps(canonical(r)).replace(capture.url, "URL")) for r in sorted(requests, key=key)]
    return neutral, [mail(m) for m in mails], open(peer.log, encoding="utf-8").read()


def compare(theirs, ours):
    problems = []
    for name, (a, a_mails, a_log), (b, b_mails, b_log) in zip(("firing", "resolved"), theirs, ours):
        assert a, "nothing was sent"
        names = [r[:2] for r in a], [r[:2] for r in b]
        problems += [f"{name}: theirs alone {n}" for n in names[0] if n not in names[1]]
        problems += [f"{name}: ours alone {n}" for n in names[1] if n not in names[0]]
        if names[0] != names[1]:
            problems += [line[:600] for line in (a_log + b_log).splitlines() if " err=" in line][-20:]
        common = [r for r in a if r[:2] in names[1]], [r for r in b if r[:2] in names[0]]
        problems += [f"{name}: {x[:2]}\ntheirs {json.dumps(x[2:])[:2000]}\nours   {json.dumps(y[2:])[:2000]}"
                     for x, y in zip(*common) if x != y]
        if a_mails != b_mails:
            problems.append(f"{name}\ntheirs {a_mails}\nours   {b_mails}")
    assert not problems, "\n".join(problems)


def as_in_0_25(request):
    """Without what came after it (members of webhooks, Pushover's devices, details of PagerDuty that are more than texts) and
    without the slash and the charset that its AWS library adds."""
    method, path, headers, body = request
    path = path.replace("device=&", "").rstrip("/")
    headers = {k: v.removesuffix("; charset=utf-8") for k, v in headers.items()}
    if isinstance(body, dict):
        for member in ("notification_reason", "routeLabels", "details"):
            if member != "details" or "service_key" in body:
                body.pop(member, None)
        (body.get("payload") or {}).pop("custom_details", None)
    return [method, path, headers, body]


def against(binary, make, adapt=lambda request: request):
    with temporary() as directory:
        certificates = peers.Certificates(directory)
        theirs = record([binary], certificates, make)
        ours = record([kit.TOCSIN, "alertmanager"], certificates, make, theirs)
        compare(*[[(sorted((adapt(r) for r in requests), key=lambda r: [r[1], r[0], json.dumps(r[2])]), *rest) for requests, *rest in which]
                  for which in (theirs, ours)])


def all_kinds(url, proxy, smtp):
    return old_kinds(url, proxy, smtp) + new_kinds(url)


def newest_forms(url, _proxy, _smtp):
    return newest_kinds(url)


@test("receivers: all 18 kinds are sent what Alertmanager 0.34 sends, firing and resolved (TOCSIN_ALERTMANAGER)")
def like_the_newest():
    binary = os.environ.get("TOCSIN_ALERTMANAGER")
    if not binary:
        raise Skip("TOCSIN_ALERTMANAGER names no Alertmanager 0.34")
    against(binary, all_kinds)
    against(binary, newest_forms)


GOLDEN = "test/golden/alertmanager_receivers.json"


@test("receivers: all 18 kinds are sent what the golden file holds, which is what Alertmanager 0.34 sent")
def like_the_golden_file():
    """UPDATE_GOLDEN=1 with TOCSIN_ALERTMANAGER writes the file anew, by what that one sends."""
    update = os.environ.get("UPDATE_GOLDEN") and os.environ.get("TOCSIN_ALERTMANAGER")
    command = [update] if update else [kit.TOCSIN, "alertmanager"]
    with open(GOLDEN, encoding="utf-8") as file:
        expected = json.load(file)
    with temporary() as directory:
        certificates = peers.Certificates(directory)
        made = [[[requests, mails] for requests, mails, _ in record(command, certificates, kinds, None if update else before)]
                for kinds, before in zip((all_kinds, newest_forms), expected)]
    text = json.dumps(made, sort_keys=True, indent=1, ensure_ascii=False)
    for run, short in ((c * 100, f"<{c} x 100>") for c in "xé"):
        text = text.replace(run, short)
    if update:
        with open(GOLDEN, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    with open(GOLDEN, encoding="utf-8") as file:
        golden = json.load(file)
    for which, (theirs, ours) in enumerate(zip(golden, json.loads(text))):
        for fires, (want, got) in enumerate(zip(theirs, ours)):
            for x, y in zip(want[0], got[0]):
                assert x == y, f"{which} {fires} {x[:2]}\nwant {json.dumps(x)[:2000]}\ngot  {json.dumps(y)[:2000]}"
            assert want == got, (which, fires, len(want[0]), len(got[0]), want[1], got[1])


@test("receivers: the kinds of Debian's Alertmanager are sent what it sends")
def like_debians():
    paths = ("build/peers/prometheus-alertmanager/usr/bin/prometheus-alertmanager", "/usr/bin/prometheus-alertmanager")
    binary = next((p for p in paths if os.path.exists(p)), None)
    if binary is None:
        raise Skip("prometheus-alertmanager is not installed")
    if not os.path.exists("/usr/share/prometheus/alertmanager/default.tmpl"):
        raise Skip("Debian's Alertmanager reads its templates from /usr/share/prometheus, where only the installed package puts them")
    against(binary, old_kinds, as_in_0_25)


# --- what answers mean ---

class Answers:
    """A server that gives each path its answers in turn, the last of them for ever; over TLS that asks for certificates, too."""

    def __init__(self, answers, certificates=None):
        self.requests, self.lock = [], threading.Lock()
        own = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                path = self.path.split("?")[0]
                with own.lock:
                    own.requests.append((self.command, self.path, dict(self.headers), body))
                    left = answers.get(path, [(200, "{}")])
                    status, text, *headers = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                for key, value in (headers[0] if headers else {"Content-Type": "application/json"}).items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_GET = do_PUT = answer

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.cert, certificates.key)
            context.load_verify_locations(certificates.ca)
            context.verify_mode = ssl.CERT_REQUIRED
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if certificates else 'http'}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def asked(self, path):
        with self.lock:
            return [r for r in self.requests if r[1].split("?")[0] == path]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def firing(name="Down"):
    return json.dumps([{"labels": {"alertname": name, "cluster": "eu"}}])


def log_of(peer):
    with open(peer.log, encoding="utf-8") as file:
        return file.read()


@test("receivers: what each kind's answers mean: taken, tried again or refused, and why")
def verdicts():
    text = {"Content-Type": "text/plain"}
    again = ((500, "no"), (200, "{}"))
    answers = {
        "/slack-no": [(200, '{"ok":false,"error":"channel_not_found"}')], "/slack-text": [(200, "invalid_token", text)],
        "/slack-later": [(503, "x", text), (200, "ok", text)], "/discord": [(404, "unknown webhook")], "/teams": list(again),
        "/pagerduty": [(429, ""), (202, "{}")], "/ops/v2/alerts": [(429, ""), (202, "{}")], "/victor/k/r": [(400, "")],
        "/tele/bott/sendMessage": [(400, '{"ok":false,"description":"chat not found"}'), (200, '{"ok":true}')],
        "/rocket/api/v1/chat.postMessage": [(200, '{"success":false,"error":"no room"}')], "/matter": [(301, "", {"Location": "/moved"})],
        "/we/gettoken": [(200, '{"access_token":"old"}'), (200, '{"access_token":"fresh"}')],
        "/we/message/send": [(200, '{"errcode":42001,"errmsg":"expired"}'), (200, '{"errcode":0}')],
        "/jira/search": [(429, ""), (200, '{"issues":[]}')], "/jira/issue": [(201, '{"key":"A-1"}')], "/incident": list(again),
        "/sns": [(403, "<E><Message>not allowed</Message></E>")], "/webex": [(401, "hush-hush is no token")],
        "/token": [(401, '{"error":"invalid_client"}'), (200, '{"access_token":"granted","expires_in":60}')],
    }
    with Answers(answers) as hook, temporary() as directory:
        u = hook.url
        with open(os.path.join(directory, "key"), "w", encoding="utf-8") as file:
            file.write("key of a file\n")
        config = configuration(f"""
  slack_configs: [{{api_url: '{u}/slack-no', channel: c}}, {{api_url: '{u}/slack-text'}}, {{api_url: '{u}/slack-later'}}]
  discord_configs: [{{webhook_url: '{u}/discord'}}]
  msteamsv2_configs: [{{webhook_url: '{u}/teams'}}]
  pagerduty_configs: [{{routing_key_file: key, url: '{u}/pagerduty'}}]
  opsgenie_configs: [{{api_key_file: key, api_url: '{u}/ops/', update_alerts: true}}]
  victorops_configs: [{{api_key: k, routing_key: r, api_url: '{u}/victor/'}}]
  telegram_configs: [{{bot_token: t, chat_id: 1, api_url: '{u}/tele'}}]
  rocketchat_configs: [{{token: t, token_id: i, api_url: '{u}/rocket'}}]
  mattermost_configs: [{{webhook_url: '{u}/matter', http_config: {{follow_redirects: false}}}}]
  wechat_configs: [{{api_secret: s, corp_id: c, api_url: '{u}/we/'}}]
  jira_configs: [{{project: A, issue_type: B, api_url: '{u}/jira'}}]
  incidentio_configs: [{{url: '{u}/incident', alert_source_token: t}}]
  sns_configs: [{{topic_arn: a, api_url: '{u}/sns', sigv4: {{region: r, access_key: a, secret_key: hush-hush}}}}]
  webex_configs: [{{room_id: r, api_url: '{u}/webex', http_config: {{authorization: {{credentials: hush-hush}}}}}}]
  webhook_configs: [{{url: '{u}/granted', http_config: {{oauth2: {{client_id: me, client_secret: hush-hush, token_url: '{u}/token'}}}}}}]
""").replace("group_interval: 1s", "group_interval: 5m")
        with Peer([kit.TOCSIN, "alertmanager"], directory, config) as peer:
            peer.request("POST", "/x/api/v2/alerts", firing())
            taken = ["/slack-later", "/teams", "/pagerduty", "/ops/v2/alerts", "/tele/bott/sendMessage", "/we/message/send", "/jira/search",
                     "/incident"]
            for path in taken:
                wait_for(f"two tries of {path}", lambda p=path: len(hook.asked(p)) == 2)
            wait_for("the issue", lambda: len(hook.asked("/jira/issue")) == 1)
            granted = wait_for("the token's use", lambda: hook.asked("/granted"))
            refused = {"slack": ["error response from Slack: channel_not_found", "received an error response from Slack: invalid_token"],
                       "discord": ["unexpected status code 404"], "victorops": ["unexpected status code 400"],
                       "rocketchat": ["error response from Rocketchat: no room"], "mattermost": ["unexpected status code 301"],
                       "sns": ["unexpected status code 403: not allowed"], "webex": ["unexpected status code 401"]}
            for kind, whys in refused.items():
                for why in whys:
                    line = wait_for(f"{kind}: {why}", lambda k=kind, w=why: [x for x in log_of(peer).splitlines()
                                                                            if f"integration={k} " in x and w in x])
                    assert "attempts=1" in line[0], line
            wait_for("all others", lambda: log_of(peer).count("Notify success") == 9)
            status, metrics, _ = kit.Server.request(peer, "GET", "/x/metrics")
        assert status == 200 and 'alertmanager_notifications_failed_total{integration="slack"} 2' in metrics, metrics
        assert 'alertmanager_notification_requests_total{integration="telegram"} 2' in metrics, metrics
        assert granted[0][2]["Authorization"] == "Bearer granted", granted
        first, second = hook.asked("/token")
        assert first[2]["Authorization"] == "Basic bWU6aHVzaC1odXNo" and first[3] == "grant_type=client_credentials", first
        assert "Authorization" not in second[2] and "client_id=me&client_secret=hush-hush" in second[3], second
        assert [r[1] for r in hook.asked("/we/message/send")] == ["/we/message/send?access_token=old", "/we/message/send?access_token=fresh"]
        assert json.loads(hook.asked("/pagerduty")[0][3])["routing_key"] == "key of a file"
        assert hook.asked("/ops/v2/alerts")[0][2]["Authorization"] == "GenieKey key of a file"
        assert not hook.asked("/moved") and "hush-hush" not in log_of(peer), log_of(peer)


@test("receivers: client certificates (a file, inline), a server's other name, and one that is not trusted")
def certificates_of_clients():
    with temporary() as directory:
        own = peers.Certificates(directory)
        with Answers({}, own) as hook:
            inline = "".join(f", {name}: \"{open(path, encoding='ascii').read()}\"".replace("\n", "\\n")
                             for name, path in (("ca", own.ca), ("cert", own.cert), ("key", own.key)))
            files = f"cert_file: '{own.cert}', key_file: key.pem"
            config = configuration(f"""
  webhook_configs:
  - {{url: '{hook.url}/files', http_config: {{tls_config: {{ca_file: ca.pem, {files}}}}}}}
  - {{url: '{hook.url}/inline', http_config: {{tls_config: {{min_version: TLS12, max_version: TLS13{inline}}}}}}}
  - {{url: '{hook.url}/name', http_config: {{tls_config: {{ca_file: ca.pem, server_name: localhost, {files}}}}}}}
  - {{url: '{hook.url}/stranger', http_config: {{tls_config: {{{files}}}}}}}
  - {{url: '{hook.url}/misnamed', http_config: {{tls_config: {{ca_file: ca.pem, server_name: example.com, {files}}}}}}}
  - {{url: '{hook.url}/unsigned', http_config: {{tls_config: {{ca_file: ca.pem}}}}}}
""")
            with Peer([kit.TOCSIN, "alertmanager"], directory, config) as peer:
                peer.request("POST", "/x/api/v2/alerts", firing())
                for path in ("/files", "/inline", "/name"):
                    wait_for(path, lambda p=path: hook.asked(p))
                wait_for("three failures", lambda: re.search(r'requests_failed_total{integration="webhook"} [3-9]', kit.Server.request(
                    peer, "GET", "/x/metrics")[1]))
            assert hook.asked("/name")[0][2]["Host"] == hook.url.split("//")[1], hook.asked("/name")
            assert not any(hook.asked(p) for p in ("/stranger", "/misnamed", "/unsigned"))


@test("receivers: mail over STARTTLS with a login, threads by day; a message that Slack holds is changed in place")
def mail_and_updates():
    posted = '{"ok":true,"channel":"C123","ts":"1.5"}'
    with temporary() as directory:
        own = peers.Certificates(directory)
        capture = Capture(own)
        ANSWERS["chat."] = posted
        with peers.MailServer(own) as server:
            with open(os.path.join(directory, "password"), "w", encoding="utf-8") as file:
                file.write(peers.PASSWORD + "\n")
            config = configuration(f"""
  email_configs:
  - to: ops@example.com
    from: am@example.com
    smarthost: 127.0.0.1:{server.port}
    auth_username: tocsin
    auth_password_file: password
    tls_config: {{ca_file: ca.pem, server_name: localhost}}
    threading: {{enabled: true, thread_by_date: daily}}
    text: hello
  - to: misnamed@example.com
    from: am@example.com
    smarthost: 127.0.0.1:{server.port}
    auth_username: tocsin
    auth_password_file: password
    tls_config: {{ca_file: ca.pem, server_name: example.com}}
  slack_configs:
  - api_url: https://slack.com/api/chat.postMessage
    update_message: true
    channel: general
    send_resolved: true
    http_config: {{proxy_url: '{capture.url}', authorization: {{credentials: xoxb}}, tls_config: {{insecure_skip_verify: true}}}}
""")
            with Peer([kit.TOCSIN, "alertmanager"], directory, config) as peer:
                peer.request("POST", "/x/api/v2/alerts", alerts(False))
                wait_for("the message", lambda: len(capture.requests) == 1)
                wait_for("the refusal", lambda: re.search(r'requests_failed_total{integration="email"} [1-9]', kit.Server.request(
                    peer, "GET", "/x/metrics")[1]))
                (message,) = wait_for("the mail", server.parsed)
                peer.request("POST", "/x/api/v2/alerts", alerts(True))
                wait_for("the change", lambda: len(capture.requests) == 2)
        capture.close()
        del ANSWERS["chat."]
        assert message["To"] == "ops@example.com" and server.logins == [True] and message["Message-Id"] and re.fullmatch(
            r"<alert-[0-9a-f]{16}-\d{4}-\d\d-\d\d@alertmanager>", message["References"]), message.as_string()
        first, second = [(path, json.loads(body)) for _, path, _, body in capture.requests]
        assert first[0] == "/api/chat.postMessage" and first[1]["channel"] == "general" and "ts" not in first[1], first
        assert second[0] == "/api/chat.update" and second[1]["channel"] == "C123" and second[1]["ts"] == "1.5", second


@test("receivers: a destination that hangs holds up no other")
def hanging():
    with Answers({}) as hook, socket.create_server(("127.0.0.1", 0)) as silent, temporary() as directory:
        config = configuration(f"""
  webhook_configs: [{{url: 'http://127.0.0.1:{silent.getsockname()[1]}/'}}, {{url: '{hook.url}/good'}}]
""").replace("[alertname]", "['...']")
        with Peer([kit.TOCSIN, "alertmanager"], directory, config) as peer:
            body = json.dumps([{"labels": {"alertname": f"A{i}"}} for i in range(40)])
            peer.request("POST", "/x/api/v2/alerts", body)
            wait_for("all of the good one's", lambda: len({r[3] for r in hook.asked("/good")}) == 40)
            metrics = kit.Server.request(peer, "GET", "/x/metrics")[1]
            assert "tocsin_alertmanager_notifications_under_way 40" in metrics, metrics


if __name__ == "__main__":
    kit.main()
