"""Reads what minillm-report exported, without any of its code, and compares the two forms:
read_exports.py METRICS.csv TENSORBOARD_FOLDER. Prints the number of values that agree."""
import csv
import glob
import struct
import sys


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        body = data[at + 12 : at + 12 + length]
        assert struct.unpack_from("<I", data, at + 8)[0] == masked_crc(data[at : at + 8]), "length"
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked_crc(body), "bytes"
        yield body
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = {1: (8, at), 5: (4, at)}.get(key & 7) or varint(data, at)
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def scalars(folder):
    for path in glob.glob(folder + "/*/events.out.tfevents.*"):
        run = path.split("/")[-2]
        with open(path, "rb") as file:
            head, *rest = records(file.read())
        assert dict(fields(head))[3] == b"brain.Event:2"
        for event in map(lambda body: dict(fields(body)), rest):
            for _, value in fields(event[5]):
                entry = dict(fields(value))
                yield run, event[2], entry[1].decode(), struct.unpack("<f", entry[2])[0]


with open(sys.argv[1], newline="") as file:
    rows = list(csv.DictReader(file))
assert all(None not in row and None not in row.values() for row in rows), "rows differ in length"
table = set()
for row in rows:
    for name, text in row.items():
        if name in ("run", "stage", "step", "time") or text == "":
            continue
        tag = "eval/" + name[5:] if name.startswith("eval_") else "train/" + name
        single = struct.unpack("<f", struct.pack("<f", float(text)))[0]
        table.add((row["stage"], int(row["step"]), tag, single))
events = set(scalars(sys.argv[2]))
assert table and table == events, sorted(table ^ events)[:5]
print(len(events), "values agree")
