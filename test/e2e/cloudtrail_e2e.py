"""CloudTrail's log files and digests as AWS writes them, signed here with openssl, judged by `tocsin verify --cloudtrail`."""
import base64
import gzip
import hashlib
import json
import os
import subprocess

import kit
from kit import Skip, temporary, test, tocsin

BUCKET = "trail-bucket"


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, capture_output=True, check=True).stdout


def write(folder, name, data, packed=True):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(gzip.compress(data) if packed else data)
    return path


def make(folder, hours=4, region="eu-west-1"):
    """A bucket's copy with a digest an hour, the second without log files; returns the digests' paths and the keys' file."""
    try:
        if not os.path.exists(f"{folder}/key.pem"):
            openssl("genrsa", "-out", f"{folder}/key.pem", "2048")
    except FileNotFoundError as why:
        raise Skip("no openssl") from why
    der = openssl("rsa", "-in", f"{folder}/key.pem", "-RSAPublicKey_out", "-outform", "DER")
    fingerprint = hashlib.md5(der).hexdigest()
    with open(f"{folder}/keys.json", "w", encoding="utf-8") as file:
        json.dump({"PublicKeyList": [{"Value": base64.b64encode(der).decode(), "Fingerprint": fingerprint,
                                      "ValidityStartTime": "2026-01-01T00:00:00Z"}]}, file)
    with open(f"{folder}/key.pub", "wb") as file:
        file.write(openssl("rsa", "-in", f"{folder}/key.pem", "-pubout"))
    bucket, digests, previous = f"{folder}/bucket", [], None
    for hour in range(hours):
        logs = []
        for i in range(0 if hour == 1 else 3):
            name = f"AWSLogs/123456789012/CloudTrail/{region}/2026/11/21/123456789012_CloudTrail_{region}_20261121T{hour:02}{i}0Z_x.json.gz"
            data = json.dumps({"Records": [{"eventName": "GetObject", "hour": hour, "i": i}]}).encode()
            write(bucket, name, data)
            logs.append({"s3Bucket": BUCKET, "s3Object": name, "hashValue": hashlib.sha256(data).hexdigest(), "hashAlgorithm": "SHA-256",
                         "newestEventTime": f"2026-11-21T{hour:02}:59:00Z", "oldestEventTime": f"2026-11-21T{hour:02}:00:00Z"})
        end = f"2026-11-21T{hour + 1:02}:00:00Z"
        name = f"AWSLogs/123456789012/CloudTrail-Digest/{region}/2026/11/21/123456789012_CloudTrail-Digest_{region}_t_eu-west-1_{hour + 1:02}.json.gz"
        data = json.dumps({"awsAccountId": "123456789012", "digestStartTime": f"2026-11-21T{hour:02}:00:00Z", "digestEndTime": end,
                           "digestS3Bucket": BUCKET, "digestS3Object": name, "digestPublicKeyFingerprint": fingerprint,
                           "digestSignatureAlgorithm": "SHA256withRSA", "newestEventTime": None, "oldestEventTime": None,
                           "previousDigestS3Bucket": previous and BUCKET, "previousDigestS3Object": previous and previous[0],
                           "previousDigestHashValue": previous and previous[1], "previousDigestHashAlgorithm": previous and "SHA-256",
                           "previousDigestSignature": previous and previous[2], "logFiles": logs}).encode()
        text = f"{end}\n{BUCKET}/{name}\n{hashlib.sha256(data).hexdigest()}\n{previous[2] if previous else 'null'}"
        signature = openssl("dgst", "-sha256", "-sign", f"{folder}/key.pem", stdin=text.encode()).hex()
        digests.append(write(bucket, name, data))
        previous = (name, hashlib.sha256(data).hexdigest(), signature)
    write(bucket, previous[0] + ".signature", previous[2].encode(), packed=False)
    return bucket, digests


def judge(folder, keys="keys.json"):
    code, out, err = tocsin("verify", "--cloudtrail", f"{folder}/bucket", "--public-key", f"{folder}/{keys}", "--format", "json")
    return code, json.loads(out) if out else None, err


@test("J-07 M-01 CloudTrail: a digest chain that AWS' rules sign is proven, by AWS' list of keys and by a PEM")
def proven():
    with temporary() as folder:
        make(folder)
        for keys in ("keys.json", "key.pub"):
            code, report, err = judge(folder, keys)
            assert code == 0 and not err, err
            assert report == {"digests": 4, "digests_proven": 4, "log_files": 9, "log_files_intact": 9, "problems": 0}, report
        os.rename(f"{folder}/bucket", f"{folder}/{BUCKET}")  # a folder that holds buckets
        os.makedirs(f"{folder}/bucket")
        os.rename(f"{folder}/{BUCKET}", f"{folder}/bucket/{BUCKET}")
        code, report, err = judge(folder)
        assert code == 0 and report["digests_proven"] == 4, err


