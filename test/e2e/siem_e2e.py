"""SIEMs: alerts and events go to Splunk, Datadog, Elasticsearch and syslog; the journal is the buffer while they are down."""
import os
import socket
import ssl
import threading

import kit
from kit import now, test, tocsin, wait_for
from vendors import Siem
from world import World, deliveries, event


def numbered(*numbers):
    return [{"@timestamp": now(), "event_type": "login", "number": n} for n in numbers]


@test("E-12 Splunk's HEC is down, Tocsin is killed, both come back: every event that the selector lets through, in order, none lost, no id twice")
def hec():
    with World() as world, Siem() as siem:
        config = (f"channels:\n  - {{name: splunk, type: splunk_hec, api_url: '{siem.url}', token: env:TOKEN, reveal: all, min_severity: P1}}\n"
                  "forward:\n  - {channel: splunk, select: '{source=\"http:default\"} |= \"login\"'}\n")
        with world.server(config, {"TOKEN": Siem.TOKEN}) as server:
            server.send(*numbered(*range(10)), event("P4"))
            wait_for("ten events", lambda: len(siem.held) == 10)
            siem.down = True
            for i in range(10, 2000, 199):
                server.send(*numbered(*range(i, i + 199)))
            wait_for("a failed batch", lambda: "tocsin_forward_retries_total{channel=\"splunk\"} 0" not in server.get("/metrics")[1])
            server.kill()
            siem.down = False
            # a position that cannot be read is no reason to leave out what waits
            position = f"{server.data}/forward/splunk.position"
            os.rename(position, f"{position}.kept")
            os.symlink(position, position)
            code, _, err = tocsin("run", "--data", server.data, "--listen", f"127.0.0.1:{server.port}", "--config", f"{server.data}/tocsin.yml",
                                  env={"TOKEN": Siem.TOKEN, "MAIL_PASSWORD": "x"}, timeout=20)
            assert code != 0 and "splunk.position" in err and "forwarding to channel splunk" in err, (code, err)
            os.rename(f"{position}.kept", position)
            server.start()
            server.send(*numbered(2000))
            wait_for("all of it", lambda: len(siem.held) == 2001)
            assert [e["event"]["number"] for e in siem.held] == list(range(2001)), "out of order, lost or doubled"
            ids = [e["fields"]["tocsin_id"] for e in siem.held]
            assert len(set(ids)) == 2001 and max(siem.batches) == 500, siem.batches
            one = siem.held[0]
            assert one["source"] == "http:default" and one["sourcetype"] == "tocsin:event" and abs(one["time"] - siem.held[-1]["time"]) < 120
            wait_for("no lag", lambda: 'tocsin_forward_lag_records{channel="splunk"} 0' in server.get("/metrics")[1])
            # one event that Splunk refuses keeps the others from nothing
            siem.poison = '"number": 2007'
            server.send(*numbered(*range(2001, 2012)))
            wait_for("the others", lambda: len(siem.held) == 2011)
            assert 'tocsin_forward_refused_total{channel="splunk"} 1' in server.get("/metrics")[1]
            siem.poison = None
            # an address or a login that is wrong is about all events: none is left out for it
            siem.answers = [(404, {}), (403, {})]
            server.send(*numbered(2012))
            wait_for("the next", lambda: len(siem.held) == 2012)
            server.send(event("P1"))
            alert = wait_for("the alert, too", lambda: [e for e in siem.held if e["sourcetype"] == "tocsin:alert"])[0]
            assert alert["event"]["alert"]["title"] == "RULE_P1" and alert["event"]["reason"] == "new", alert
            assert Siem.TOKEN not in server.output()


@test("E-12 alerts and events at Datadog and Elasticsearch; a repeat is there already, which is as it should be")
def others():
    with World() as world, Siem() as datadog, Siem() as elastic:
        config = (f"channels:\n  - {{name: dd, type: datadog, api_url: '{datadog.url}', token: env:TOKEN, reveal: all}}\n"
                  f"  - {{name: es, type: elastic, api_url: '{elastic.url}/', token: env:TOKEN, reveal: all, index: soc}}\n"
                  "forward:\n  - {channel: dd, select: '{source=~\"http:.+\"}'}\n  - {channel: es, select: '{source=~\"http:.+\"}'}\n")
        with world.server(config, {"TOKEN": Siem.TOKEN}) as server:
            elastic.answers = [(502, {})]
            server.send(*numbered(1, 2, 3), event("P3"))
            wait_for("both have all", lambda: len(datadog.held) == len(elastic.held) == 5)
            logs = [log for log in datadog.held if log["ddsource"] == "http:default"]
            assert [kit.json.loads(log["message"]).get("number") for log in logs] == [1, 2, 3, None] and all(log["timestamp"] > 1e12 for log in logs)
            (alert,) = [log for log in datadog.held if log["ddsource"] == "tocsin"]
            assert alert["status"] == "warn" and alert["ddtags"] == "severity:P3,reason:new" and alert["alert"]["title"] == "RULE_P3", alert
            assert {r.path for r in elastic.requests} == {"/soc/_bulk?filter_path=items.create.status"}
            with elastic.lock:
                elastic.requests.clear()
            (one,) = server.alerts()
            wait_for("receipts", lambda: [d["status"] for d in deliveries(server, one["id"])] == ["sent", "sent"])
            tocsin("alerts", "ack", one["id"], "--url", f"http://127.0.0.1:{server.port}")
            wait_for("the acknowledgement", lambda: len(elastic.held) == 6)
            assert elastic.held[-1][1]["reason"] == "acknowledged" and elastic.held[-1][0].endswith(":es"), elastic.held[-1]


