"""Messages of Prometheus remote write, 1.0 and 2.0, as a sender makes them."""
import struct

PROTOBUF = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
VERSION_2 = PROTOBUF | {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, content):
    if isinstance(content, bytes):
        return varint(number << 3 | 2) + varint(len(content)) + content
    if isinstance(content, float):
        return varint(number << 3 | 1) + struct.pack("<d", content)
    return varint(number << 3) + varint(content)


def snappy(raw):
    """A block of literals only."""
    out = varint(len(raw))
    for i in range(0, len(raw), 60):
        out += bytes([len(raw[i:i + 60]) - 1 << 2]) + raw[i:i + 60]
    return out


def sample(value, milliseconds):
    return field(1, float(value)) + field(2, milliseconds)


def pairs(labels):
    return b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in sorted(labels.items()))


def write_request(*series):
    """Series are (labels, [(value, milliseconds)]) or, with exemplars, (labels, samples, [(labels, value, milliseconds)])."""
    out = b""
    for labels, samples, *exemplars in series:
        body = pairs(labels) + b"".join(field(2, sample(*s)) for s in samples)
        body += b"".join(field(3, pairs(l) + field(2, float(v)) + field(3, t)) for l, v, t in (exemplars[0] if exemplars else ()))
        out += field(1, body)
    return snappy(out)


def write_request_2(labels, samples):
    symbols = [""] + [t for pair in sorted(labels.items()) for t in pair]
    refs = b"".join(varint(i) for i in range(1, len(symbols)))
    body = field(1, refs) + b"".join(field(2, sample(*s)) for s in samples)
    return snappy(b"".join(field(4, s.encode()) for s in symbols) + field(5, body))
