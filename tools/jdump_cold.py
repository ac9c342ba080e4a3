"""Cold segments for tools/jdump, by docs/format/cold.md alone."""
import ctypes
import ctypes.util
import struct

HEADER_BYTES, ENTRY_BYTES = 512, 112
MAGIC = b"TocsinC\x1e"
NO_TIME = -1 << 63
STREAMS = 11

zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
zstd.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
zstd.ZSTD_decompress.restype = ctypes.c_size_t


class Bad(Exception):
    pass


def unpack(data, size):
    out = ctypes.create_string_buffer(size or 1)
    if zstd.ZSTD_decompress(out, size, data, len(data)) != size:
        raise Bad("a part cannot be unpacked")
    return out.raw[:size]


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, n):
        if self.at + n > len(self.data):
            raise Bad("a part ends early")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, form):
        return struct.unpack("<" + form, self.bytes(struct.calcsize(form)))[0]

    def varint(self):
        v = shift = 0
        while True:
            byte = self.number("B")
            v |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return v

    def signed(self):
        v = self.varint()
        return (v >> 1) ^ -(v & 1)

    def string(self):
        return self.bytes(self.number("I"))

    def more(self):
        return self.at < len(self.data)

    def stream(self):
        raw, packed = self.varint(), self.varint()
        return unpack(self.bytes(packed), raw) if packed else self.bytes(raw)


class Header:
    def __init__(self, data, xxh3, first):
        if len(data) < HEADER_BYTES or data[:8] != MAGIC or struct.unpack_from("<Q", data, 504)[0] != xxh3(data[:504]):
            raise Bad("no header of a cold segment, or its checksum does not match")
        version, length = struct.unpack_from("<II", data, 8)
        if version not in (1, 2) or length != HEADER_BYTES:
            raise Bad("a cold segment of another version")
        r = Reader(data[16:504])
        self.epoch, self.first, self.previous, self.header_commit, self.created = (r.number(f) for f in "QQQQq")
        self.sequences, self.head = [r.number("Q") for _ in range(3)], r.bytes(32)
        self.next, self.last_commit = r.number("Q"), r.number("Q")
        self.end_sequences, self.end_head = [r.number("Q") for _ in range(3)], r.bytes(32)
        r.bytes(40)
        self.classes = [{k: r.number("Q") for k in ("kept", "dropped", "newest", "dropped_at", "stage")} for _ in range(3)]
        self.frames, self.directory, self.causes = (tuple(r.number("Q") for _ in range(4)) for _ in range(3))
        if self.first != first:
            raise Bad("the header's position is not that of the file's name")


def rows(data, header):
    """Frames as dictionaries, and gaps; what follows from the rows before is put in."""
    r = Reader(data)
    position, commit, durable, offset, received = header.first, header.header_commit - 1, 0, 144, header.created
    while r.more():
        tag = r.number("B")
        if tag == 0:
            gap = {"first": position, "count": r.varint(), "frames": r.varint()}
            size = r.varint()
            commit += r.varint()
            offset += size
            durable = offset - r.varint()
            gap["head"] = r.bytes(32)
            gap["nodes"] = [(r.number("B"), r.bytes(32)) for _ in range(r.varint())]
            position += gap["count"]
            yield gap
            continue
        f = {"kind": tag & 7, "first": position, "count": r.varint(), "payload": r.varint()}
        step = r.varint()
        durable = offset if step else durable
        commit += step
        received += r.signed()
        consumed = position + r.signed() if tag & 16 else 0
        key = r.bytes(16) if tag & 8 else bytes(16)
        f["chained"] = struct.pack("<4sHBBIIQQQqQII", b"TcF\x1e", 128, 1, f["kind"], f["payload"], f["count"], position, commit,
                                   durable, received, consumed % (1 << 64), 1 if tag & 8 else 0, 0) + key
        f["commit"] = commit
        offset += (128 + f["payload"] + 7) // 8 * 8
        position += f["count"]
        yield f


def codings(names):
    """What a column repeats of others, outermost first, and the coding of the rest."""
    copies = []
    while (coding := names.number("B")) == 6:
        copies.append((names.varint(), names.varint(), names.varint(), names.varint(), names.number("B")))
    return copies, coding


def put_back(texts, copies, columns_before):
    for source, begin, length, at, letters in reversed(copies):
        cased = (bytes, bytes.lower, bytes.upper)[letters]
        texts = [text[:at] + cased(whole[begin:begin + length]) + text[at:] for text, whole in zip(texts, columns_before[source], strict=True)]
    return texts


def values(r, coding, n):
    a, b = r.stream(), r.stream()
    lengths = Reader(a)
    if coding == 1:
        text = Reader(b)
        return [text.bytes(lengths.varint()) for _ in range(n)]
    if coding == 2:
        return [b[i::n] for i in range(n)] if lengths.varint() * n == len(b) else None
    if coding == 3:
        words = []
        while lengths.more():
            words.append(lengths.string())
        wide = len(words) > 255
        return [words[(b[i] << 8 | b[n + i]) if wide else b[i]] for i in range(n)]
    if coding == 4:
        least, width = lengths.varint(), lengths.varint()
        if width:
            return [b"%d" % (least + int.from_bytes(b[i::n], "big")) for i in range(n)]
        steps, out = Reader(b), []
        for _ in range(n):
            least += steps.varint()
            out.append(b"%d" % least)
        return out
    return [b".".join(b"%d" % part for part in b[i::n]) for i in range(n)]


