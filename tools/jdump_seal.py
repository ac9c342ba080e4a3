"""Judges checkpoints by docs/format/checkpoint.md alone, for tools/jdump: signatures, and whether the keys of periods follow one another.

Ed25519 is RFC 8032's verification in Python's numbers, so that not even a library is shared with the program that signs.
"""
import base64
import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
SERIES_KIND = b"\xfftocsin-periods-1"


class Disbelief(Exception):
    pass


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# --- Ed25519: points as (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z


def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point_of(data):
    """The point that 32 bytes stand for; None: there is none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(public, message, signature):
    a, r, s = point_of(public), point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    return same(times(s, BASE), add(r, times(h, a)))


# --- keys and notes


def read_key(line):
    """name, id, what the key is: 32 bytes, or for a series (levels, root)."""
    name, identity, text = line.split("+", 2)
    data = base64.b64decode(text, validate=True)
    if sha256(name.encode(), b"\n", data)[:4].hex() != identity:
        raise ValueError("a key's id is not that of its text")
    if data[0] == 1 and len(data) == 33:
        return name, identity, data[1:]
    if data.startswith(SERIES_KIND) and len(data) == len(SERIES_KIND) + 33:
        return name, identity, (data[len(SERIES_KIND)], data[len(SERIES_KIND) + 1:])
    raise ValueError("a key of no kind that is known")


def read_keys(path):
    with open(path, encoding="utf-8") as file:
        return [read_key(line.strip()) for line in file if line.strip() and not line.startswith("#")]


class Note:
    def __init__(self, text, signatures):
        self.text = text
        lines = text.split("\n")
        self.size, self.root = int(lines[1]), base64.b64decode(lines[2])
        self.words, self.path = {}, []
        for line in lines[3:]:
            word, value = line.split(" ", 1)
            if word == "path":
                self.path.append(bytes.fromhex(value))
            self.words[word] = value
        self.time, self.head = self.words["time"], bytes.fromhex(self.words["head"])
        self.signatures = []
        for line in signatures.split("\n"):
            name, value = line[2:].split(" ", 1)
            self.signatures.append((name, base64.b64decode(value)))
        period = self.words.get("period", "").split(" ")
        self.series, self.ends = period[0], period[2:] == ["ends"]
        self.period = int(period[1]) if len(period) > 1 else None

    def signed_by(self, name, identity, public):
        return any(n == name and s[:4].hex() == identity and is_signed(public, self.text.encode() + b"\n", s[4:])
                   for n, s in self.signatures)


def read_notes(path):
    with open(path, encoding="utf-8") as file:
        parts = file.read().split("\n\n")
    return [Note(parts[i], parts[i + 1]) for i in range(0, len(parts) - 2, 2)]


def leads_to(public, number, path, levels, root):
    node = sha256(b"\0", public)
    for level, sibling in enumerate(path):
        node = sha256(b"\1", sibling, node) if number >> level & 1 else sha256(b"\1", node, sibling)
    return len(path) == levels and number < 1 << levels and node == root


class Judge:
    """Believes notes one after another, or says why not."""

    def __init__(self, keys):
        self.series = {identity: (name, *what) for name, identity, what in keys if isinstance(what, tuple)}
        self.fixed = [(name, identity, what) for name, identity, what in keys if isinstance(what, bytes)]
        self.now = self.key = None  # the series' id and the period's number; its key
        self.ended, self.begun, self.periods = False, set(), 0

    def period(self, note):
        if note.series not in self.series:
            raise Disbelief("no key of a trusted series signed")
        name, levels, root = self.series[note.series]
        if (note.series, note.period) == self.now:
            if self.ended:
                raise Disbelief("the key of a period that had ended signed")
        else:
            in_series = self.now is not None and self.now[0] == note.series
            wanted = self.now[1] + 1 if in_series else 0
            if (in_series and not self.ended) or note.period != wanted or (not in_series and note.series in self.begun):
                raise Disbelief(f"period {note.period} does not follow: seals are missing")
            if "period-key" not in note.words:
                raise Disbelief("the first seal of a period does not tell its key")
        if "period-key" in note.words:
            key = read_key(note.words["period-key"])
            if key[0] != name or not leads_to(key[2], note.period, note.path, levels, root):
                raise Disbelief("a period's key is not of its series")
            self.periods += (note.series, note.period) != self.now
            self.key = key
        if not note.signed_by(*self.key):
            raise Disbelief("the key of its period did not sign")
        self.now, self.ended = (note.series, note.period), note.ends
        self.begun.add(note.series)

    def believe(self, note):
        try:
            if self.now is not None or note.series in self.series or not self.fixed:
                self.period(note)
            elif not any(note.signed_by(*key) for key in self.fixed):
                raise Disbelief("no trusted key signed")
            if "key" in note.words:
                self.fixed += [read_key(line[4:]) for line in note.text.split("\n") if line.startswith("key ")]
        except (ValueError, IndexError) as why:
            raise Disbelief(str(why)) from why


def judge_file(path, keys):
    """The notes, believed, and the judge."""
    judge, notes = Judge(keys), read_notes(path)
    for note in notes:
        try:
            judge.believe(note)
        except Disbelief as why:
            raise Disbelief(f"{path}: the checkpoint of {note.time}: {why}") from why
    if judge.series and judge.now is None:
        raise Disbelief(f"{path}: no seal of the series is there")
    return notes, judge
