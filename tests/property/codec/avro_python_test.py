#!/usr/bin/env python3
"""Another implementation reads our bytes and must see what our JSON says.

    avro_python_test.py CODEC_DUMP AVSC_FOLDER

fastavro or avro for Python, whichever is installed; exit status 77 (skipped) without one.
"""

import importlib.util
import io
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True


def fastavro_reader(text):
    import fastavro
    schema = fastavro.parse_schema(without_time(json.loads(text)))
    return lambda data: fastavro.schemaless_reader(io.BytesIO(data), schema)


def avro_reader(text):
    import avro.io
    import avro.schema
    reader = avro.io.DatumReader(avro.schema.parse(json.dumps(without_time(json.loads(text)))))
    return lambda data: reader.read(avro.io.BinaryDecoder(io.BytesIO(data)))


def without_time(schema):
    """timestamp-micros as a plain long: Python's dates do not reach as far as a long does."""
    if isinstance(schema, dict):
        return {key: without_time(value) for key, value in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [without_time(item) for item in schema]
    return schema


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def main(dump, folder):
    for name, make in (("fastavro", fastavro_reader), ("avro", avro_reader)):
        if importlib.util.find_spec(name) is not None:
            break
    else:
        print("skipped: neither fastavro nor avro for Python is installed")
        return 77
    output = subprocess.run([dump], check=True, capture_output=True).stdout.decode()
    readers, records = {}, 0
    for line in output.splitlines():
        kind, data, text = line.split(" ", 2)
        if kind not in readers:
            readers[kind] = make((pathlib.Path(folder) / "avsc" / f"{kind}.avsc").read_text())
        seen = plain(readers[kind](bytes.fromhex(data)[10:]))
        seen = {"type": kind, **seen.pop("meta"), **seen}
        if seen != json.loads(text):
            print(f"{name} reads {seen}\nand we print {text}")
            return 1
        records += 1
    print(f"{records} records of {len(readers)} types read by {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
