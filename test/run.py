#!/usr/bin/env python3
"""Builds everything and runs every test: the structure check, unit tests (plain, and under sanitizers), rule tests, end-to-end tests,
short fuzzing. Prints a line a failure and ends with `N passed, M failed`.

Arguments pick groups: lint unit asan tsan rules e2e fuzz (default: all). Logs lie in build/test-logs/.
"""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time

GROUPS = ["lint", "unit", "rules", "e2e", "asan", "tsan", "fuzz"]
FUZZ_SECONDS = os.environ.get("FUZZ_SECONDS", "3")
LOGS = "build/test-logs"
# Programs with threads of their own: what the thread sanitizer can say something about. Simulations and power cuts run everything on one.
TSAN = re.compile(r"/(?!\w+_(?:sim|crash|faults)_test$)(pool|journal|recover|detector|notify|intake|syslog|core|sim|log|tail|vault|positions|sources|events|alerts|stream|workers|cold_thread|tsdb_thread|sealing|range_rate|remote|outgoing)"
                  r"[a-z_]*_test$")

passed = failed = skipped = 0


def report(good, text):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {text}", flush=True)


def run(command, log, env=None, timeout=900):
    os.makedirs(LOGS, exist_ok=True)
    path = f"{LOGS}/{log}"
    with open(path, "wb") as out:
        try:
            code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  env={**os.environ, **(env or {})}, timeout=timeout, check=False).returncode
        except subprocess.TimeoutExpired:
            code = 124
    return code, open(path, encoding="utf-8", errors="replace").read()


def build(target, variant=""):
    command = ["make", "-s", f"-j{os.cpu_count()}"] + ([f"VARIANT={variant}"] if variant else []) + target
    code, text = run(command, f"build-{variant or 'plain'}.log", timeout=1800)
    if code != 0:
        print(text[-4000:])
        report(False, f"building {' '.join(target) or 'tocsin'} {variant}")
    return code == 0


def programs(variant=""):
    command = ["make", "-s", "list-tests"] + ([f"VARIANT={variant}"] if variant else [])
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def cmocka(program, variant=""):
    """One test program; its own lines say which tests passed."""
    global skipped
    name = f"{variant + ' ' if variant else ''}{re.sub('^build/([a-z]+/)?test/', '', program)}"
    env = {"ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1:allocator_may_return_null=1", "UBSAN_OPTIONS": "print_stacktrace=1",
           "TSAN_OPTIONS": "halt_on_error=1"}
    log = name.replace("/", "_").replace(" ", "-")
    code, text = run([program], f"{log}.log", env=env)
    if (code < 0 or ("DEADLYSIGNAL" in text and "libmicrohttpd" in text)) and not re.search(r"^\[  FAILED  \]", text, re.M):
        # a signal ended it, without naming a test: told, kept, and tried once more, so that one such end does not hide the rest. What a
        # sanitizer reports is never tried again
        print(f"{name} ended with {code} in {(re.findall(r'RUN      . (.*)', text) or ['its start'])[-1]}; running it again")
        os.rename(f"{LOGS}/{log}.log", f"{LOGS}/{log}.first.log")
        code, text = run([program], f"{log}.log", env=env)
    good = len(re.findall(r"^\[\s+OK \]", text, re.M))
    bad = re.findall(r"^\[  FAILED  \] (?!GROUP)(\S+)$", text, re.M)
    skips = len(re.findall(r"^\[  SKIPPED \] \S+$", text, re.M))
    return name, code, good, sorted(set(bad)), skips, text


def run_cmocka(variant=""):
    global passed, failed, skipped
    chosen = [p for p in programs(variant) if variant != "tsan" or TSAN.search(p)]
    if not build(chosen if variant == "tsan" else ["tests"], variant):
        return
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, code, good, bad, skips, text in pool.map(lambda p: cmocka(p, variant), chosen):
            passed += good
            skipped += skips
            for test in bad:
                report(False, f"{name} {test}")
            if code != 0 and not bad:
                report(False, f"{name} ended with {code}")
            if code != 0:
                print("\n".join(text.splitlines()[-40:]))
            for why in re.findall(r"^skipped: .*$", text, re.M):
                print(f"{name}: {why}")


def run_lint():
    code, text = run(["python3", "test/lint/rooms.py", "--headers"], "lint.log")
    report(code == 0, f"rooms\n{text}")
    for command, page in ((["help", "--man"], "man/tocsin.1"), (["check", "--reference"], "docs/configuration.md")):
        made = subprocess.run(["build/tocsin", *command], capture_output=True, text=True, check=True).stdout
        report(made == open(page, encoding="utf-8").read(), f"{page} is not what the tables say: run ./dev man")


def run_rules():
    global passed, failed
    code, text = run(["build/tocsin", "test", "packs/"], "rules.log")
    found = re.search(r"^(\d+) passed, (\d+) failed$", text, re.M)
    if not found:
        report(False, f"tocsin test packs/ ended with {code}\n{text[-2000:]}")
        return
    passed += int(found[1])
    if code != 0:
        failed += max(int(found[2]), 1)
        print(text[-4000:])


def e2e(path):
    """One file of end-to-end tests; they wait far more than they work, so two go at a time."""
    started = time.monotonic()
    code, text = run(["python3", path], os.path.basename(path) + ".log")
    return os.path.basename(path), code, text, time.monotonic() - started


def run_e2e():
    global skipped
    # Three at a time, as most of them mostly wait; the long ones first, so that none is left over at the end.
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for name, code, text, seconds in pool.map(e2e, sorted(glob.glob("test/e2e/*_e2e.py"), key=os.path.getsize, reverse=True)):
            tests = re.findall(r"^(ok|FAILED|skipped) (.*)$", text, re.M)
            for verdict, test in tests:
                if verdict == "skipped":
                    skipped += 1
                    print(f"skipped {test}")
                else:
                    report(verdict == "ok", f"{name} {test}")
            if code != 0 and not any(v == "FAILED" for v, _ in tests):
                report(False, f"{name} ended with {code}")
            if code != 0:
                print("\n".join(text.splitlines()[-60:]))
            if seconds > 30:
                print(f"{name}: {seconds:.0f} s", flush=True)


def run_fuzz():
    code, text = run(["test/fuzz.sh", FUZZ_SECONDS], "fuzz.log", timeout=1800)
    lines = re.findall(r"^(ok|FAILED) fuzz (.*)$", text, re.M)
    for verdict, name in lines:
        report(verdict == "ok", f"fuzz {name}")
    if code != 0 and not any(v == "FAILED" for v, _ in lines):
        report(False, f"fuzzing ended with {code}\n{text[-2000:]}")


def main():
    chosen = sys.argv[1:] or GROUPS
    unknown = [g for g in chosen if g not in GROUPS]
    if unknown:
        print(f"unknown group {unknown[0]}: it is one of {' '.join(GROUPS)}")
        return 2
    steps = {"lint": run_lint, "unit": run_cmocka, "rules": run_rules, "e2e": run_e2e,
             "asan": lambda: run_cmocka("asan"), "tsan": lambda: run_cmocka("tsan"), "fuzz": run_fuzz}
    if build([]):
        for group in GROUPS:
            if group in chosen:
                started = time.monotonic()
                steps[group]()
                print(f"{group}: {time.monotonic() - started:.0f} s, {passed} passed so far", flush=True)
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


sys.exit(main())
