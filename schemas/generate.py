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
import emit_header  # noqa: E402
import emit_source  # noqa: E402


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
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--schemas", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    try:
        faults = generate(Collection(options.schemas), options.out)
    except SchemaError as error:
        faults = [str(error)]
    for fault in faults:
        print(f"generate.py: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
