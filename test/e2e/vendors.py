"""Contract servers of vendors on loopback, after their published APIs: each takes what the vendor would take, refuses what it would
refuse, and answers as it would. A test looks at `requests` afterwards, and may put answers for the next ones into `answers`."""
import base64
import hashlib
import hmac
import http.server
import json
import re
import threading
import time
import urllib.parse


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.status = 0

    def json(self):
        return json.loads(self.body)

    def form(self):
        return dict(urllib.parse.parse_qsl(self.body, keep_blank_values=True, strict_parsing=True))


class Vendor:
    """`take(request)` gives (status, answer) or (status, answer, headers); an answer that is no text is sent as JSON."""

    def __init__(self):
        self.requests, self.answers, self.lock = [], [], threading.RLock()
        vendor = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                request = Request(self.command, self.path, dict(self.headers), body)
                with vendor.lock:
                    told = vendor.answers.pop(0) if vendor.answers else None
                    status, text, *headers = told or vendor.take(request)
                    request.status = status
                    vendor.requests.append(request)
                payload = (text if isinstance(text, str) else json.dumps(text)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if isinstance(text, str) else "application/json")
                for key, value in (headers[0] if headers else {}).items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(payload)))
                try:
                    self.end_headers()
                    self.wfile.write(payload)
                except ConnectionError:
                    pass

            do_POST = do_PUT = do_PATCH = do_GET = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request):
        return 200, "ok"

    def taken(self):
        with self.lock:
            return [r for r in self.requests if 200 <= r.status < 300]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def basic(request):
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    return tuple(base64.b64decode(rest).decode().split(":", 1)) if kind == "Basic" else None


class Twilio(Vendor):
    """API 2010-04-01: Messages.json and Calls.json, and what Twilio sends to us."""
    SID, TOKEN, FROM = "AC" + "0" * 32, "twilio-s3cret-t0ken", "+15005550006"

    def __init__(self):
        super().__init__()
        self.opted_out = set()

    def take(self, request):
        found = re.fullmatch(rf"/2010-04-01/Accounts/{self.SID}/(Messages|Calls)\.json", request.path)
        if basic(request) != (self.SID, self.TOKEN):
            return 401, {"code": 20003, "message": "Authenticate", "status": 401}
        if not found or request.method != "POST" or request.headers["Content-Type"] != "application/x-www-form-urlencoded":
            return 404, {"code": 20404, "message": "not found", "status": 404}
        form = request.form()
        if form["From"] != self.FROM or not re.fullmatch(r"\+\d{7,15}", form["To"]):
            return 400, {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}
        if form["To"] in self.opted_out:
            return 400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400}
        if found[1] == "Messages" and not 0 < len(form["Body"]) <= 1600:
            return 400, {"code": 21617, "message": "too long", "status": 400}
        if found[1] == "Calls" and not 0 < len(form["Twiml"]) <= 4000:
            return 400, {"code": 21205, "message": "Twiml", "status": 400}
        return 201, {"sid": ("SM" if found[1] == "Messages" else "CA") + f"{len(self.requests):032d}", "status": "queued"}

    def call_back(self, base, path, pairs, server, token=None):
        """Signed as Twilio signs: HMAC-SHA1 over the whole address and the sorted pairs."""
        text = base + path + "".join(k + pairs[k] for k in sorted(pairs))
        signature = base64.b64encode(hmac.new((token or self.TOKEN).encode(), text.encode(), hashlib.sha1).digest()).decode()
        return server.request("POST", path, urllib.parse.urlencode(pairs),
                              {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature,
                               "Host": urllib.parse.urlsplit(base).netloc})[:2]


class SlackHook(Vendor):
    """An incoming webhook."""

    def take(self, request):
        body = request.json()
        return (200, "ok") if request.path == "/services/T0/B0/hook" and body.get("text") else (404, "no_service")


