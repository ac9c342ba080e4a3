"""What sends and what counts, for comparisons of servers: bodies cut from a file without copying it, posts over kept connections, and the
processor time and memory of another process (and its children) by /proc."""
import mmap
import multiprocessing
import os
import re
import socket
import struct
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


def warm_memory(size):
    """On a virtual machine the first touch of a page costs the host's fault, which would be counted as the server's. So memory is touched
    before, and given back."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free = int(re.search(r"MemFree:\s+(\d+)", file.read())[1]) * 1024
    room = mmap.mmap(-1, min(size, free * 3 // 4))
    for at in range(0, len(room), mmap.PAGESIZE):
        room[at] = 1
    room.close()


def stat(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def cpu_seconds(pid):
    """Of the process, its children that are there, and those that it has waited for."""
    used = sum(map(int, stat(pid)[11:15])) / TICKS
    for child in children(pid):
        try:
            used += cpu_seconds(child)
        except OSError:
            pass
    return used


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) / 1024


def disk_bytes(folder):
    """What is taken, with the room that a file system gives a file in advance left out."""
    return sum(os.lstat(os.path.join(root, name)).st_size for root, _, names in os.walk(folder) for name in names)


def until_idle(pid, seconds=120):
    """Waits until the process has hardly anything left to do."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = cpu_seconds(pid)
        time.sleep(0.5)
        if cpu_seconds(pid) - before < 0.03:
            return


def bodies(path, size, part=0, parts=1):
    """Views of whole lines, about `size` bytes each; every `parts`th, from the `part`th on."""
    with open(path, "rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    view, at, number = memoryview(whole), 0, 0
    while at < len(whole):
        end = whole.find(b"\n", min(at + size, len(whole)) - 1) + 1 or len(whole)
        if number % parts == part:
            yield view[at:end]
        at, number = end, number + 1


class Connection:
    """HTTP at so little cost that the server is what is measured."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=300)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path, body, content_type):
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        if len(body) < 65536:
            self.socket.sendall(head.encode() + bytes(body))
        else:
            self.socket.sendall(head.encode())
            self.socket.sendall(body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            got = self.socket.recv(65536)
            if not got:
                raise RuntimeError("the server has closed the connection")
            answer += got
        head, rest = answer.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(rest) < int(length[1]):
            rest += self.socket.recv(65536)
        while b"transfer-encoding: chunked" in head.lower() and not rest.endswith(b"0\r\n\r\n"):
            rest += self.socket.recv(65536)
        status = int(head.split(b" ", 2)[1])
        if status not in (200, 204):
            raise RuntimeError((head + rest[:300]).decode(errors="replace"))


def send_all(port, path, kind, makers):
    """One connection for each maker of bodies; the latencies, sorted."""
    latencies, failures = [], []

    def run(maker):
        try:
            connection = Connection(port)
            for body in maker:
                started = time.monotonic()
                connection.post(path, body, kind)
                latencies.append(time.monotonic() - started)
        except (OSError, RuntimeError) as failure:
            failures.append(failure)
    workers = [threading.Thread(target=run, args=(maker,)) for maker in makers]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return sorted(latencies)


def steady(port, path, lines, per_second, seconds):
    """A process of its own that posts `lines` lines a body, `per_second` lines a second, as the clock has it; four connections. What it
    really sent a second comes by the pipe that is returned with it."""
    ours, theirs = multiprocessing.Pipe()

    def run():
        def one(part, ret):
            connection, size = Connection(port), 730 * lines
            start, sent, begun = time.monotonic() + 0.2, 0, None
            for body in bodies(path, size, part, 4):
                due = start + sent * 4 * lines / per_second
                time.sleep(max(0, due - time.monotonic()))
                begun = begun or time.monotonic()
                if time.monotonic() - begun > seconds:
                    break
                connection.post("/v1/events", body, "application/x-ndjson")
                sent += 1
            ret.append(sent * lines / (time.monotonic() - begun))
        rates = []
        workers = [threading.Thread(target=one, args=(part, rates)) for part in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        theirs.send(sum(rates))
    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process, ours


def cold_parts(folder):
    """What the cold segments of a data directory are made of, by their directories (docs/format/cold.md): bytes of all, of chunks, of
    filters, of rows; and the bytes of segments that are not packed."""
    parts = dict.fromkeys(("all", "columns", "filters", "rows", "open"), 0)
    for name in os.listdir(os.path.join(folder, "journal")):
        path = os.path.join(folder, "journal", name)
        if name.endswith(".seg"):
            parts["open"] += os.path.getsize(path)
        if not name.endswith(".cold"):
            continue
        with open(path, "rb") as file:
            head = file.read(512)
            at, size = struct.unpack_from("<QQ", head, 376)
            file.seek(at)
            directory = file.read(size)
        parts["all"] += os.path.getsize(path)
        parts["rows"] += struct.unpack_from("<Q", head, 344 + 8)[0]
        for entry in range(0, size, 112):
            parts["columns"] += struct.unpack_from("<Q", directory, entry + 40 + 8)[0]
            parts["filters"] += struct.unpack_from("<Q", directory, entry + 80 + 8)[0]
    return parts
