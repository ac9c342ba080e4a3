"""The inputs of the benchmark: logs of services, of an AWS account, of Windows, and of sshd. Each from its own seed."""
import datetime
import json
import random


ACTIONS = ["login_success"] * 30 + ["token_refresh"] * 10 + ["login_failed"]


def json_event(chance, i, at):
    """An application's, CloudTrail's or process-creation record."""
    kind = chance.random()
    hexes = f"{chance.getrandbits(128):032x}"
    if kind < 0.5:
        event = {"@timestamp": at, "level": chance.choice(["info", "warn", "error"]), "service": chance.choice(["billing", "search", "cart", "auth"]),
                 "event_type": chance.choice(ACTIONS), "source.ip": f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}",
                 "user.name": f"user{chance.randrange(50000)}", "trace_id": hexes, "span_id": hexes[:16], "http": {"method": "POST", "path": f"/api/v2/items/{chance.randrange(10**6)}", "status": chance.choice([200, 201, 404, 500]), "duration_ms": round(chance.random() * 900, 3)},
                 "message": "request finished " + " ".join(chance.choice(["upstream", "cache", "retry", "slow", "ok", "queue"]) for _ in range(12)), "host": f"node-{chance.randrange(40)}", "build": "2026.3.1-" + hexes[:8], "labels": ["eu-central-1", "prod", f"az{chance.randrange(3)}"]}
    elif kind < 0.85:
        event = {"eventVersion": "1.08", "eventTime": at, "eventSource": chance.choice(["s3.amazonaws.com", "ec2.amazonaws.com", "iam.amazonaws.com"]), "eventName": chance.choice(["GetObject", "DescribeInstances", "ListBuckets", "AssumeRole", "PutObject"]),
                 "awsRegion": "eu-central-1", "sourceIPAddress": f"198.51.{chance.randrange(256)}.{chance.randrange(1, 255)}", "userAgent": "aws-sdk-go/1.44.0 (go1.19; linux; amd64)",
                 "userIdentity": {"type": "AssumedRole", "principalId": hexes[:20].upper(), "arn": f"arn:aws:sts::123456789012:assumed-role/app/{hexes[:12]}", "accountId": "123456789012"},
                 "requestParameters": {"bucketName": "data-" + hexes[:6], "key": f"a/{hexes}/part-{i}"}, "responseElements": None, "requestID": hexes[:16], "eventID": hexes, "readOnly": True, "eventType": "AwsApiCall", "managementEvent": False, "recipientAccountId": "123456789012"}
    else:
        event = {"UtcTime": at.replace("T", " ").rstrip("Z"), "EventID": 1, "Image": "C:\\Windows\\System32\\" + chance.choice(["svchost.exe", "cmd.exe", "powershell.exe", "taskhostw.exe"]), "ParentImage": "C:\\Windows\\explorer.exe",
                 "CommandLine": f"svchost.exe -k netsvcs -p -s Schedule {hexes}", "User": "NT AUTHORITY\\SYSTEM", "Computer": f"ws{chance.randrange(500)}.corp.example", "ProcessGuid": hexes, "Hashes": f"SHA256={hexes}{hexes}", "IntegrityLevel": "System", "LogonId": "0x3e7", "ProcessId": chance.randrange(60000), "OriginalFileName": "svchost.exe", "Company": "Microsoft Corporation", "Product": "Microsoft Windows Operating System", "Description": "Host Process for Windows Services", "CurrentDirectory": "C:\\Windows\\system32\\"}
    return event


def make_json(path, count):
    """Application, CloudTrail-like and process-creation records, about 600 bytes and 20 fields each."""
    chance = random.Random(7)
    start = datetime.datetime(2026, 3, 1)
    with open(path, "w", encoding="utf-8") as file:
        for i in range(count):
            at = (start + datetime.timedelta(milliseconds=i * 40)).isoformat() + "Z"
            file.write(json.dumps(json_event(chance, i, at), separators=(",", ":")) + "\n")


BROWSERS = [f"Mozilla/5.0 ({system}) {engine}" for system in ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7")
            for engine in ("Gecko/20100101 Firefox/128.0", "Chrome/126.0.0.0 Safari/537.36", "Chrome/127.0.0.0 Safari/537.36")]


def make_events(path, size, start, needle, times):
    """The same records with an identifier of their own and a client, about 700 bytes each, 4 ms apart, until `size` bytes are there; every
    (number / times)th, the first half a step in, has `needle` as its identifier. Returns the number of records."""
    chance, number, written, at_needle = random.Random(13), 0, 0, size // times // 2
    with open(path, "w", encoding="utf-8") as file:
        while written < size:
            at = (start + datetime.timedelta(milliseconds=number * 4)).isoformat(timespec="milliseconds") + "Z"
            event = json_event(chance, number, at)
            event["request_id"], event["client"] = f"{chance.getrandbits(128):032x}", chance.choice(BROWSERS)
            if written >= at_needle:
                event["request_id"], at_needle = needle, at_needle + size // times
            line = json.dumps(event, separators=(",", ":")) + "\n"
            file.write(line)
            written += len(line)
            number += 1
    return number


def make_sshd(path, count):
    """A day of sshd lines: mostly sessions, one percent of addresses attack."""
    chance = random.Random(11)
    start = datetime.datetime(2026, 3, 1)
    attackers = [f"203.0.{chance.randrange(256)}.{chance.randrange(1, 255)}" for _ in range(400)]
    with open(path, "w", encoding="utf-8") as file:
        for i in range(count):
            at = (start + datetime.timedelta(seconds=i * 86400 / count)).strftime("%b %e %H:%M:%S")
            pid = chance.randrange(1000, 60000)
            if chance.random() < 0.09:
                address, user = chance.choice(attackers), chance.choice(["root", "invalid user admin", "invalid user oracle"])
                text = f"Failed password for {user} from {address} port {chance.randrange(1024, 65535)} ssh2"
            else:
                address = f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
                text = chance.choice([f"Accepted publickey for deploy from {address} port 51022 ssh2: RSA SHA256:abc", f"Connection closed by {address} port 40022 [preauth]",
                                      "pam_unix(sshd:session): session opened for user deploy by (uid=0)", f"Received disconnect from {address} port 41022:11: disconnected by user"])
            file.write(f"{at} web{i % 20} sshd[{pid}]: {text}\n")
