"""The page in a real browser: alerts are there, live, and hostile event content stays text."""
import shutil
import subprocess

import kit
from kit import Server, now, test, wait_for

CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--virtual-time-budget=4000", "--timeout=10000"]


def dom(url):
    if shutil.which("chromium") is None:
        raise kit.Skip("chromium is not installed")
    with kit.temporary() as profile:
        done = subprocess.run(["chromium", *CHROMIUM, f"--user-data-dir={profile}", "--dump-dom", url], capture_output=True, timeout=60, check=False)
    return done.stdout.decode(errors="replace")


@test("the page shows an alert with its severity, count and acknowledge button; what an event says stays text")
def shown():
    with Server() as server:
        hostile = "<img src=x onerror=\"document.title='taken'\">"
        server.send({"event_type": "account_locked", "user.name": hostile, "@timestamp": now()},
                    {"event_type": "account_locked", "user.name": "bob", "@timestamp": now()})
        wait_for("both alerts", lambda: len(server.alerts()) == 2)
        page = dom(f"http://127.0.0.1:{server.port}/")
        assert page.count("ACCOUNT_LOCKOUT") >= 2 and "Acknowledge" in page and "P2" in page and "bob" in page, page[:2000]
        assert "&lt;img src=x" in page and "<img src=x" not in page and "<title>taken" not in page
        alert = server.alerts()[0]
        details = dom(f"http://127.0.0.1:{server.port}/alerts/{alert['id']}")
        assert "Notify the user" in details and "account_lockout.md" in details, details[:2000]


kit.main()
