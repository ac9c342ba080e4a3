"""The kit of the end-to-end tests: a Tocsin of one's own on a free port, HTTP, mock receivers, and a way to say what passed.

Each test is a function under @test; the file ends with kit.main(). One line a test: `ok`, `FAILED` or `skipped` and its name.
"""
import functools
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

TOCSIN = os.path.abspath(os.environ.get("TOCSIN", "build/tocsin"))
SHARED = os.path.abspath("../shared/data")
tests = []


class Skip(Exception):
    pass


def test(name):
    def add(function):
        tests.append((name, function))
        return function
    return add


def shared(path):
    full = os.path.join(SHARED, path)
    if not os.path.exists(full):
        raise Skip(f"{path} of the shared data is not here")
    return full


def tocsin(*args, stdin=b"", timeout=120, env=None, cwd=None):
    """Runs a verb; (exit code, stdout, stderr) as text."""
    done = subprocess.run([TOCSIN, *map(str, args)], input=stdin, capture_output=True, timeout=timeout,
                          env={**os.environ, **(env or {})}, cwd=cwd, check=False)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def wait_for(what, condition, seconds=20):
    """Polls until the condition gives something true; what a person would do, bounded."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A running tocsin. `data` survives a kill, so that the next start recovers it."""

    def __init__(self, data=None, config=None, args=(), env=None, port=None, stdin=None):
        self.own = data is None
        self.data = data or tempfile.mkdtemp(prefix="tocsin-e2e-")
        self.port = port or free_port()
        self.config = config
        self.args = list(args)
        self.env = env or {}
        self.stdin = stdin
        self.process = None
        self.log = tempfile.TemporaryFile()

    def start(self, ready=True):
        command = [TOCSIN, "run", "--data", self.data, "--listen", f"127.0.0.1:{self.port}", *self.args]
        if self.config is not None:
            path = os.path.join(self.data, "tocsin.yml")
            os.makedirs(self.data, exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.config)
            command += ["--config", path]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=self.stdin or subprocess.DEVNULL,
                                        env={**os.environ, **self.env})
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        def is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"tocsin ended with {self.process.returncode}: {self.output()}")
            try:
                return self.get("/-/ready")[0] == 200
            except OSError:
                return False
        wait_for("ready", is_ready, seconds)

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def request(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body=body, headers={"Content-Type": "application/json", **(headers or {})})

    def send(self, *events, headers=None):
        """Events as NDJSON; the parsed answer."""
        body = "\n".join(json.dumps(e) for e in events).encode()
        status, text, _ = self.post("/v1/events", body, {"Content-Type": "application/x-ndjson", **(headers or {})})
        assert status == 200, (status, text)
        return json.loads(text)

    def alerts(self, state="open"):
        status, text, _ = self.get(f"/v1/alerts?state={state}")
        assert status == 200, (status, text)
        return json.loads(text)

    def segments(self):
        """Paths of the journal's open and closed segments that are not packed yet, the oldest first."""
        folder = os.path.join(self.data, "journal")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".seg")]

    def metric(self, name):
        """The value of a metric without labels."""
        return float(re.search(rf"^{name} (.*)$", self.get("/metrics")[1], re.M).group(1))

    def query(self, *args):
        code, out, err = tocsin("query", "--data", self.data, *args)
        assert code == 0, err
        return lines(out)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def refused_calls(self):
        """System calls that the sandbox refused so far; 0 where nobody answers."""
        try:
            found = re.search(r"^tocsin_sandbox_refused_calls_total (\d+)$", self.request("GET", "/metrics", timeout=5)[1], re.M)
        except (OSError, http.client.HTTPException):
            return 0
        return int(found.group(1)) if found else 0

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            refused = self.refused_calls()
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            assert refused == 0, f"the sandbox refused {refused} calls: {[line for line in self.output().splitlines() if 'sandbox' in line]}"
        return None if self.process is None else self.process.returncode

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.kill()
            self.log.close()
            if self.own:
                shutil.rmtree(self.data, ignore_errors=True)


class Receiver:
    """A loopback web server that keeps every request; `answers` gives the status (and headers) of the next ones."""

    def __init__(self, answers=()):
        self.requests = []
        self.answers = list(answers)
        self.lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with receiver.lock:
                    status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                    receiver.requests.append((self.path, dict(self.headers), body.decode(), status))
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", "2")
                try:
                    self.end_headers()
                    self.wfile.write(b"ok")
                except ConnectionError:
                    pass  # a test killed who asked

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/services/T000/B000/secret-of-the-hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self, status=200):
        with self.lock:
            return [json.loads(body) for _, _, body, s in self.requests if s == status]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def now(offset_seconds=0.0):
    t = time.time() + offset_seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t % 1 * 1e6):06d}Z"


def temporary():
    return tempfile.TemporaryDirectory(prefix="tocsin-e2e-")


def main():
    failed = 0
    chosen = sys.argv[1:]
    for name, function in tests:
        if chosen and not any(c in name for c in chosen):
            continue
        try:
            function()
            print(f"ok {name}", flush=True)
        except Skip as why:
            print(f"skipped {name}: {why}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED {name}", flush=True)
            traceback.print_exc(file=sys.stdout)
    sys.exit(1 if failed else 0)
