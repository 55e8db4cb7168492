#!/usr/bin/env python3
"""Avro for Python reads our exports, with each codec it has, and must see what our JSON says.

    export_python_test.py EXPORT_DUMP

fastavro or avro for Python, whichever is installed; exit status 77 (skipped) without one.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from avro_python_test import plain  # noqa: E402


def fastavro_entries(path):
    import fastavro.read
    # Plain longs: Python's dates do not reach as far as they do.
    fastavro.read.LOGICAL_READERS["long-timestamp-micros"] = lambda value, *_: value
    with open(path, "rb") as file:
        yield from fastavro.reader(file, return_record_name=True)


def avro_entries(path):
    import avro.datafile
    import avro.io
    with open(path, "rb") as file:
        for entry in avro.datafile.DataFileReader(file, avro.io.DatumReader()):
            entry["event"] = (None, entry["event"])  # it does not say which branch it took
            yield entry


def without_names(value):
    """fastavro's (name, record) of a branch of a union, as the record."""
    if isinstance(value, tuple):
        return without_names(value[1])
    if isinstance(value, dict):
        return {key: without_names(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_names(item) for item in value]
    return value


def check(codec, entries, lines):
    count = 0
    for entry, line in zip(entries, lines, strict=True):
        wanted = json.loads(line)
        name, event = entry["event"]
        seen = plain(without_names(event))
        seen = {"type": wanted["type"] if name is None else name.removeprefix("docket."), **seen.pop("meta"), **seen}
        count += 1
        if seen != wanted or entry["seq"] != count or entry["epoch"] != 3 or entry["batch"] > count:
            print(f"{codec}: reads {entry}\nand we print {line}")
            return 1
    print(f"{codec}: {count} events read")
    return 0


def main(dump):
    if importlib.util.find_spec("fastavro") is not None:
        read, zstandard = fastavro_entries, ("zstandard", "backports.zstd")
    elif importlib.util.find_spec("avro") is not None:
        read, zstandard = avro_entries, ("zstandard",)
    else:
        print("skipped: neither fastavro nor avro for Python is installed")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory(prefix="docket-export-") as folder:
        lines = subprocess.run([dump, folder], check=True, capture_output=True).stdout.decode().splitlines()
        for codec in ("null", "deflate", "zstandard"):
            if codec == "zstandard" and not any(importlib.util.find_spec(name.split(".")[0]) for name in zstandard):
                print("zstandard: not in this Python")
                continue
            failed |= check(codec, read(f"{folder}/{codec}.avro"), lines)
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
