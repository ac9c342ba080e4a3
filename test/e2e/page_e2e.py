"""The page in a real browser, driven over WebDriver: alerts appear live, a click acknowledges, and hostile event content stays text."""
import http.client
import json
import shutil
import subprocess

import kit
from kit import Server, now, test, wait_for

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--window-size=1200,900"]


class Browser:
    """A Chromium of one's own behind chromedriver (W3C WebDriver, JSON over HTTP)."""

    def __init__(self, profile):
        if shutil.which("chromedriver") is None or shutil.which("chromium") is None:
            raise kit.Skip("chromium and chromium-driver are not installed")
        self.port = kit.free_port()
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        options = {"binary": shutil.which("chromium"), "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        wait_for("chromedriver", lambda: self.answers(), 20)
        wanted = {"capabilities": {"alwaysMatch": {"pageLoadStrategy": "eager", "goog:chromeOptions": options}}}
        self.session = f"/session/{self.call('POST', '/session', wanted)['sessionId']}"

    def answers(self):
        try:
            return self.call("GET", "/status")["ready"]
        except OSError:
            return False

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def open(self, url):
        self.call("POST", f"{self.session}/url", {"url": url})

    def run(self, script):
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def text(self):
        return self.run("return document.body.innerText")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(20)


@test("D-09 the page: alerts appear live, a click acknowledges; what an event says stays text")
def page():
    with kit.temporary() as profile, Server() as server, Browser(profile) as browser:
        browser.open(f"http://127.0.0.1:{server.port}/")
        wait_for("the empty page", lambda: "curl" in browser.text())
        hostile = "<img src=x onerror=\"document.title='taken'\">"
        server.send({"event_type": "account_locked", "user.name": hostile, "@timestamp": now()})
        wait_for("the alert on the open page", lambda: "ACCOUNT_LOCKOUT" in browser.text())
        server.send({"event_type": "login_success", "@timestamp": now()})
        wait_for("the source as the server knows it", lambda: "http:default" in server.get("/v1/sources")[1])
        browser.open(f"http://127.0.0.1:{server.port}/")
        wait_for("the source with its promise", lambda: "http:default" in browser.text() and "kept once acknowledged" in browser.text())
        wait_for("the alert after a reload of the page", lambda: "ACCOUNT_LOCKOUT" in browser.text())
        text = browser.text()
        assert "P2" in text and "<img src=x" in text and browser.run("return document.querySelector('img[src=x]')") is None, text
        assert browser.run("return document.title") != "taken"
        clicked = browser.run("const b = [...document.querySelectorAll('button')].find(b => b.textContent.trim().startsWith('Acknowledge')); b.click(); return true")
        assert clicked
        wait_for("the acknowledgement", lambda: server.alerts()[0]["state"] == "acknowledged")
        wait_for("the page to say so", lambda: "acknowledged" in browser.text().lower())
        browser.open(f"http://127.0.0.1:{server.port}/alerts/{server.alerts()[0]['id']}")
        wait_for("the alert's details", lambda: "Notify the user" in browser.text() and "account_lockout.md" in browser.text())
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")


kit.main()
