#!/usr/bin/env python3
"""Prints docs/metrics.md from what a server with every door open says at /metrics."""
import os
import re
import sys

sys.path.insert(0, "test/e2e")
sys.argv = sys.argv[:1]
import kit  # noqa: E402

ROOMS = [("tocsin_http", "The HTTP server"), ("tocsin_intake", "Intake"), ("tocsin_syslog", "Syslog"),
         ("tocsin_tail", "Files that are followed"), ("tocsin_journald", "The journal of systemd"),
         ("tocsin_journal", "Journal"), ("tocsin_seal", "Sealing"),
         ("tocsin_detect", "Detection"), ("tocsin_tsdb", "The store of metrics"), ("tocsin_scrape", "Scraping"),
         ("tocsin_event_metrics", "Metrics of events"), ("tocsin_statsd", "StatsD"), ("tocsin_graphite", "Graphite"),
         ("tocsin_delta", "Metrics in"), ("tocsin_metadata", "Metrics in"),
         ("tocsin_redaction", "Metrics in"), ("process", "The process"), ("tocsin", "The rest"), ("", "The rest")]


METRICS = """metrics:
  enabled: true
  scrape_configs:
    - {job_name: nothing}
  emf: true
  statsd:
    udp: 127.0.0.1:0
  graphite:
    tcp: 127.0.0.1:0
"""

FORWARD = """channels:
  - {name: siem, type: cef_udp, api_url: 'udp://127.0.0.1:9', reveal: all}
forward:
  - {channel: siem, select: '{source=~".+"}'}
"""


def make_key(folder):
    assert kit.tocsin("seal", "init", f"{folder}/key")[0] == 0
    return f"{folder}/key"


def main():
    with (kit.temporary() as folder,
          kit.Server(args=["--syslog-udp", f"127.0.0.1:{kit.free_port()}", "--tail", f"{folder}/*.log", "--journald"],
                     config=f"seal:\n  key: {make_key(folder)}\n{METRICS}{FORWARD}") as server):
        doors = ("tocsin_source_events_total", "tocsin_syslog_", "tocsin_tail_", "tocsin_journald_", "tocsin_forward_")  # the last to be opened
        text = kit.wait_for("all doors", lambda: (lambda t: t if all(d in t for d in doors) else None)(server.get("/metrics")[1]))
    rows = {}
    for name, help_text, kind in re.findall(r"^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$", text, re.M):
        title = next(t for prefix, t in ROOMS if name.startswith(prefix))
        rows.setdefault(title, []).append((name, kind, help_text))
    print("# Metrics\n\n`GET /metrics` in Prometheus' text format. This page is printed by `tools/metrics_doc.py`. Every bound has its level: "
          "`NAME_limit`\nstands beside `NAME`. Alert before a level comes near its limit, on `tocsin_journal_full`, on `tocsin_store_behind`, and on\n"
          "`tocsin_core_lag_records` that rises.")
    for title in dict.fromkeys(t for _, t in ROOMS):
        if title in rows:
            print(f"\n## {title}\n\n| metric | type | what it says |\n|---|---|---|")
            for name, kind, help_text in sorted(rows[title]):
                print(f"| `{name}` | {kind} | {help_text} |")


if __name__ == "__main__":
    os.environ.setdefault("TOCSIN", "build/tocsin")
    main()