class Listener:
    """A syslog server over TCP or TLS that counts octets (RFC 6587)."""

    def __init__(self, certificates=None):
        self.messages = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.context = None
        if certificates is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificates.cert, certificates.key)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
                if self.context is not None:
                    connection = self.context.wrap_socket(connection, server_side=True)
                with connection, connection.makefile("rb") as stream:
                    data = stream.read()
            except (OSError, ssl.SSLError):
                if self.socket.fileno() < 0:
                    return
                continue
            while data:
                length, _, data = data.partition(b" ")
                self.messages.append(data[:int(length)].decode())
                data = data[int(length):]


@test("E-12 CEF in syslog over TCP, TLS and UDP: counted, escaped, by a certificate that is trusted")
def cef():
    with World() as world, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        tcp, tls = Listener(), Listener(world.certificates)
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(10)
        config = ("channels:\n"
                  f"  - {{name: tcp, type: cef, api_url: 'tcp://127.0.0.1:{tcp.port}', reveal: all}}\n"
                  f"  - {{name: tls, type: cef, api_url: 'tls://localhost:{tls.port}', reveal: all, ca_file: {world.certificates.ca}}}\n"
                  f"  - {{name: distrust, type: cef, api_url: 'tls://localhost:{tls.port}', reveal: all}}\n"
                  f"  - {{name: udp, type: cef_udp, api_url: 'udp://127.0.0.1:{datagrams.getsockname()[1]}'}}\n"
                  "forward:\n  - {channel: tcp, select: '{source=~\"http:.+\"} |= \"login\"'}\n")
        with world.server(config) as server:
            server.send(*numbered(1, 2), event("P1", "a=b|c\\d\ne"))
            wait_for("an alert and two events over TCP", lambda: len(tcp.messages) == 3)
            wait_for("an alert over TLS", lambda: len(tls.messages) == 1)
            (alert,) = server.alerts()
            datagram = datagrams.recv(65536).decode()
            (message,) = [m for m in tcp.messages if "|RULE_P1|" in m]
            assert message.startswith("<130>1 ") and "CEF:0|Tocsin|Tocsin|" in message and f" externalId={alert['id']} " in message, message
            assert "suser=a\\=b|c\\\\d e " in message and "\n" not in message, message
            assert tls.messages[0].split(" cs3Label")[0] == message.split(" cs3Label")[0]
            assert f"externalId={alert['id']}" in datagram and "a\\=b" not in datagram, "channels get pseudonyms unless they may know"
            events = [m for m in tcp.messages if "|event|" in m]
            assert len(events) == 2 and all("|http:default|1|" in m and '"event_type":' in m for m in events), events
            rows = {d["channel"]: d for d in wait_for("ends", lambda: [d for d in deliveries(server, alert["id"]) if d["status"] == "sent" or d["error"]][3:] and
                                                      deliveries(server, alert["id"]))}
            assert rows["distrust"]["status"] == "pending" and "certificate" in rows["distrust"]["error"].lower(), rows["distrust"]
        tcp.socket.close()
        tls.socket.close()


@test("check: what forwarding needs is said")
def checked():
    with kit.temporary() as directory:
        ok = "channels:\n  - {name: s, type: splunk_hec, api_url: 'https://h', token: env:K, reveal: all}\nforward:\n  - {channel: s, select: '{source=\"x\"}'}\n"
        for text, said in ((ok, None), (ok.replace(", reveal: all", ""), "reveal: all"), (ok.replace("channel: s", "channel: x"), "no channel that takes"),
                           (ok.replace("splunk_hec", "opsgenie"), "no channel that takes"), (ok.replace("'{source", "'{{source"), "parse error"),
                           (ok.replace("'{source=\"x\"}'", "'count_over_time({source=\"x\"}[5m])'"), "aggregation"),
                           (ok + "  - {channel: s, select: '{source=\"y\"}'}\n", "twice"), (ok.replace("splunk_hec", "cef"), "tcp://"),
                           (ok.replace("splunk_hec", "cef_udp").replace("https://h", "udp://name:514"), "an address and no name")):
            with open(f"{directory}/c.yml", "w", encoding="utf-8") as file:
                file.write(text)
            code, _, err = tocsin("check", "--config", f"{directory}/c.yml", env={"K": "s3cret"})
            assert (code == 0) == (said is None) and (said or "") in err and "s3cret" not in err, (text, code, err)


if __name__ == "__main__":
    kit.main()
