"""The Debian package: what is in it, the same bytes twice, its unit's sandbox, and its life in a root of its own."""
import ctypes
import glob
import os
import re
import shutil
import subprocess
import tempfile

import kit
from kit import Server, Skip, test, wait_for

UNIT = "packaging/tocsin.service"
BASE = os.environ.get("TOCSIN_PACKAGE_BASE", "/tmp/tocsin-fresh/base")


def run(*command, **kwargs):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **kwargs)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(f"{program} is not installed")


def build(path):
    need("dpkg-deb", "dpkg-shlibdeps", "strip")
    return run("packaging/build-deb.sh", path).strip()


@test("Y-11 the package: the same bytes twice, all its files, every dependency by version")
def contents():
    with tempfile.TemporaryDirectory() as folder:
        first, second = build(f"{folder}/1.deb"), build(f"{folder}/2.deb")
        assert open(first, "rb").read() == open(second, "rb").read()
        names = set(re.findall(r" \.(/\S*[^/\s])$", run("dpkg-deb", "-c", first), re.M))
        expected = {"/usr/bin/tocsin", "/lib/systemd/system/tocsin.service", "/etc/tocsin/tocsin.yml", "/usr/share/man/man1/tocsin.1.gz",
                    "/usr/share/bash-completion/completions/tocsin", "/usr/share/zsh/vendor-completions/_tocsin",
                    "/usr/share/fish/vendor_completions.d/tocsin.fish", "/usr/share/doc/tocsin/copyright", "/usr/share/doc/tocsin/changelog.gz",
                    "/usr/share/doc/tocsin/install.md", "/usr/share/doc/tocsin/configuration.md"}
        expected |= {f"/usr/share/tocsin/{p}" for p in glob.glob("packs/**", recursive=True) if os.path.isfile(p)}
        assert expected <= names, expected - names
        depends = run("dpkg-deb", "-f", first, "Depends")
        for library in ("libc6 (>=", "libmicrohttpd12", "libsqlite3-0", "libseccomp2", "libpcre2-8-0", "libyaml-0-2"):
            assert library in depends, depends
        if shutil.which("lintian"):
            said = subprocess.run(["lintian", "--fail-on", "error,warning", first], capture_output=True, text=True, check=False)
            assert said.returncode == 0, said.stdout
        run("dpkg-deb", "-x", first, f"{folder}/root")
        binary = f"{folder}/root/usr/bin/tocsin"
        assert run(binary, "--version").startswith("tocsin ")
        assert "good" in run(binary, "check", "--config", f"{folder}/root/etc/tocsin/tocsin.yml")
        server = Server(data=f"{folder}/data", args=["--config", f"{folder}/root/etc/tocsin/tocsin.yml"])
        before, kit.TOCSIN = kit.TOCSIN, binary
        try:
            with server:
                server.send({"event_type": "account_locked", "user.name": "a"})
                wait_for("an alert by the packaged program and rules", server.alerts)
        finally:
            kit.TOCSIN = before


@test("Y-11 the unit: verified by systemd, exposure at most 2.0")
def unit():
    need("systemd-analyze")
    with tempfile.TemporaryDirectory() as folder:
        # the program's path is where the package puts it, so a copy names the one that was built
        path = f"{folder}/tocsin.service"
        text = open(UNIT, encoding="utf-8").read().replace("/usr/bin/tocsin", kit.TOCSIN)
        open(path, "w", encoding="utf-8").write(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False, timeout=60)
        mine = [line for line in (done.stdout + done.stderr).splitlines() if "tocsin.service" in line]
        assert not mine, mine
        said = run("systemd-analyze", "security", "--offline=true", "--threshold=20", path)
        level = float(re.search(r"exposure level for \S+: ([0-9.]+)", said).group(1))
        assert level <= 2.0, said