class PagerDuty(Vendor):
    """Events API v2, and webhooks v3."""
    KEY = "0123456789abcdef0123456789abcdef"

    def take(self, request):
        body, errors = request.json(), []
        action = body.get("event_action")
        if action not in ("trigger", "acknowledge", "resolve"):
            errors.append("'event_action' is invalid")
        if len(body.get("routing_key", "")) != 32:
            errors.append("'routing_key' is invalid")
        if action == "trigger":
            payload = body.get("payload", {})
            if not 0 < len(payload.get("summary", "")) <= 1024 or not payload.get("source") or \
                    payload.get("severity") not in ("critical", "error", "warning", "info"):
                errors.append("'payload' is invalid")
        elif not body.get("dedup_key"):
            errors.append("'dedup_key' is missing")
        if len(body.get("dedup_key", "")) > 255 or len(request.body) > 512000 or request.path != "/v2/enqueue":
            errors.append("too long")
        if errors:
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
        return 202, {"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]}

    @staticmethod
    def call_back(server, path, secret, kind, key, occurred, event_id="01DEN", agent="Earline Greenholt", extra=""):
        body = json.dumps({"event": {"id": event_id, "event_type": kind, "resource_type": "incident", "occurred_at": occurred,
                                     "agent": {"id": "PXPGF42", "summary": agent, "type": "user_reference"},
                                     "data": {"id": "PT4KHLK", "type": "incident", "number": 1234, "status": "x", "incident_key": key}}})
        signature = "v1=" + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
        return server.request("POST", path, body, {"Content-Type": "application/json", "X-PagerDuty-Signature": extra + signature,
                                                   "Host": "tocsin.example.com"})[:2]


class Slack(Vendor):
    """The Web API as an app with a bot token sees it, and its interaction callbacks."""
    TOKEN, SECRET, CHANNEL = "xoxb-slack-s3cret", "8f742231b10e8888abcd99yyyzzz85a5", "C0SECURITY"

    def take(self, request):
        if request.path == "/response":
            return 200, {"ok": True}
        if request.headers.get("Authorization") != f"Bearer {self.TOKEN}":
            return 200, {"ok": False, "error": "invalid_auth"}
        if not request.headers["Content-Type"].startswith("application/json"):
            return 200, {"ok": False, "error": "invalid_form_data"}
        body = request.json()
        if not body.get("text") and not body.get("blocks"):
            return 200, {"ok": False, "error": "no_text"}
        if any(len(b.get("text", {}).get("text", "")) > 3000 for b in body.get("blocks", [])) or len(body.get("blocks", [])) > 50:
            return 200, {"ok": False, "error": "invalid_blocks"}
        if request.path == "/api/chat.postMessage":
            if body["channel"] not in ("#security-incidents", self.CHANNEL):
                return 200, {"ok": False, "error": "channel_not_found"}
            ts = f"1503435956.{len(self.requests):06d}"
            return 200, {"ok": True, "channel": self.CHANNEL, "ts": ts, "message": {"text": body["text"], "ts": ts, "blocks": body.get("blocks", [])}}
        if request.path == "/api/chat.update":
            if body["channel"] != self.CHANNEL or not body.get("ts"):
                return 200, {"ok": False, "error": "message_not_found"}
            return 200, {"ok": True, "channel": self.CHANNEL, "ts": body["ts"], "text": body["text"]}
        return 200, {"ok": False, "error": "unknown_method"}

    def click(self, server, path, value, user="U012", action="tocsin_ack", offset=0, secret=None):
        payload = {"type": "block_actions", "team": {"id": "T0"}, "user": {"id": user, "username": "c", "team_id": "T0"},
                   "channel": {"id": self.CHANNEL}, "response_url": f"{self.url}/response",
                   "actions": [{"action_id": action, "block_id": "b", "type": "button", "value": value}]}
        body = urllib.parse.urlencode({"payload": json.dumps(payload)})
        at = str(int(time.time()) + offset)
        signature = "v0=" + hmac.new((secret or self.SECRET).encode(), f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
        return server.request("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Request-Timestamp": at,
                                                   "X-Slack-Signature": signature, "Host": "tocsin.example.com"})[:2]


def signature_v4_fits(request, key_id, secret, region, service):
    """AWS signature version 4, computed anew from what came (docs: sigv4 signing process)."""
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
                         request.headers.get("Authorization", ""))
    if not found or (found[1], found[3], found[4]) != (key_id, region, service):
        return False
    headers = {k.lower(): v.strip() for k, v in request.headers.items()}
    signed = found[5].split(";")
    path, _, query = request.path.partition("?")
    canonical = "\n".join([request.method, path, query, *(f"{h}:{headers[h]}" for h in signed), "", found[5],
                           hashlib.sha256(request.body.encode()).hexdigest()])
    scope = f"{found[2]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in (found[2], region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == found[6]


