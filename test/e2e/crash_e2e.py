"""kill -9 at 100 random moments while 50,000 events come in: what was acknowledged is there once, the chain verifies, every
alert was told. CRASH_KILLS and CRASH_EVENTS make it longer."""
import json
import os
import random
import threading
import time

import kit
from kit import Receiver, Server, now, test, tocsin, wait_for

KILLS = int(os.environ.get("CRASH_KILLS", "100"))
EVENTS = int(os.environ.get("CRASH_EVENTS", "50000"))
BATCH = 50


class Sender(threading.Thread):
    """Posts numbered batches with idempotency keys until each is acknowledged, across any number of crashes."""

    def __init__(self, server, numbers):
        super().__init__(daemon=True)
        self.server, self.numbers, self.acknowledged, self.repeats, self.wrong = server, numbers, [], 0, []
        self.progress = 0

    def run(self):
        for number in self.numbers:
            body = "\n".join(json.dumps({"n": number * BATCH + i, "event_type": "login_failed" if i % 5 == 0 else "login_success",
                                         "source.ip": f"10.{number % 200}.0.1", "user.name": f"u{number % 50}", "@timestamp": now()})
                             for i in range(BATCH)).encode()
            while True:
                try:
                    status, text, _ = self.server.post("/v1/events", body, {"Idempotency-Key": f"batch-{number}", "Content-Type": "application/x-ndjson"})
                except (OSError, kit.http.client.HTTPException):
                    self.repeats += 1
                    time.sleep(0.005)
                    continue
                if status == 200:
                    if json.loads(text)["accepted"] != BATCH:
                        self.wrong.append(text)
                    break
                if status not in (429, 503):
                    self.wrong.append((status, text))
                time.sleep(0.01)
            self.acknowledged.append(number)
            self.progress += 1


@test(f"A-01 D-08 {EVENTS:,} events, kill -9 at {KILLS} random moments: each once, chain whole, each alert told")
def crash():
    chance = random.Random(20261121)
    config = "channels:\n  - name: security\n    type: slack\n    url: env:HOOK\n    min_severity: P4\n"
    with Receiver() as hook, Server(config=config, env={"HOOK": hook.url}) as server:
        batches = EVENTS // BATCH
        senders = [Sender(server, range(part, batches, 2)) for part in range(2)]
        for sender in senders:
            sender.start()
        kills = 0
        while kills < KILLS:
            done = sum(s.progress for s in senders)
            # kills are spread over the input: the next one is due when its share has been acknowledged, at a random moment
            wait_for("progress", lambda: sum(s.progress for s in senders) >= min(batches - 1, (kills + 1) * batches // (KILLS + 2)), 120)
            time.sleep(chance.random() * 0.05)
            server.kill()
            kills += 1
            server.start(ready=chance.random() < 0.8)
            assert sum(s.progress for s in senders) >= done
        server.wait_ready()
        for sender in senders:
            sender.join(300)
            assert not sender.is_alive() and not sender.wrong, sender.wrong[:3]
        wait_for("everything judged", lambda: "tocsin_core_lag_records 0" in server.get("/metrics")[1], 60)
        alerts = server.alerts()
        told = lambda: {b["attachments"][0]["actions"][0]["url"].rsplit("/", 1)[1] for b in hook.bodies()}
        wait_for("every alert told", lambda: {a["id"] for a in alerts} <= told(), 60)
        numbers = [json.loads(e["raw"])["n"] for e in server.query()]
        assert sorted(numbers) == list(range(batches * BATCH)), (len(numbers), len(set(numbers)), batches * BATCH)
        assert len(alerts) >= 50, len(alerts)
        assert len({(a["rule_id"], json.dumps(a["labels"], sort_keys=True)) for a in alerts}) == len(alerts), "an alert was made twice"
        server.stop()
        code, out, err = tocsin("verify", server.data)
        assert code == 0, (out, err)
        print(f"  {kills} kills, {sum(s.repeats for s in senders)} interrupted requests, {len(alerts)} alerts, {len(hook.bodies())} messages")


kit.main()