@test("regular expressions match where the unit forbids code made at run time (MemoryDenyWriteExecute)")
def no_written_code():
    libc = ctypes.CDLL(None)
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/r.yml", "w", encoding="utf-8") as file:
            file.write("title: r\nlogsource: {}\ndetection:\n  a:\n    x|re: '^(ab+|c)d.*e[0-9]+$'\n  condition: a\nlevel: low\n")

        def deny():
            if libc.prctl(65, 1, 0, 0, 0) != 0:  # PR_SET_MDWE, Linux 6.3
                os._exit(77)
        try:
            done = subprocess.run([kit.TOCSIN, "scan", "--rules", folder, "--format", "json", "-"], input='{"x":"abbdze12"}\n{"x":"no"}\n',
                                  capture_output=True, text=True, preexec_fn=deny, check=False, timeout=60)
        except subprocess.SubprocessError as why:
            raise Skip("this kernel cannot forbid it") from why
        if done.returncode == 77:
            raise Skip("this kernel cannot forbid it")
        assert done.returncode == 0 and done.stdout.count("\n") == 1, (done.returncode, done.stdout, done.stderr)


@test("Y-11 a clean Debian: install, run, upgrade with the data kept, remove, purge")
def life():
    if os.geteuid() != 0:
        raise Skip("wants root, for a chroot")
    if not os.path.exists(f"{BASE}/etc/debian_version"):
        raise Skip(f"no Debian root at {BASE}: debootstrap --variant=minbase bookworm {BASE}")
    with tempfile.TemporaryDirectory() as folder:
        root = f"{folder}/root"
        deb = build(f"{folder}/tocsin.deb")
        run("cp", "-a", BASE, root)

        def inside(command):
            return run("chroot", root, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                       "DEBIAN_FRONTEND=noninteractive", "sh", "-ec", command)
        for path in ("/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(path, root + path)
        for path in glob.glob("/etc/apt/apt.conf.d/99*") + glob.glob("/etc/apt/auth.conf*"):
            run("cp", "-a", path, f"{root}/etc/apt/apt.conf.d/")
        for path in glob.glob("/usr/local/share/ca-certificates/**", recursive=True):
            if os.path.isfile(path):
                os.makedirs(root + os.path.dirname(path), exist_ok=True)
                shutil.copy(path, root + path)
        shutil.copy(deb, f"{root}/tmp/tocsin.deb")
        try:
            inside("apt-get update -q")
        except AssertionError as why:
            raise Skip("the root cannot reach a Debian mirror") from why
        inside("apt-get install -qy --no-install-recommends /tmp/tocsin.deb")
        assert "/var/lib/tocsin" in inside("getent passwd tocsin")
        assert inside("stat -c '%U %G %a' /var/lib/tocsin").split() == ["tocsin", "tocsin", "750"]
        assert inside("stat -c '%U %a' /etc/tocsin/secrets").split() == ["root", "700"]
        said = inside("tocsin check --config /etc/tocsin/tocsin.yml; printf '{\"event_type\":\"account_locked\"}\\n' | "
                      "tocsin scan --rules /usr/share/tocsin/packs/auth --format json -")
        assert "ACCOUNT_LOCKOUT" in said, said
        # as the unit's user, for a second, so that data is there
        inside("su -s /bin/sh tocsin -c 'timeout 2 tocsin run --config /etc/tocsin/tocsin.yml --listen 127.0.0.1:0 || test $? = 124'; "
               "test -d /var/lib/tocsin/journal; echo '# mine' >>/etc/tocsin/tocsin.yml")
        inside("dpkg -i /tmp/tocsin.deb")
        inside("tocsin verify /var/lib/tocsin; grep -q '^# mine' /etc/tocsin/tocsin.yml")
        inside("dpkg -r tocsin; test ! -e /usr/bin/tocsin; test -d /var/lib/tocsin/journal; test -e /etc/tocsin/tocsin.yml")
        inside("dpkg -P tocsin; test ! -e /var/lib/tocsin; test ! -e /etc/tocsin")


kit.main()
