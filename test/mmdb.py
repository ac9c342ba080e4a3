"""Writes a small MMDB file (MaxMind DB format 2.0) for tests: `mmdb.py FILE` reads {"network": {record}} as JSON from its input.

A file is a binary tree over the bits of an address (IPv4 below ::/96), 16 zero bytes, the data section, and a map of metadata
behind a marker. Records of 24 bits: below the number of nodes a node, that number itself "nothing", above it a place in the data.
"""
import ipaddress
import json
import struct
import sys

MARKER = b"\xab\xcd\xefMaxMind.com"
STRING, DOUBLE, UINT16, UINT32, MAP, UINT64, ARRAY, BOOLEAN = 2, 3, 5, 6, 7, 9, 11, 14


def control(kind, size):
    extra = b""
    if size >= 285:
        extra, size = struct.pack(">H", size - 285), 30
    elif size >= 29:
        extra, size = bytes([size - 29]), 29
    head = bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])
    return head + extra


def number(kind, value):
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return control(kind, len(digits)) + digits


def encode(value):
    if isinstance(value, bool):
        return control(BOOLEAN, int(value))
    if isinstance(value, int):
        return number(UINT32, value)
    if isinstance(value, float):
        return control(DOUBLE, 8) + struct.pack(">d", value)
    if isinstance(value, str):
        return control(STRING, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return control(ARRAY, len(value)) + b"".join(map(encode, value))
    return control(MAP, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


def bits(network):
    network = ipaddress.ip_network(network)
    if network.version == 4:
        return "0" * 96 + format(int(network.network_address), "032b")[:network.prefixlen]
    return format(int(network.network_address), "0128b")[:network.prefixlen]


def build(networks, kind="Test"):
    """The file's bytes. Longer prefixes must come after shorter ones that hold them, and take their place there."""
    nodes, data = [[None, None]], b""
    for network, record in networks.items():
        path, place = bits(network), len(data)
        data += encode(record)
        at = 0
        for bit in path[:-1]:
            below = nodes[at][int(bit)]
            if not isinstance(below, int):
                nodes.append([below, below])  # a record above becomes both halves
                below = nodes[at][int(bit)] = len(nodes) - 1
            at = below
        nodes[at][int(path[-1])] = ("data", place)

    def value(record):
        if record is None:
            return len(nodes)
        return record if isinstance(record, int) else len(nodes) + 16 + record[1]

    tree = b"".join(value(record).to_bytes(3, "big") for node in nodes for record in node)
    metadata = {"node_count": (UINT32, len(nodes)), "record_size": (UINT16, 24), "ip_version": (UINT16, 6),
                "binary_format_major_version": (UINT16, 2), "binary_format_minor_version": (UINT16, 0),
                "build_epoch": (UINT64, 1790000000)}
    text = {"database_type": kind, "languages": ["en"], "description": {"en": "made by a test"}}
    return (tree + bytes(16) + data + MARKER + control(MAP, len(metadata) + len(text)) +
            b"".join(encode(k) + number(*v) for k, v in metadata.items()) + b"".join(encode(k) + encode(v) for k, v in text.items()))


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as file:
        file.write(build(json.load(sys.stdin)))
