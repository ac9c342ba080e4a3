"""Peers on loopback that more than one end-to-end test needs: a mail server, certificates, a writer of the journal of systemd."""
import email
import email.policy
import glob
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request

from kit import Skip, free_port, wait_for

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's package, where python3 is another one
try:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP, AuthResult
except ImportError:
    Controller = None

PASSWORD = "correct horse battery"


class Certificates:
    """A certificate authority of the test's own, and a server's certificate for 127.0.0.1."""

    def __init__(self, directory):
        self.ca, self.cert, self.key = (os.path.join(directory, f) for f in ("ca.pem", "cert.pem", "key.pem"))
        ca_key, request, extension = (os.path.join(directory, f) for f in ("ca.key", "request.pem", "ext"))
        with open(extension, "w", encoding="ascii") as file:
            file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        for command in (
                f"req -x509 -newkey rsa:2048 -nodes -keyout {ca_key} -out {self.ca} -days 2 -subj /CN=test-ca",
                f"req -newkey rsa:2048 -nodes -keyout {self.key} -out {request} -subj /CN=localhost",
                f"x509 -req -in {request} -CA {self.ca} -CAkey {ca_key} -CAcreateserial -out {self.cert} -days 2 -extfile {extension}"):
            subprocess.run(["openssl", *command.split()], check=True, capture_output=True)


class MailServer:
    """aiosmtpd with STARTTLS and a login; `rcpt` and `data` map to replies for the next times."""

    def __init__(self, certificates, tls=True):
        if Controller is None:
            raise Skip("python3-aiosmtpd is not installed")
        self.mails, self.recipients, self.rcpt, self.data, self.logins = [], [], {}, [], []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.cert, certificates.key)
        server = self

        class Handler:
            async def handle_RCPT(self, _server, _session, envelope, address, _options):
                replies = server.rcpt.get(address)
                reply = replies.pop(0) if replies else "250 OK"
                if reply.startswith("250"):
                    envelope.rcpt_tos.append(address)
                return reply

            async def handle_DATA(self, _server, _session, envelope):
                reply = server.data.pop(0) if server.data else "250 2.0.0 OK: queued as 4F2cAB"
                if reply.startswith("250"):
                    server.mails.append(envelope.content)
                    server.recipients.append(list(envelope.rcpt_tos))
                return reply

        def login(_server, _session, _envelope, _mechanism, data):
            good = data.login == b"tocsin" and data.password == PASSWORD.encode()
            server.logins.append(good)
            return AuthResult(success=good, handled=good)

        self.port = free_port()

        class Own(Controller):
            def factory(self):
                if not tls:
                    return SMTP(self.handler, hostname="mail.test")
                return SMTP(self.handler, hostname="mail.test", tls_context=context, require_starttls=True, auth_required=True,
                            authenticator=login)

        self.controller = Own(Handler(), hostname="127.0.0.1", port=self.port)

    def parsed(self):
        return [email.message_from_bytes(m, policy=email.policy.default) for m in self.mails]

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()


def prometheus_tool(name):
    """`prometheus` or `promtool` of Debian, unpacked beside the build or installed."""
    for path in (os.path.abspath(f"build/peers/prometheus/usr/bin/{name}"), shutil.which(name)):
        if path and os.path.exists(path):
            return path
    raise Skip(f"Debian's {name} is not here: ./dev test fetches it")


class WebPeer:
    """A program that listens on `port` of loopback, and is ready once GET `ready` is 200; `stop` and `start` between them."""

    def __init__(self, name, port, command, ready):
        self.name, self.port, self.command, self.ready_path = name, port, command, ready
        self.base = f"http://127.0.0.1:{port}"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(self.base + self.ready_path, timeout=10) as answer:
                    return answer.status == 200
            except OSError:
                return False
        try:
            wait_for(self.name, ready, 60)
        except AssertionError:
            self.kill()
            raise
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()


def prometheus_server(folder, config="", flags=()):
    """Debian's Prometheus, taking remote write; its configuration and data in `folder`."""
    path = os.path.join(folder, "prometheus.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(config or "global: {evaluation_interval: 1s}\n")
    port = free_port()
    return WebPeer("prometheus", port,
                   [prometheus_tool("prometheus"), f"--config.file={path}", f"--storage.tsdb.path={folder}/tsdb",
                    f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver", *flags], "/-/ready")


def victoria_metrics(folder, flags=()):
    """Debian's VictoriaMetrics, its data in `folder`."""
    for path in (os.path.abspath("build/peers/victoria-metrics/usr/bin/victoria-metrics"), shutil.which("victoria-metrics")):
        if path and os.path.exists(path):
            port = free_port()
            return WebPeer("victoria-metrics", port,
                           [path, f"-storageDataPath={folder}/victoria", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=1",
                            "-search.latencyOffset=0s", "-search.disableCache", *flags], "/health")
    raise Skip("Debian's victoria-metrics is not here: ./dev test fetches it")


def journal_remote():
    for root in (os.path.abspath("build/peers/systemd-journal-remote"), ""):
        path = f"{root}/lib/systemd/systemd-journal-remote"
        if os.path.exists(path):
            return path
    raise Skip("systemd-journal-remote is not here: ./dev test fetches it")


def write_journal(folder, name, entries):
    """A journal file from the export format (systemd.io/JOURNAL_EXPORT_FORMATS)."""
    os.makedirs(folder, exist_ok=True)
    export = b""
    for number, fields in entries:
        micro = 1_000_000 * int(time.time() - 60) + number
        export += (f"__REALTIME_TIMESTAMP={micro}\n__MONOTONIC_TIMESTAMP={1000000 + number}\n"
                   "_BOOT_ID=6fd6e4d7c2a94a5c8a7f6f0e3d9b1c20\n").encode()
        for key, value in fields.items():
            export += f"{key}={value}\n".encode()
        export += b"\n"
    libraries = ":".join(glob.glob("/usr/lib/*-linux-gnu/systemd"))
    done = subprocess.run([journal_remote(), "-o", f"{folder}/{name}.journal", "-"], input=export, capture_output=True, check=False,
                          env={**os.environ, "LD_LIBRARY_PATH": libraries})
    if b"cannot open shared object" in done.stderr or b"version `" in done.stderr:
        raise Skip(done.stderr.decode())
    assert done.returncode == 0, done.stderr
