"""Shell completion, by the shells themselves: bash, and zsh and fish where they are installed."""
import os
import re
import shutil
import subprocess

import kit
from kit import Skip, test, tocsin

VERBS = re.findall(r"^  (\w+) ", tocsin("--help")[1].split("verbs:")[1], re.M)


def verb_options(verb):
    return re.findall(r"^  (--[a-z.-]+)", tocsin(verb, "--help")[1].split("options:")[1], re.M)


def script(shell):
    code, out, err = tocsin("completion", shell)
    assert code == 0 and not err, err
    return out


def need(shell):
    path = shutil.which(shell)
    if path is None:
        raise Skip(f"{shell} is not installed")
    return path


def bash(*words, cwd=None):
    """What bash would offer for the last of the words, having read the script as a person's shell does."""
    quoted = " ".join("'" + w + "'" for w in words)
    program = script("bash") + f"\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _tocsin; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run([need("bash"), "--norc", "-eu"], input=program, capture_output=True, text=True, cwd=cwd, check=False, timeout=30)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


@test("Y-14 bash completes every verb, and every option of every verb")
def verbs_and_options():
    assert len(VERBS) >= 10 and set(VERBS) <= set(bash("tocsin", "")), bash("tocsin", "")
    assert bash("tocsin", "ver") == ["verify"]
    for verb in VERBS:
        assert sorted(bash("tocsin", verb, "--")) == sorted(verb_options(verb)), verb


@test("Y-14 bash completes words of an option, words of operands, files and folders")
def values():
    with kit.temporary() as folder:
        os.mkdir(os.path.join(folder, "logs here"))
        open(os.path.join(folder, "log.json"), "w").close()
        assert bash("tocsin", "scan", "--format", "") == ["table", "json"]
        assert bash("tocsin", "scan", "--format", "=", "j") == ["json"]
        assert {"auto", "sshd", "cef", "ndjson"} <= set(bash("tocsin", "scan", "--input", ""))
        assert bash("tocsin", "scan", "--fail-on", "c") == ["critical"]
        assert sorted(bash("tocsin", "scan", "log", cwd=folder)) == ["log.json", "logs here"]
        assert bash("tocsin", "run", "--data", "log", cwd=folder) == ["logs here"]
        assert "ack" in bash("tocsin", "alerts", "") and bash("tocsin", "completion", "f") == ["fish"]
        assert bash("tocsin", "scan", "--timezone", "", cwd=folder) == []


@test("Y-14 every word offered for --input is one that --input takes")
def inputs():
    for word in bash("tocsin", "parse", "--input", ""):
        code, _, err = tocsin("parse", "--input", word, "-", stdin=b"{}\n")
        assert code == 0, (word, err)


@test("Y-14 fish completes verbs, options and words")
def fish():
    path = need("fish")

    def ask(line):
        with kit.temporary() as home:
            done = subprocess.run([path, "--no-config", "-c", script("fish") + f"\ncomplete -C '{line}'"], capture_output=True, text=True,
                                  check=False, timeout=60, env={**os.environ, "HOME": home})
        assert done.returncode == 0 and not done.stderr, done.stderr
        return [row.split("\t")[0] for row in done.stdout.splitlines()]
    assert set(VERBS) <= set(ask("tocsin ")), ask("tocsin ")
    for verb in VERBS:
        assert set(verb_options(verb)) <= set(ask(f"tocsin {verb} --")), verb
    assert ask("tocsin scan --format ") == ["json", "table"]


@test("Y-14 zsh reads the script and completes verbs, options and words")
def zsh():
    path = need("zsh")
    with kit.temporary() as home:
        # compadd is what all of zsh's completion ends in; zpty drives a real line editor
        open(os.path.join(home, "_tocsin"), "w", encoding="utf-8").write(script("zsh"))
        program = r"""
zmodload zsh/zpty || exit 77
zpty z zsh -f -i
zpty -w z "PROMPT=; fpath=($PWD \$fpath); autoload -Uz compinit; compinit -u -D; bindkey '^I' list-choices; stty columns 200; echo all-set"
zpty -r z answer '*all-set*all-set*'
for line in 'tocsin ' 'tocsin scan --' 'tocsin scan --format='; do
  zpty -w -n z "$line"$'\t'
  sleep 2
  zpty -w -n z $'\x15'
done
zpty -w z "echo the-end"
zpty -r z answer '*the-end*the-end*'
print -r -- "$answer"
zpty -d z
"""
        done = subprocess.run([path, "-f"], input=program, capture_output=True, text=True, cwd=home, check=False, timeout=60,
                              env={**os.environ, "HOME": home, "TERM": "dumb"})
        if done.returncode == 77:
            raise Skip("zsh without zsh/zpty")
    for word in VERBS + ["--fail-on", "--threads", "table", "json"]:
        assert word in done.stdout, (word, done.stdout, done.stderr)


@test("an unknown shell is refused by name")
def unknown():
    code, _, err = tocsin("completion", "csh")
    assert code == 2 and "bash, zsh or fish" in err


kit.main()
