"""What the parts of the benchmark share: where things are, how a process is timed, the rows of the table."""
import os
import shutil
import statistics
import subprocess
import time

TOCSIN = os.path.abspath("build/tocsin")
DATA = os.path.abspath(os.environ.get("TOCSIN_DATA", "../shared/data"))
SIGMA = [f"{DATA}/sigma/{folder}" for folder in ("rules", "rules-emerging-threats", "rules-threat-hunting")]
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
rows = []


def install(package):
    if shutil.which(package):
        return True
    done = subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", package], capture_output=True, check=False,
                          env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    return done.returncode == 0 and shutil.which(package) is not None


def timed(command, runs=5):
    """Median wall and CPU seconds, peak memory in MiB."""
    walls, cpus, memory = [], [], 0
    for _ in range(runs):
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if os.waitstatus_to_exitcode(status) not in (0,):
            raise RuntimeError(f"{command} ended with {status}")
        walls.append(time.monotonic() - started)
        cpus.append(usage.ru_utime + usage.ru_stime)
        memory = max(memory, usage.ru_maxrss / 1024)
    return statistics.median(walls), statistics.median(cpus), memory


def add(name, events, size, wall, cpu, memory, note=""):
    rows.append((name, events / wall, events / cpu if cpu else None, size / wall / 1e6, memory, note))
    print(f"{name}: {events / wall:,.0f} events/s, {size / wall / 1e6:,.0f} MB/s, {memory:.0f} MiB {note}", flush=True)


tables = []


def add_table(title, words, head, lines):
    """A table of its own for the page, behind the one of rows."""
    tables.append((title, words, head, lines))