def shape(key):
    r = Reader(key)
    pieces = []
    for _ in range(r.varint()):
        hole, n = r.number("B"), r.varint()
        pieces.append((n, None) if hole else (None, r.bytes(n)))
    has_table, entries = r.number("B"), []
    for _ in range(r.varint()):
        e = {"type": r.number("B"), "flags": r.number("B"), "where": r.number("B"), "hash": r.number("I"), "n": r.varint()}
        if e["where"] & 1:
            exact = r.varint()
            e["exact"], e["text"] = exact, r.bytes(e["n"] + exact)
        else:
            e["exact"], e["at"] = 0, (r.varint(), r.varint())
        if e["where"] & 2:
            e["column"] = r.varint()
        else:
            e["from"], e["to"] = (r.varint(), r.varint()), (r.varint(), r.varint())
        entries.append(e)
    return pieces, has_table, entries


def body(this, take):
    """Raw text and field table of a record of this shape."""
    pieces, has_table, entries = this
    raw, starts = b"", []
    for column, literal in pieces:
        starts.append(len(raw))
        raw += literal if column is None else take(column)
    starts.append(len(raw))
    if not has_table:
        return raw, b""
    table, strings = b"", b""
    for e in entries:
        name_at = len(raw) + len(strings) if e["where"] & 1 else starts[e["at"][0]] + e["at"][1]
        strings += e.get("text", b"")
        if e["where"] & 2:
            value = take(e["column"])
            value_at, n = len(raw) + len(strings), len(value)
            strings += value
        else:
            value_at = starts[e["from"][0]] + e["from"][1]
            n = starts[e["to"][0]] + e["to"][1] - value_at
        table += struct.pack("<IIIIIBBH", name_at, e["n"], value_at, n, e["hash"], e["type"], e["flags"], e["exact"])
    return raw, struct.pack("<II", len(entries), len(strings)) + table + strings


def columns(stored, count, sha256):
    """Positions and blocks of a chunk that is coded as columns."""
    r = Reader(stored)
    seed = r.bytes(32)
    streams = [Reader(r.stream()) for _ in range(STREAMS)]
    positions, envelopes, envelope, sequence, received, time, source_position, salts, shapes, of_shape, whole = streams
    names, taken = Reader(r.stream()), []
    for _ in range(names.varint()):
        names.string()
        copies, coding = codings(names)
        taken.append(put_back(values(r, coding, names.varint()), copies, taken))
    taken = [iter(texts) for texts in taken]
    known, forms = [], []
    while envelopes.more():
        known.append(envelopes.string())
    while shapes.more():
        forms.append(shape(shapes.bytes(shapes.varint())))
    received_by = received.varint() if received.more() else 1
    time_by = time.varint() if time.more() else 1
    at, s, rec, t, sp = 0, 0, 0, 0, 0
    for _ in range(count):
        at += positions.varint()
        e = known[envelope.varint()]
        s += 1 + sequence.signed()
        rec += received.signed() * received_by
        t += time.signed() * time_by if e[26] else 0
        sp = (sp + 1 + source_position.signed()) % (1 << 64)
        salt = salts.bytes(16) if salts.data else sha256(seed, struct.pack("<Q", s))[:16]
        which = of_shape.varint()
        if which:
            raw, table = body(forms[which - 1], lambda c: next(taken[c]))
        else:
            raw_n, table_n = whole.varint(), whole.varint()
            raw, table = whole.bytes(raw_n), whole.bytes(table_n)
        source = e[33:]
        head = e[:10] + struct.pack("<HI", len(source), len(raw)) + e[10:26]
        head += struct.pack("<QqqQ", s, rec, t if e[26] else NO_TIME, sp)
        yield at, struct.pack("<II", 8 + len(head) + len(source) + 16 + len(raw) + len(table), len(table)) + head + source + salt + raw + table


def plain(data, count):
    r, at, positions = Reader(data), 0, []
    for _ in range(count):
        at += r.varint()
        positions.append(at)
    for position in positions:
        n = struct.unpack_from("<I", r.data, r.at)[0]
        yield position, r.bytes(n)


def read(path, first, xxh3, sha256):
    """The header, the rows, and what is known of each position: a record block, or a leaf (32 bytes with True)."""
    with open(path, "rb") as file:
        data = file.read()
    header = Header(data[:HEADER_BYTES], xxh3, first)

    def part(where):
        offset, size, _, checksum = where
        stored = data[offset:offset + size]
        if len(stored) != size or xxh3(stored) != checksum:
            raise Bad("the checksum of a part does not match", offset)
        return stored

    known, directory = {}, part(header.directory)
    if header.causes[1]:
        part(header.causes)
    for at in range(0, len(directory), ENTRY_BYTES):
        kind, _, coding, _, count, low, high, _, _ = struct.unpack_from("<BBBBIQQqq", directory, at)
        where = struct.unpack_from("<QQQQ", directory, at + 40)
        content = struct.unpack_from("<Q", directory, at + 72)[0]
        words = struct.unpack_from("<QQQQ", directory, at + 80)
        if words[1]:
            part(words)
        stored = part(where)
        try:
            if kind == 2:
                text = unpack(stored, where[2])
                got = [(p, (text[8 * count + 32 * i:][:32], True)) for i, p in enumerate(struct.unpack_from(f"<{count}Q", text))]
                same = xxh3(text)
            else:
                pairs = list(columns(stored, count, sha256) if coding == 2 else plain(unpack(stored, where[2]), count))
                got, same = [(p, (block, False)) for p, block in pairs], xxh3(b"".join(block for _, block in pairs))
        except (IndexError, StopIteration, struct.error, TypeError) as why:
            raise Bad(f"a chunk cannot be read: {why}", where[0]) from why
        if same != content or got[0][0] != low or got[-1][0] != high:
            raise Bad("a chunk does not give back what was packed", where[0])
        known.update(got)
    return header, list(rows(unpack(part(header.frames), header.frames[2]), header)), known