class Chats(Vendor):
    """Many services behind one port, each under /its-name, as their APIs are documented; what breaks one's rules gets its 400."""
    TOKEN = "t0ken-s3cret"

    def __init__(self):
        super().__init__()
        self.tickets = {}

    def of(self, name):
        with self.lock:
            return [r for r in self.requests if r.path.startswith(f"/{name}/")]

    def take(self, request):
        name, _, rest = request.path[1:].partition("/")
        try:
            assert request.method in ("POST", "PUT"), request.method
            return getattr(self, name)(request, "/" + rest)
        except (AssertionError, KeyError, TypeError) as why:
            return 400, {"error": "bad", "why": repr(why)}

    def bearer(self, request, kind="Bearer"):
        assert request.headers.get("Authorization") == f"{kind} {self.TOKEN}", "login"

    @staticmethod
    def teams(request, _):
        (attachment,) = request.json()["attachments"]
        card = attachment["content"]
        assert request.json()["type"] == "message" and attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert card["type"] == "AdaptiveCard" and card["version"] == "1.4" and len(request.body) <= 28 * 1024
        assert all(b["type"] == "RichTextBlock" and b["inlines"][0]["type"] == "TextRun" for b in card["body"])
        return 202, ""

    @staticmethod
    def discord(request, path):
        (embed,) = request.json()["embeds"]
        assert path == "/hook?wait=true" and 0 < len(embed["title"]) <= 256 and 0 < len(embed["description"]) <= 4096
        assert set(request.json()["allowed_mentions"]) <= {"parse", "roles"} and 0 <= embed["color"] < 1 << 24
        return 200, {"id": "1088", "channel_id": "1"}

    def telegram(self, request, path):
        body = request.json()
        if path != f"/bot{self.TOKEN}/sendMessage":
            return 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
        assert body["parse_mode"] == "HTML" and 0 < len(body["text"]) <= 4096 and not re.search(r"<(?!/?b>)|&(?!amp;|lt;|gt;)", body["text"])
        if body["chat_id"] != "-1001":
            return 400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}
        return 200, {"ok": True, "result": {"message_id": 17, "chat": {"id": -1001}}}

    @staticmethod
    def mattermost(request, _):
        (attachment,) = request.json()["attachments"]
        assert len(request.body) < 16383 and attachment["fallback"] and re.fullmatch("#[0-9a-f]{6}", attachment["color"])
        return 200, "ok"

    def pushover(self, request, path):
        body = request.json()
        assert body["token"] == self.TOKEN
        if re.fullmatch(r"/1/receipts/cancel_by_tag/[0-9a-f]{32}\.json", path):
            return 200, {"status": 1, "canceled": 1, "request": "c"}
        assert path == "/1/messages.json" and body["user"] == "uQiRzpo4DXghDmr9QzzfQu27cmVRsG"
        assert len(body["title"]) <= 250 and 0 < len(body["message"]) <= 1024 and len(body["url"]) <= 512 and -2 <= body["priority"] <= 2
        assert body["priority"] < 2 or (body["retry"] >= 30 and body["expire"] <= 10800)
        return 200, {"status": 1, "request": "647d2300-702c-4b38-8b2f-d56326ae460b"}

    def webex(self, request, path):
        self.bearer(request)
        assert path == "/v1/messages" and request.json()["roomId"] and len(request.json()["text"].encode()) <= 7439
        return 200, {"id": "Y2lzY29zcGFyazovL3VzL01FU1NBR0Uv", "roomId": request.json()["roomId"]}

    def opsgenie(self, request, path):
        self.bearer(request, "GenieKey")
        body = request.json()
        if path == "/v2/alerts":
            assert 0 < len(body["message"]) <= 130 and len(body["alias"]) <= 512 and len(body["description"]) <= 15000
            assert body["priority"] in ("P1", "P2", "P3", "P4", "P5") and all(isinstance(v, str) for v in body["details"].values())
        else:
            assert re.fullmatch(r"/v2/alerts/[0-9a-f]{32}/(acknowledge|close)\?identifierType=alias", path), path
        return 202, {"result": "Request will be processed", "took": 0.302, "requestId": "43a29c5c-3dbf-4fa4-9c26-f4f71023e120"}

    def victorops(self, request, path):
        body = request.json()
        assert path == f"/integrations/generic/20131114/alert/{self.TOKEN}/soc", path
        assert body["message_type"] in ("CRITICAL", "WARNING", "INFO", "ACKNOWLEDGEMENT", "RECOVERY") and len(body["state_message"]) <= 20480
        return 200, {"result": "success", "entity_id": body["entity_id"]}

    def sns(self, request, path):
        form = request.form()
        if not signature_v4_fits(request, "AKID", self.TOKEN, "eu-west-1", "sns"):
            return 403, "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>"
        assert path == "/" and form["Action"] == "Publish" and form["Version"] == "2010-03-31" and form["TopicArn"] and form["Message"]
        assert 0 < len(form["Subject"]) <= 100 and form["Subject"].isascii()
        return 200, ("<PublishResponse xmlns=\"https://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>94f20ce6-13c5-43a0-9a9e-ca52d816e90b"
                     "</MessageId></PublishResult></PublishResponse>")

    def jira(self, request, path):
        assert basic(request) == ("tocsin@example.com", self.TOKEN)
        body = request.json()
        if path == "/rest/api/2/issue":
            fields = body["fields"]
            assert fields["project"] == {"key": "SEC"} and fields["issuetype"] == {"name": "Incident"}
            assert 0 < len(fields["summary"]) <= 255 and "\n" not in fields["summary"] and len(fields["description"]) <= 32767
            return 201, {"id": "10000", "key": f"SEC-{24 + len(self.of('jira'))}", "self": "x"}
        assert re.fullmatch(r"/rest/api/2/issue/SEC-24/(comment|transitions)", path), path
        return (201, {"id": "1"}) if path.endswith("comment") and body["body"] else (204, "") if body["transition"] == {"id": "31"} else (400, "")

    def ticket(self, request, path):
        self.bearer(request)
        body = request.json()
        if request.method == "POST":
            assert path == "/tickets" and body["action"] == "create"
            number = self.tickets.setdefault(request.headers["Idempotency-Key"], 7001 + len(self.tickets))
            return 201, {"id": number, "state": "open"}
        assert request.method == "PUT" and int(path.removeprefix("/tickets/")) in self.tickets.values() and body["action"] in ("update", "close")
        return 200, {"id": body["id"]}


