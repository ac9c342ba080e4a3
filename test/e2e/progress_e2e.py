"""scan's progress line at a real terminal (a pty), and its absence everywhere else."""
import os
import pty
import subprocess

import kit
from kit import test, tocsin

RULES = "packs/auth"


def at_terminal(*args, stdout_too=False):
    """(exit code, standard output, what the terminal at standard error received)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([kit.TOCSIN, "scan", "--rules", RULES, *args], stdin=subprocess.DEVNULL,
                               stdout=theirs if stdout_too else subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    seen = b""
    out = b"" if stdout_too else process.stdout.read()
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    return process.wait(60), out.decode(), seen.decode()


def log(folder, lines=200000):
    path = os.path.join(folder, "log.json")
    with open(path, "w", encoding="utf-8") as file:
        for i in range(lines):
            file.write('{"event_type":"%s","user.name":"u%d"}\n' % ("account_locked" if i % 1000 == 0 else "other", i))
    return path


@test("Y-14 scan at a terminal: a progress line, wiped at the end; standard output is as without")
def terminal():
    with kit.temporary() as folder:
        path = log(folder)
        code, quiet, err = tocsin("scan", "--rules", RULES, "--format", "json", path)
        assert code == 0 and err == "" and quiet.count("\n") == 200
        code, out, seen = at_terminal("--format", "json", "--progress", "always", path)
        assert code == 0 and out == quiet
        assert "% " in seen and " left, " in seen and "findings" in seen and f"of {os.path.getsize(path) / 2**20:.1f} MiB" in seen, seen
        assert seen.endswith("\r\x1b[K"), seen[-100:]
        code, out, seen = at_terminal("--format", "json", "--progress=never", path)
        assert code == 0 and out == quiet and seen == ""


@test("no progress line where standard error is no terminal, nor among findings on the same one")
def quiet():
    with kit.temporary() as folder:
        path = log(folder, 20000)
        code, _, err = tocsin("scan", "--rules", RULES, path)
        assert code == 0 and err == ""
        code, _, seen = at_terminal(path, stdout_too=True)
        assert code == 0 and "\x1b[K" not in seen
        code, out, err = tocsin("scan", "--rules", RULES, "--progress", "always", "-", stdin=open(path, "rb").read())
        assert code == 0 and "findings" in err and "%" not in err
        code, _, err = tocsin("scan", "--rules", RULES, "--progress", "loud", path)
        assert code == 2 and "auto, always or never" in err


kit.main()