@test("J-07 CloudTrail: a changed, a missing log file; a changed, a missing digest; another key: each is told by its name")
def damaged():
    with temporary() as folder:
        bucket, digests = make(folder)
        log = next(os.path.join(at, name) for at, _, names in os.walk(f"{bucket}/AWSLogs/123456789012/CloudTrail") for name in sorted(names))
        whole = open(log, "rb").read()
        with open(log, "wb") as file:
            file.write(gzip.compress(gzip.decompress(whole).replace(b"GetObject", b"PutObject")))
        code, report, err = judge(folder)
        assert code == 1 and report["log_files_intact"] == 8 and os.path.basename(log) in err and "hash differs" in err, err
        os.remove(log)
        code, report, err = judge(folder)
        assert code == 1 and os.path.basename(log) in err and "missing" in err, err
        with open(log, "wb") as file:
            file.write(whole)
        assert judge(folder)[0] == 0

        whole = open(digests[1], "rb").read()
        with open(digests[1], "wb") as file:
            file.write(gzip.compress(gzip.decompress(whole).replace(b"01:00:00Z", b"01:00:01Z")))
        code, report, err = judge(folder)
        assert code == 1 and os.path.basename(digests[1]) in err, err
        os.remove(digests[1])
        code, report, err = judge(folder)
        assert code == 1 and "before it is missing" in err, err
        with open(digests[1], "wb") as file:
            file.write(whole)

        with temporary() as other:
            make(other, 1)
            os.replace(f"{other}/keys.json", f"{folder}/other.json")
        code, report, err = judge(folder, "other.json")
        assert code == 1 and report["digests_proven"] == 0 and "no key" in err, err
        code, _, err = tocsin("verify", "--cloudtrail", bucket)
        assert code == 2 and "--public-key" in err, err


@test("J-07 CloudTrail: a copy that begins in the middle of the chains of several regions misses nothing")
def regions():
    with temporary() as folder, temporary() as other:
        bucket, digests = make(folder)
        moved, further = make(other, region="us-east-1")
        with open(f"{folder}/keys.json", encoding="utf-8") as ours, open(f"{other}/keys.json", encoding="utf-8") as theirs:
            keys = json.load(ours)["PublicKeyList"] + json.load(theirs)["PublicKeyList"]
        with open(f"{folder}/keys.json", "w", encoding="utf-8") as file:
            json.dump({"PublicKeyList": keys}, file)
        os.remove(digests[0])
        os.remove(further[0])
        subprocess.run(["cp", "-r", f"{moved}/AWSLogs", bucket], check=True)
        code, report, err = judge(folder)
        assert code == 0 and not err, err
        assert report["digests"] == report["digests_proven"] == 6 and report["problems"] == 0, report
        os.remove(further[2].replace(moved, bucket))
        code, _, err = judge(folder)
        assert code == 1 and "before it is missing" in err and "us-east-1_t_eu-west-1_03" in err, err


@test("J-07 CloudTrail: a region's chain may begin before the copy does; a digest that nothing proves is told unless it is its region's newest")
def chains():
    with temporary() as folder:
        for region in ("eu-west-1", "us-east-1", "us-west-2"):
            _, digests = make(folder, region=region)
            os.remove(digests[0])  # from before the copy
            os.remove(digests[3] + ".signature")
        code, report, err = judge(folder)
        assert code == 0 and (report["digests"], report["digests_proven"]) == (9, 6), (report, err)

        def change(path, **members):
            digest = json.loads(gzip.decompress(open(path, "rb").read()))
            data = json.dumps({**digest, **members}).encode()
            with open(path, "wb") as file:
                file.write(gzip.compress(data))
            return hashlib.sha256(data).hexdigest()
        first = change(digests[1], logFiles=[])
        second = change(digests[2], previousDigestHashValue=first, previousDigestSignature=None)
        change(digests[3], previousDigestHashValue=second, previousDigestSignature=None)
        code, report, err = judge(folder)
        assert code == 1 and report["digests_proven"] == 4, report
        assert all(os.path.basename(d) in err for d in digests[1:3]) and os.path.basename(digests[3]) not in err, err
        for path in digests[1:]:  # each a beginning of its own
            change(path, previousDigestS3Object=None)
        code, report, err = judge(folder)
        assert code == 1 and all(os.path.basename(d) in err for d in digests[1:3]), err


if __name__ == "__main__":
    kit.main()