class Siem(Vendor):
    """Splunk's HEC, Datadog's intake, Elasticsearch's bulk; what they took, by id."""
    TOKEN = "siem-s3cret-t0ken"

    def __init__(self):
        super().__init__()
        self.down, self.held, self.batches, self.poison = False, [], [], None

    def take(self, request):
        if self.down:
            return 503, {"text": "Server is busy", "code": 9}
        if request.path == "/services/collector/event" and request.headers["Authorization"] == f"Splunk {self.TOKEN}":
            decoder, at, events = json.JSONDecoder(), 0, []
            while at < len(request.body):
                event, at = decoder.raw_decode(request.body, at)
                events.append(event)
            assert all(isinstance(e["time"], float) and e["event"] for e in events)
            if self.poison is not None and any(self.poison in json.dumps(e) for e in events):
                return 400, {"text": "Invalid data format", "code": 6}
            self.held += events
            self.batches.append(len(events))
            return 200, {"text": "Success", "code": 0}
        if request.path == "/api/v2/logs" and request.headers["DD-API-KEY"] == self.TOKEN:
            self.held += request.json()
            return 202, {}
        if request.path.endswith("/_bulk?filter_path=items.create.status") and request.headers["Authorization"] == f"ApiKey {self.TOKEN}" and request.body.endswith("\n"):
            rows, items = [json.loads(line) for line in request.body.splitlines()], []
            for action, document in zip(rows[::2], rows[1::2]):
                known = any(i == action["create"]["_id"] for i, _ in self.held)
                if not known:
                    self.held.append((action["create"]["_id"], document))
                items.append({"create": {"_id": action["create"]["_id"], "status": 409 if known else 201}})
            return 200, {"took": 1, "errors": any(i["create"]["status"] != 201 for i in items), "items": items}
        return 401, {"text": "Invalid token", "code": 4}
