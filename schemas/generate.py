#!/usr/bin/env python3
"""Makes the C of events and requests, and their self-contained schemas, from schemas/*.

    generate.py --out DIR     writes DIR/event/*.{h,c} and DIR/avsc/*.avsc (run by CMake)
    generate.py --check       every schema of history/ can be read by the current one, and the
                              catalogue in README.md is the one of catalogue.json
    generate.py --freeze      adds the current schemas to history/; run it at each release
    generate.py --readme      writes the catalogue into README.md

--schemas DIR names another schema folder. Exit status 0, or 1 with one line for each fault.
"""

import argparse
import pathlib
import sys

sys.dont_write_bytecode = True

from avro_schema import Collection, SchemaError  # noqa: E402
import emit_entry  # noqa: E402
import emit_header  # noqa: E402
import emit_source  # noqa: E402
from resolve import problems  # noqa: E402

MARKS = ("<!-- catalogue: generate.py --readme -->\n", "<!-- end -->\n")


def write(path, text):
    """Leaves a file that is right already alone, so that nothing is compiled for nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def generate(collection, out):
    types = collection.types
    write(out / "event/types.h", emit_header.types_header(types))
    write(out / "event/shapes.h", emit_source.shapes_header(types))
    write(out / "event/types.c", emit_source.types_source(types))
    for family in collection.families:
        write(out / f"event/{family.noun}.h", emit_header.family_header(family))
        write(out / f"event/{family.noun}.c", emit_source.family_source(family))
        for schema in family.schemas:
            write(out / f"avsc/{schema.name}.avsc", schema.text())
    write(out / "event/entry.c", emit_entry.entry_source(collection))
    return []


def all_schemas(collection):
    return [schema for family in collection.families for schema in family.schemas]


def frozen_as(schema, collection):
    """Is `schema` in history/, with limits no smaller? (They are not in the fingerprint.)"""
    return any(old.fingerprint == schema.fingerprint
               and not problems(schema.type, old.type, "") for old in collection.frozen)


def check(collection):
    faults = []
    current = {schema.name: schema for schema in all_schemas(collection)}
    for old in collection.frozen:
        if old.name not in current:
            faults.append(f"{old.name}: is in history/ and no longer among the schemas")
            continue
        faults += [f"{old.name}: data of history/{old.label()} cannot be read: {problem}"
                   for problem in problems(old.type, current[old.name].type, "")]
    if collection.frozen:
        faults += [f"{schema.name}: {schema.label()} is not in history/; once it is final, "
                   "--freeze adds it" for schema in current.values()
                   if not frozen_as(schema, collection)]
    path = collection.root / "README.md"
    if path.exists() and path.read_text(encoding="utf-8") != with_catalogue(collection):
        faults.append("README.md: the catalogue is not that of catalogue.json; run --readme")
    return faults


def freeze(collection):
    """History only grows: a schema whose limits alone grew gets a number behind its name."""
    faults = [fault for fault in check(collection) if "--freeze adds it" not in fault]
    if faults:
        return faults
    for schema in all_schemas(collection):
        if frozen_as(schema, collection):
            continue
        number = sum(old.fingerprint == schema.fingerprint for old in collection.frozen)
        suffix = f".{number + 1}" if number else ""
        path = collection.root / "history" / f"{schema.label()}{suffix}.avsc"
        write(path, schema.text())
        print(f"froze {path.name}")
    return []


def catalogue(collection):
    text = ""
    for family in collection.families:
        rows = collection.catalogue[family.noun + "s"]
        text += (f"\n| {family.noun} | what it says | written by | read by | since |\n"
                 "|---|---|---|---|---|\n")
        for row, schema in zip(rows, family.schemas):
            text += (f"| `{row['name']}` | {schema.type.doc} | {row['writer']} | "
                     f"{row['readers']} | {row['since']} |\n")
    return text + "\n"


def with_catalogue(collection):
    text = (collection.root / "README.md").read_text(encoding="utf-8")
    if any(text.count(mark) != 1 for mark in MARKS):
        raise SchemaError("README.md: the marks around the catalogue are missing")
    head, rest = text.split(MARKS[0])
    return head + MARKS[0] + catalogue(collection) + MARKS[1] + rest.split(MARKS[1])[1]


def readme(collection):
    write(collection.root / "README.md", with_catalogue(collection))
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--schemas", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--out", type=pathlib.Path)
    for name in ("check", "freeze", "readme"):
        action.add_argument("--" + name, action="store_true")
    options = parser.parse_args()
    try:
        collection = Collection(options.schemas)
        if options.out is not None:
            faults = generate(collection, options.out)
        else:
            faults = (check if options.check else freeze if options.freeze else readme)(collection)
    except SchemaError as error:
        faults = [str(error)]
    for fault in faults:
        print(f"generate.py: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
