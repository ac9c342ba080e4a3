"""Syslog: rsyslog and syslog-ng forward to us over TCP in both framings and over UDP; what they forward arrives once, also across a
restart; an attack seen in forwarded sshd lines is told."""
import collections
import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess
import time

import kit
from kit import Server, Skip, free_port, test, tocsin, wait_for

COUNT = 2000
PEERS = os.path.abspath("build/peers")


def peer(package, program):
    """The daemon and the environment it needs: unpacked by ./dev test, or the system's."""
    unpacked = os.path.join(PEERS, package)
    if os.path.exists(os.path.join(unpacked, program)):
        libraries = glob.glob(f"{unpacked}/usr/lib/*-linux-gnu") + [f"{unpacked}/usr/lib/syslog-ng"]
        return os.path.join(unpacked, program), unpacked, {"LD_LIBRARY_PATH": ":".join(libraries)}
    if os.path.exists(os.path.join("/", program)):
        return os.path.join("/", program), "", {}
    raise Skip(f"{package} is not here: ./dev test fetches it")


class Daemon:
    """A child in the foreground with its configuration and spool in a folder of its own; ended by its id."""

    def __init__(self, command, env, port, log):
        self.log = open(log, "wb")
        self.process = subprocess.Popen(command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.port = port

        def listens():
            assert self.process.poll() is None, open(log, encoding="utf-8", errors="replace").read()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_for("the daemon listens", listens)

    def write(self, lines):
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.sendall("".join(f"{line}\n" for line in lines).encode())

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@contextlib.contextmanager
def rsyslog(target, protocol, framing, template):
    program, root, env = peer("rsyslog", "usr/sbin/rsyslogd")
    port = free_port()
    with kit.temporary() as folder:
        options = f'TCP_Framing="{framing}"' if protocol == "tcp" else ""
        with open(f"{folder}/rsyslog.conf", "w", encoding="utf-8") as file:
            file.write(f"""global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfwd" target="127.0.0.1" port="{target}" protocol="{protocol}" {options} template="{template}"
       queue.type="LinkedList" queue.size="100000" action.resumeRetryCount="-1" action.resumeInterval="1")
""")
        modules = glob.glob(f"{root}/usr/lib/*-linux-gnu/rsyslog")[0]
        daemon = Daemon([program, "-n", "-f", f"{folder}/rsyslog.conf", "-i", f"{folder}/pid", "-M", modules], env, port, f"{folder}/log")
        try:
            yield daemon
        finally:
            daemon.stop()


@contextlib.contextmanager
def syslog_ng(target, destination):
    program, root, env = peer("syslog-ng-core", "usr/sbin/syslog-ng")
    port = free_port()
    with kit.temporary() as folder:
        modules = glob.glob(f"{root}/usr/lib/syslog-ng/3.*")[0]
        with open(f"{folder}/syslog-ng.conf", "w", encoding="utf-8") as file:
            file.write(f"""@version: 3.38
options {{ keep-hostname(yes); time-reopen(1); flush-lines(10); stats-freq(0); }};
source in {{ network(ip("127.0.0.1") port({port}) transport("tcp") max-connections(100) log-iw-size(20000)); }};
destination out {{ {destination.format(target=target)} }};
log {{ source(in); destination(out); flags(flow-control); }};
""")
        command = [program, "-F", "--no-caps", "-f", f"{folder}/syslog-ng.conf", "-p", f"{folder}/pid", "-R", f"{folder}/persist",
                   "-c", f"{folder}/control", "--module-path", modules, "-e"]
        daemon = Daemon(command, env, port, f"{folder}/log")
        try:
            yield daemon
        finally:
            daemon.stop()


def stamp():
    return time.strftime("%b %e %H:%M:%S", time.gmtime())


def numbered(first, count):
    return [f"<38>{stamp()} web1 app[77]: message number {n:06d} of the run" for n in range(first, first + count)]


def arrived(server):
    """How often each number came; from the journal itself, so it works while the server is down, too."""
    found = collections.Counter()
    for event in server.query("--limit", "100000"):
        at = event.get("raw", "").find("message number ")
        if at >= 0:
            found[int(event["raw"][at + 15:at + 21])] += 1
    return found


def taken(server, protocol="tcp"):
    for line in server.get("/metrics")[1].splitlines():
        if line.startswith(f"tocsin_syslog_{protocol}_messages_total "):
            return float(line.split()[1])
    return 0.0


def with_syslog(protocol="tcp"):
    port = free_port()
    server = Server(args=[f"--syslog-{protocol}", f"127.0.0.1:{port}"])
    return server, port


def once_each(server, count):
    found = arrived(server)
    missing = [n for n in range(count) if n not in found]
    doubled = [n for n, times in found.items() if times > 1]
    assert not missing and not doubled and len(found) == count, (len(found), missing[:5], len(missing), doubled[:5], len(doubled))


def orderly(daemon_of, protocol="tcp"):
    server, port = with_syslog(protocol)
    with server, daemon_of(port) as daemon:
        daemon.write(numbered(0, COUNT))
        wait_for("all messages", lambda: taken(server, protocol) >= COUNT, 30)
        wait_for("all in the journal", lambda: len(arrived(server)) >= COUNT)
        once_each(server, COUNT)
        (source,) = {e["source"] for e in server.query("--limit", "100000") if "message number" in e.get("raw", "")}
        assert source == f"syslog:{protocol}:127.0.0.1", source


def restarted(daemon_of):
    """The server is told to stop in the middle of the stream, which goes on meanwhile; the sender's queue keeps what comes then."""
    server, port = with_syslog()
    parts = 40
    with server, daemon_of(port) as daemon:
        for part in range(parts):
            daemon.write(numbered(part * COUNT // parts, COUNT // parts))
            if part == 5:
                wait_for("the stream has begun", lambda: taken(server) > 0)
            if part == 10:
                server.process.send_signal(signal.SIGTERM)
            if part == 25:
                assert server.process.wait(30) == 0, server.output()
            if part == 30:
                server.start()
        with contextlib.suppress(AssertionError):  # once_each says which are missing
            wait_for("all messages", lambda: len(arrived(server)) >= COUNT, 30)
        assert server.stop() == 0
        once_each(server, COUNT)
        code, _, err = tocsin("verify", server.data)
        assert code == 0, err


def rsyslog_counted(port):
    return rsyslog(port, "tcp", "octet-counted", "RSYSLOG_SyslogProtocol23Format")


def rsyslog_lines(port):
    return rsyslog(port, "tcp", "traditional", "RSYSLOG_TraditionalForwardFormat")


def syslog_ng_counted(port):
    return syslog_ng(port, 'syslog("127.0.0.1" port({target}) transport("tcp"));')


def syslog_ng_lines(port):
    return syslog_ng(port, 'network("127.0.0.1" port({target}) transport("tcp"));')


@test("A-15 rsyslog over TCP, octet-counted RFC 5424: 2,000 messages arrive once")
def rsyslog_tcp_counted():
    orderly(rsyslog_counted)


@test("A-15 rsyslog over TCP, a line a message, RFC 3164: 2,000 messages arrive once")
def rsyslog_tcp_lines():
    orderly(rsyslog_lines)


@test("A-15 syslog-ng over TCP, octet-counted RFC 5424: 2,000 messages arrive once")
def syslog_ng_tcp_counted():
    orderly(syslog_ng_counted)


@test("A-15 syslog-ng over TCP, a line a message, RFC 3164: 2,000 messages arrive once")
def syslog_ng_tcp_lines():
    orderly(syslog_ng_lines)


@test("A-15 rsyslog over UDP on loopback: 2,000 messages arrive once")
def rsyslog_udp():
    orderly(lambda port: rsyslog(port, "udp", "", "RSYSLOG_SyslogProtocol23Format"), "udp")


@test("A-15 syslog-ng over UDP on loopback: 2,000 messages arrive once")
def syslog_ng_udp():
    orderly(lambda port: syslog_ng(port, 'network("127.0.0.1" port({target}) transport("udp"));'), "udp")


@test("A-15 a restart in the middle of the stream loses and doubles nothing: rsyslog, octet-counted")
def rsyslog_restart():
    restarted(rsyslog_counted)


@test("A-15 a restart in the middle of the stream loses and doubles nothing: rsyslog, lines")
def rsyslog_restart_lines():
    restarted(rsyslog_lines)


@test("A-15 a restart in the middle of the stream loses and doubles nothing: syslog-ng, octet-counted")
def syslog_ng_restart():
    restarted(syslog_ng_counted)


@test("A-15 C-80 a brute force in sshd lines that rsyslog forwards raises BRUTE_FORCE_ATTACK")
def brute_force():
    server, port = with_syslog()
    with server, rsyslog_counted(port) as daemon:
        daemon.write([f"<38>{stamp()} web1 sshd[{900 + i}]: Failed password for root from 203.0.113.9 port {4000 + i} ssh2" for i in range(6)])
        (alert,) = wait_for("an alert", server.alerts)
        assert alert["title"] == "BRUTE_FORCE_ATTACK", alert
        assert "203.0.113.9" in str(alert), alert


@test("A-15 a message keeps its facility, severity and structured data")
def structured():
    server, port = with_syslog()
    message = '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [id@32473 iut="3" source="Application"] An event'
    with server:
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(f"{len(message)} {message}".encode())
        (event,) = wait_for("the event", server.query)
    assert event["raw"] == message
    code, out, err = tocsin("parse", "--input", "syslog", "-", stdin=event["raw"].encode())
    fields = kit.lines(out)[0]["fields"]
    assert code == 0 and fields["log.syslog.facility.code"] == 20 and fields["log.syslog.severity.code"] == 5, (fields, err)
    assert fields["log.syslog.structured_data.id@32473.iut"] == "3" and fields["message"] == "An event", fields


@test("A-15 the configuration names both doors; anything but loopback is refused unless it is asked for")
def configuration():
    udp, tcp = free_port(), free_port()
    with Server(config=f"syslog:\n  udp: 127.0.0.1:{udp}\n  tcp: '[::1]:{tcp}'\n  lateness: 5m\n") as server:
        with socket.create_connection(("::1", tcp)) as s:
            s.sendall(b"<13>Jan  1 00:00:00 h a: over six\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"<13>1 2020-01-01T00:00:00Z h a - - - long ago", ("127.0.0.1", udp))
        events = wait_for("both", lambda: [e for e in server.query() if e["source"].startswith("syslog:")][1:] and server.query())
        by_source = {e["source"]: e for e in events}
        assert {"syslog:tcp:::1", "syslog:udp:127.0.0.1"} <= set(by_source), by_source.keys()
        assert "suspect_time" in str(by_source["syslog:udp:127.0.0.1"]["flags"]).replace("-", "_"), by_source
    with kit.temporary() as folder:
        code, _, err = tocsin("run", "--data", f"{folder}/data", "--listen", f"127.0.0.1:{free_port()}", "--syslog-tcp", f"0.0.0.0:{tcp}")
        assert code == 2 and "allow_plaintext" in err, (code, err)
    with Server(config=f"syslog: {{tcp: 0.0.0.0:{tcp}, allow_plaintext: true}}\n") as server:
        assert server.get("/-/ready")[0] == 200


@test("A-15 a port that is taken and a bad address are told at the start")
def refused():
    with kit.temporary() as folder, socket.socket() as taken_socket:
        taken_socket.bind(("127.0.0.1", 0))
        taken_socket.listen()
        port = taken_socket.getsockname()[1]
        base = ["run", "--data", f"{folder}/data", "--listen", f"127.0.0.1:{free_port()}"]
        code, _, err = tocsin(*base, "--syslog-tcp", f"127.0.0.1:{port}")
        assert code == 3 and str(port) in err, (code, err)
        code, _, err = tocsin(*base, "--syslog-udp", "nowhere")
        assert code == 2 and "ADDRESS:PORT" in err, (code, err)
        path = os.path.join(folder, "bad.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("syslog:\n  tpc: 127.0.0.1:5514\n")
        code, _, err = tocsin("check", "--config", path)
        assert code == 2 and "bad.yml:2" in err and "tpc" in err, (code, err)
        shutil.rmtree(os.path.join(folder, "data"), ignore_errors=True)


kit.main()
